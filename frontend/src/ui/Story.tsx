import { Link } from '@tanstack/react-router';
import type { JournalEntry } from '@/api/types';
import { cn } from '@/lib/cn';
import { exactly, moment, words } from '@/lib/format';
import { shown } from '@/lib/shown';
import { sentence, weightOf, type Weight } from '@/lib/story';

const dots: Record<Weight, string> = { bad: 'bg-down', warn: 'bg-warn', good: 'bg-up', plain: 'bg-line-strong' };

const figure = (value: unknown): string => shown(typeof value === 'number' ? Math.round(value * 1e6) / 1e6 : value);

/** What a strategy looked at, or the numbers of a refusal. */
export function Inputs({ values, label }: { values: unknown; label: string }) {
  if (typeof values !== 'object' || values === null) return null;
  const rows = Object.entries(values).filter(([, value]) => value !== null && typeof value !== 'object');
  if (rows.length === 0) return null;
  return (
    <dl aria-label={label} className="mt-1 flex flex-wrap gap-x-3 gap-y-0.5 text-xs">
      {rows.map(([name, value]) => (
        <div key={name} className="flex gap-1">
          <dt className="text-muted">{words(name)}</dt>
          <dd className="num">{figure(value)}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Journal entries as a story: when, what, and on whose account. */
export function Story({ entries, dense }: { entries: readonly JournalEntry[]; dense?: boolean }) {
  return (
    <ol className="flex flex-col">
      {entries.map((entry, index) => (
        <li key={entry.sequence_number} className="relative flex gap-3 pb-3 last:pb-0">
          {index < entries.length - 1 && (
            <span aria-hidden className="absolute top-4 bottom-0 left-[3px] w-px bg-line" />
          )}
          <span
            aria-hidden
            className={cn('mt-1.5 size-[7px] shrink-0 rounded-full', dots[weightOf(entry.action_type)])}
          />
          <div className="min-w-0 flex-1">
            <p className="break-words">{sentence(entry)}</p>
            {!dense && (
              <Inputs values={entry.action_data['inputs'] ?? entry.action_data['numbers']} label="What it looked at" />
            )}
            <p className="mt-0.5 flex flex-wrap gap-x-2 text-xs text-muted">
              <time title={exactly(entry.timestamp)}>{moment(entry.timestamp)}</time>
              <span>{entry.actor}</span>
              <Link to="/journal" search={{ at: entry.sequence_number }} className="hover:text-accent hover:underline">
                entry {entry.sequence_number}
              </Link>
            </p>
          </div>
        </li>
      ))}
    </ol>
  );
}
