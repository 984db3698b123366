import { OctagonAlert } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import { freshKey } from '@/api/client';
import { isProblem } from '@/api/problem';
import type { CommandAnswer } from '@/api/commands';
import { notify } from '@/stores/notices';
import { AccountBadge } from './Badge';
import { Button } from './Button';
import { Facts } from './Card';
import { Dialog } from './Dialog';
import { Field, Input, Textarea } from './Field';
import { ErrorNote, Note } from './States';

export interface ConfirmProps {
  title: string;
  /** What will happen, in one or two sentences. */
  what: ReactNode;
  /** Quantity, value, broker, market: what a person must see before. */
  facts: readonly (readonly [ReactNode, ReactNode])[];
  account: string;
  /** What is to be typed where the account is LIVE. */
  asset: string;
  action: string;
  done: string;
  danger?: boolean;
  reason?: 'none' | 'optional' | 'required';
  reasonLabel?: string;
  blocked?: ReactNode;
  run: (about: { reason: string; key: string }) => Promise<CommandAnswer>;
}

/** The second, deliberate step before anything that moves money. Mount it when it is asked for: each has a name of its
 *  own under which the engine does it once, however often the answer is lost and it is sent again. */
export function Confirm(props: ConfirmProps & { onClose: () => void }) {
  const { title, what, facts, account, asset, action, danger, reason = 'none', blocked, onClose } = props;
  const [typed, setTyped] = useState('');
  const [why, setWhy] = useState('');
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const [key, setKey] = useState(freshKey);
  const live = account === 'LIVE';
  const ready =
    (!live || typed.trim().toUpperCase() === asset.toUpperCase()) &&
    (reason !== 'required' || why.trim() !== '') &&
    blocked === undefined;

  const run = async () => {
    setBusy(true);
    setError(null);
    try {
      const answer = await props.run({ reason: why.trim(), key });
      if (answer.state === 'waiting') {
        notify('warn', 'Kept for the engine', 'It does not answer just now. This will be done as soon as it does.');
      } else {
        notify('good', props.done, answer.warning);
      }
      onClose();
    } catch (failure) {
      // A refusal is an answer: asked again it is asked anew. Where the answer was lost it is asked under the same name.
      if (isProblem(failure) && failure.isFinal) setKey(freshKey());
      setError(failure);
      setBusy(false);
    }
  };

  return (
    <Dialog
      open
      onOpenChange={(open) => {
        if (!open && !busy) onClose();
      }}
      title={
        <span className="flex items-center gap-2">
          {title} <AccountBadge type={account} />
        </span>
      }
      description={what}
      footer={
        <>
          <Button onClick={onClose} disabled={busy}>
            Cancel
          </Button>
          <Button
            type="submit"
            form="confirm"
            kind={live ? 'live' : danger ? 'danger' : 'primary'}
            busy={busy}
            disabled={!ready}
          >
            {action}
          </Button>
        </>
      }
    >
      <form
        id="confirm"
        className="flex flex-col gap-3"
        onSubmit={(event) => {
          event.preventDefault();
          if (ready) void run();
        }}
      >
        {facts.length > 0 && <Facts rows={facts} className="rounded-md bg-sunken px-3 py-2" />}
        {blocked !== undefined && <Note tone="warn">{blocked}</Note>}
        {reason !== 'none' && (
          <Field label={props.reasonLabel ?? 'Reason'} optional={reason === 'optional'} hint="Kept in the journal">
            {(field) => (
              <Textarea {...field} rows={2} maxLength={500} value={why} onChange={(e) => setWhy(e.target.value)} />
            )}
          </Field>
        )}
        {live && (
          <Field
            label={
              <span className="inline-flex items-center gap-1.5 text-live">
                <OctagonAlert className="size-4" aria-hidden /> Real money. Type {asset} to go on
              </span>
            }
          >
            {(field) => (
              <Input {...field} autoComplete="off" value={typed} onChange={(event) => setTyped(event.target.value)} />
            )}
          </Field>
        )}
        <ErrorNote error={error} />
      </form>
    </Dialog>
  );
}
