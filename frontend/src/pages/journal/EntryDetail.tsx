import { useQuery } from '@tanstack/react-query';
import { chain } from '@/api/queries';
import type { JournalEntry } from '@/api/types';
import { exactly } from '@/lib/format';
import { sentence } from '@/lib/story';
import { Badge } from '@/ui/Badge';
import { Facts } from '@/ui/Card';
import { Dialog } from '@/ui/Dialog';
import { ErrorNote, Loading } from '@/ui/States';
import { Story } from '@/ui/Story';

/** All of one entry, and the chain it belongs to. */
export function EntryDetail({ entry, onClose }: { entry: JournalEntry; onClose: () => void }) {
  const found = useQuery(chain(entry.correlation_id));
  return (
    <Dialog
      kind="sheet"
      open
      onOpenChange={(open) => {
        if (!open) onClose();
      }}
      title={`Entry ${entry.sequence_number}`}
      description={sentence(entry)}
    >
      <Facts
        rows={[
          ['Type', <Badge key="t">{`${entry.action_type} v${entry.action_version}`}</Badge>],
          ['When', exactly(entry.timestamp)],
          ['By', entry.actor],
          ['Caused by', entry.causation_id ?? 'nothing before it'],
          ['Chain began with', entry.correlation_id],
          ['Writer’s epoch', entry.epoch],
          [
            'Hash',
            <code key="h" className="text-2xs break-all">
              {entry.hash}
            </code>,
          ],
          [
            'Before it',
            <code key="p" className="text-2xs break-all">
              {entry.previous_hash}
            </code>,
          ],
        ]}
      />
      <h3 className="mt-4 mb-1.5 font-semibold">Facts</h3>
      <pre tabIndex={0} className="overflow-x-auto rounded-md bg-sunken p-2.5 text-xs leading-5">
        {JSON.stringify(entry.action_data, null, 2)}
      </pre>
      <h3 className="mt-4 mb-2 font-semibold">The chain it belongs to</h3>
      {found.isPending && <Loading rows={3} />}
      <ErrorNote error={found.error} />
      <Story entries={found.data?.items ?? []} dense />
    </Dialog>
  );
}
