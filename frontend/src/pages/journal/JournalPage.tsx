import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { History, Radio } from 'lucide-react';
import { useMemo } from 'react';
import { activeOperations, around, journal } from '@/api/queries';
import { sentenceTypes } from '@/lib/story';
import { useLink } from '@/live/link';
import { Button } from '@/ui/Button';
import { Card, PageTitle } from '@/ui/Card';
import { Select } from '@/ui/Field';
import { moreOf, rowsOf } from '@/ui/More';
import { Empty, ErrorNote } from '@/ui/States';
import { EntryTable } from './EntryTable';
import { IntegrityBadge } from './IntegrityBadge';
import { StateAt } from './StateAt';
import { TimeSlider } from './TimeSlider';

/** The record of everything: followed live, filtered, or stood still at any moment of it. */
export default function JournalPage() {
  const { at, type, operation } = useSearch({ from: '/app/journal' });
  const navigate = useNavigate({ from: '/journal' });
  const head = useLink((link) => link.head);
  const operations = useQuery(activeOperations());
  const names = useMemo(
    () => new Map(operations.data?.items.map(({ id, symbol }) => [id, symbol]) ?? []),
    [operations.data],
  );
  const go = (to: number | undefined) =>
    void navigate({ search: (before) => ({ ...before, at: to }), replace: at !== undefined });
  return (
    <>
      <PageTitle title="Journal" hint={<IntegrityBadge />}>
        {at === undefined ? (
          <Button icon={<History />} disabled={head === 0} onClick={() => go(head)}>
            Travel in time
          </Button>
        ) : (
          <Button kind="primary" icon={<Radio />} onClick={() => go(undefined)}>
            Back to now
          </Button>
        )}
      </PageTitle>
      {at !== undefined && (
        <>
          <TimeSlider at={at} head={Math.max(head, at)} onMove={go} />
          <StateAt at={at} />
        </>
      )}
      <Card
        flush
        label="Entries"
        title={at === undefined ? 'Entries' : `Around entry ${at}`}
        hint={at === undefined ? 'newest first, followed live' : 'choose one to stand there'}
        actions={
          at === undefined && (
            <>
              <Select
                aria-label="Operation"
                className="w-40"
                value={operation ?? ''}
                onChange={(event) =>
                  void navigate({ search: (before) => ({ ...before, operation: event.target.value || undefined }) })
                }
              >
                <option value="">All operations</option>
                {operations.data?.items.map((each) => (
                  <option key={each.id} value={each.id}>
                    {each.symbol} · {each.strategy_name} · {each.id.slice(-6)}
                  </option>
                ))}
              </Select>
              <Select
                aria-label="Type"
                className="w-48"
                value={type ?? ''}
                onChange={(event) =>
                  void navigate({ search: (before) => ({ ...before, type: event.target.value || undefined }) })
                }
              >
                <option value="">All entries</option>
                {sentenceTypes.map((each) => (
                  <option key={each}>{each}</option>
                ))}
              </Select>
            </>
          )
        }
      >
        {at === undefined ? (
          <Following type={type} operation={operation} names={names} />
        ) : (
          <Around at={at} names={names} onStep={go} />
        )}
      </Card>
    </>
  );
}

interface FollowingProps {
  type: string | undefined;
  operation: string | undefined;
  names: ReadonlyMap<string, string>;
}

function Following({ type, operation, names }: FollowingProps) {
  const found = useInfiniteQuery(journal({ type, operation }));
  const tail = useLink((link) => link.tail);
  const past = rowsOf(found);
  const newest = past[0]?.sequence_number ?? 0;
  const fresh = useMemo(
    () =>
      tail
        .filter(
          (entry) =>
            entry.sequence_number > newest &&
            (type === undefined || entry.action_type === type) &&
            (operation === undefined || entry.operation_id === operation),
        )
        .reverse(),
    [tail, newest, type, operation],
  );
  return (
    <>
      <ErrorNote error={found.error} retry={() => void found.refetch()} className="m-3" />
      <EntryTable
        entries={[...fresh, ...past]}
        names={names}
        loading={found.isPending}
        more={moreOf(found)}
        height="max-h-[calc(100dvh-11rem)]"
        empty={<Empty title="No entry of that kind">Change the filters to see others.</Empty>}
      />
    </>
  );
}

function Around({
  at,
  names,
  onStep,
}: {
  at: number;
  names: ReadonlyMap<string, string>;
  onStep: (at: number) => void;
}) {
  const found = useQuery(around(at));
  return (
    <>
      <ErrorNote error={found.error} className="m-3" />
      <EntryTable
        entries={found.data?.items ?? []}
        names={names}
        loading={found.isPending}
        marked={at}
        onStep={onStep}
        height="max-h-96"
      />
    </>
  );
}
