import { zodResolver } from '@hookform/resolvers/zod';
import { useState } from 'react';
import { useForm } from 'react-hook-form';
import { z } from 'zod';
import { changeUser } from '@/api/users';
import { logIn, useSession } from '@/stores/session';
import { Button } from '@/ui/Button';
import { Field, Input } from '@/ui/Field';
import { ErrorNote } from '@/ui/States';

const shape = z
  .object({ password: z.string().min(12, 'At least 12 characters'), again: z.string() })
  .refine(({ password, again }) => password === again, { path: ['again'], error: 'The two are different' });
type Values = z.infer<typeof shape>;

interface PasswordFormProps {
  onBegin?: () => void;
  onDone: () => void;
}

/** A new password for oneself. Every log-in of before ends with it, so this one is begun anew. */
export function PasswordForm({ onBegin, onDone }: PasswordFormProps) {
  const user = useSession((session) => session.user);
  const form = useForm<Values>({ resolver: zodResolver(shape), defaultValues: { password: '', again: '' } });
  const [error, setError] = useState<unknown>(null);
  const { errors, isSubmitting } = form.formState;
  const submit = form.handleSubmit(async ({ password }) => {
    if (user === null) return;
    setError(null);
    onBegin?.();
    try {
      await changeUser(user, { password });
      await logIn(user, password);
      form.reset();
      onDone();
    } catch (failure) {
      setError(failure);
    }
  });
  return (
    <form className="flex flex-col gap-3" onSubmit={(event) => void submit(event)}>
      <input type="text" name="username" autoComplete="username" value={user ?? ''} readOnly hidden />
      <Field label="New password" hint="12 characters or more" error={errors.password?.message}>
        {(field) => (
          <Input
            {...field}
            type="password"
            autoComplete="new-password"
            className="h-10"
            {...form.register('password')}
          />
        )}
      </Field>
      <Field label="Once more" error={errors.again?.message}>
        {(field) => (
          <Input {...field} type="password" autoComplete="new-password" className="h-10" {...form.register('again')} />
        )}
      </Field>
      <ErrorNote error={error} />
      <Button type="submit" kind="primary" size="lg" busy={isSubmitting} className="self-start">
        Change password
      </Button>
    </form>
  );
}
