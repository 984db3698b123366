import { useInfiniteQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { operationJournal } from '@/api/queries';
import type { OperationDetail } from '@/api/types';
import { useLink } from '@/live/link';
import { moreOf, rowsOf } from '@/ui/More';
import { Empty, ErrorNote } from '@/ui/States';
import { EntryTable } from '../journal/EntryTable';

/** The operation's entries, the newest first, followed live. */
export function JournalTab({ operation }: { operation: OperationDetail }) {
  const found = useInfiniteQuery(operationJournal(operation.id));
  const tail = useLink((link) => link.tail);
  const past = rowsOf(found);
  const newest = past[0]?.sequence_number ?? 0;
  const fresh = useMemo(
    () => tail.filter((entry) => entry.operation_id === operation.id && entry.sequence_number > newest).reverse(),
    [tail, operation.id, newest],
  );
  return (
    <>
      <ErrorNote error={found.error} retry={() => void found.refetch()} className="m-3" />
      <EntryTable
        entries={[...fresh, ...past]}
        loading={found.isPending}
        more={moreOf(found)}
        empty={<Empty title="No entry yet" />}
      />
    </>
  );
}
