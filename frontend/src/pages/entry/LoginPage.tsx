import { Eye, EyeOff, LogIn } from 'lucide-react';
import { useState } from 'react';
import { logIn, useSession } from '@/stores/session';
import { Button, IconButton } from '@/ui/Button';
import { Field, Input } from '@/ui/Field';
import { ErrorNote, Note } from '@/ui/States';

export function LoginPage() {
  const why = useSession((session) => session.why);
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [visible, setVisible] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);

  const submit = async () => {
    setBusy(true);
    setError(null);
    try {
      await logIn(name.trim(), password);
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };

  return (
    <main className="flex min-h-dvh items-center justify-center p-4">
      <div className="w-full max-w-sm">
        <div className="mb-5 flex items-center gap-3">
          <img src="/favicon.svg" alt="" className="size-10" />
          <div>
            <h1 className="text-lg leading-6 font-semibold tracking-tight">live-trading</h1>
            <p className="text-muted">An engine whose only memory is its journal</p>
          </div>
        </div>
        <form
          className="flex flex-col gap-3 rounded-xl border border-line bg-surface p-5"
          onSubmit={(event) => {
            event.preventDefault();
            void submit();
          }}
        >
          {why === 'expired' && <Note tone="warn">Your log-in has ended. Log in again; nothing else has changed.</Note>}
          {why === 'left' && <Note>You are logged out. Trading goes on without you.</Note>}
          <Field label="Name">
            {(field) => (
              <Input
                {...field}
                autoComplete="username"
                autoCapitalize="none"
                required
                className="h-10"
                value={name}
                onChange={(event) => setName(event.target.value)}
              />
            )}
          </Field>
          <Field label="Password" hint="At the first start the name is admin; its password was printed by the program.">
            {(field) => (
              <span className="relative block">
                <Input
                  {...field}
                  type={visible ? 'text' : 'password'}
                  autoComplete="current-password"
                  required
                  className="h-10 pr-10"
                  value={password}
                  onChange={(event) => setPassword(event.target.value)}
                />
                <IconButton
                  label={visible ? 'Hide the password' : 'Show the password'}
                  icon={visible ? <EyeOff /> : <Eye />}
                  className="absolute top-1 right-1"
                  onClick={() => setVisible(!visible)}
                />
              </span>
            )}
          </Field>
          <ErrorNote error={error} />
          <Button type="submit" kind="primary" size="lg" icon={<LogIn />} busy={busy}>
            Log in
          </Button>
        </form>
      </div>
    </main>
  );
}
