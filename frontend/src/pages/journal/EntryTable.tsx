import { Link } from '@tanstack/react-router';
import { useMemo, useState, type ReactNode } from 'react';
import type { JournalEntry } from '@/api/types';
import { cn } from '@/lib/cn';
import { exactly, moment } from '@/lib/format';
import { sentence, weightOf, type Weight } from '@/lib/story';
import { Badge, type Tone } from '@/ui/Badge';
import { DataTable, type Column } from '@/ui/DataTable';
import { EntryDetail } from './EntryDetail';

const tones: Record<Weight, Tone> = { bad: 'bad', warn: 'warn', good: 'good', plain: 'neutral' };

interface EntryTableProps {
  entries: readonly JournalEntry[];
  loading?: boolean;
  more?: { has: boolean; loading: boolean; load: () => void };
  empty?: ReactNode;
  height?: string;
  /** Operations' names by id, where the table shows entries of several. */
  names?: ReadonlyMap<string, string>;
  marked?: number | undefined;
  onStep?: (sequenceNumber: number) => void;
}

export function EntryTable({ entries, names, marked, onStep, ...rest }: EntryTableProps) {
  const [looked, setLooked] = useState<JournalEntry | null>(null);
  const columns = useMemo<Column<JournalEntry>[]>(
    () => [
      {
        id: 'number',
        header: '#',
        align: 'right',
        className: 'w-16',
        cell: (entry) => <span className="num text-muted">{entry.sequence_number}</span>,
      },
      {
        id: 'time',
        header: 'When',
        className: 'w-24',
        cell: (entry) => (
          <time className="num text-soft" title={exactly(entry.timestamp)}>
            {moment(entry.timestamp)}
          </time>
        ),
      },
      {
        id: 'type',
        header: 'Entry',
        from: 'sm',
        className: 'w-52',
        cell: (entry) => <Badge tone={tones[weightOf(entry.action_type)]}>{entry.action_type}</Badge>,
      },
      {
        id: 'what',
        header: 'What',
        cell: (entry) => (
          <button
            type="button"
            className="line-clamp-1 text-left break-all hover:underline"
            onClick={(event) => {
              event.stopPropagation();
              setLooked(entry);
            }}
          >
            {sentence(entry)}
          </button>
        ),
      },
      ...(names
        ? [
            {
              id: 'operation',
              header: 'Operation',
              from: 'md' as const,
              className: 'w-28',
              cell: (entry: JournalEntry) =>
                entry.operation_id === null ? (
                  <span className="text-muted">system</span>
                ) : (
                  <Link
                    to="/operations/$id"
                    params={{ id: entry.operation_id }}
                    className="hover:text-accent hover:underline"
                  >
                    {names.get(entry.operation_id) ?? entry.operation_id.slice(-6)}
                  </Link>
                ),
            },
          ]
        : []),
      {
        id: 'actor',
        header: 'By',
        from: 'lg',
        className: 'w-32',
        cell: (entry) => <span className="text-muted">{entry.actor}</span>,
      },
    ],
    [names],
  );
  return (
    <>
      <DataTable<JournalEntry>
        label="Journal entries"
        columns={columns}
        rows={entries}
        rowId={(entry) => String(entry.sequence_number)}
        rowClass={(entry) => cn(entry.sequence_number === marked && 'bg-accent-soft')}
        {...(onStep ? { onRowClick: (entry) => onStep(entry.sequence_number) } : {})}
        {...rest}
      />
      {looked && <EntryDetail entry={looked} onClose={() => setLooked(null)} />}
    </>
  );
}
