import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { StickyNote } from 'lucide-react';
import { useState } from 'react';
import { addNote } from '@/api/commands';
import { freshKey } from '@/api/client';
import { operationNotes } from '@/api/queries';
import type { Operation } from '@/api/types';
import { exactly, moment } from '@/lib/format';
import { useMay } from '@/stores/session';
import { Button } from '@/ui/Button';
import { Field, Textarea } from '@/ui/Field';
import { rowsOf } from '@/ui/More';
import { Empty, ErrorNote } from '@/ui/States';

export function NotesTab({ operation }: { operation: Operation }) {
  const found = useInfiniteQuery(operationNotes(operation.id));
  const client = useQueryClient();
  const mayTrade = useMay('trader');
  const [text, setText] = useState('');
  const [key, setKey] = useState(freshKey);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const notes = rowsOf(found);

  const add = async () => {
    setBusy(true);
    setError(null);
    try {
      await addNote(operation.id, text.trim(), key);
      setText('');
      setKey(freshKey());
      await client.invalidateQueries({ queryKey: ['operation', operation.id, 'notes'] });
    } catch (failure) {
      setError(failure);
    }
    setBusy(false);
  };

  return (
    <div className="flex max-w-3xl flex-col gap-3 p-3">
      {mayTrade && (
        <form
          className="flex flex-col gap-2"
          onSubmit={(event) => {
            event.preventDefault();
            void add();
          }}
        >
          <Field label="New note" hint="It becomes a journal entry under your name, and stays">
            {(field) => (
              <Textarea {...field} maxLength={4000} value={text} onChange={(event) => setText(event.target.value)} />
            )}
          </Field>
          <ErrorNote error={error} />
          <Button type="submit" kind="primary" className="self-start" busy={busy} disabled={text.trim() === ''}>
            Write it down
          </Button>
        </form>
      )}
      <ErrorNote error={found.error} retry={() => void found.refetch()} />
      {notes.length === 0 && !found.isPending && <Empty icon={<StickyNote />} title="No notes" />}
      <ul className="flex flex-col gap-2">
        {notes.map((note) => (
          <li key={note.sequence_number} className="rounded-md border border-line px-3 py-2">
            <p className="break-words whitespace-pre-wrap">{note.text}</p>
            <p className="mt-1 text-xs text-muted" title={exactly(note.timestamp)}>
              {note.actor.replace('user:', '')} · {moment(note.timestamp)} · entry {note.sequence_number}
            </p>
          </li>
        ))}
      </ul>
    </div>
  );
}
