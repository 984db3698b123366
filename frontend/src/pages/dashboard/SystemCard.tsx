import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { CircleAlert, CircleCheck } from 'lucide-react';
import { entriesOf, health } from '@/api/queries';
import { cn } from '@/lib/cn';
import { integer, moment } from '@/lib/format';
import { sentence } from '@/lib/story';
import { useLink } from '@/live/link';
import { Card } from '@/ui/Card';
import { Freshness } from '@/ui/Freshness';
import { ErrorNote, Loading } from '@/ui/States';

/** Everything the system stands on, and whether it stands. */
export function SystemCard() {
  const { data, isPending, error, dataUpdatedAt } = useQuery(health());
  const { head, readModels } = useLink();
  const recoveries = useQuery(entriesOf(['RECOVERY_COMPLETED'], 1));
  const last = recoveries.data?.items[0];
  const lag = head > 0 && readModels > 0 ? Math.max(0, head - readModels) : null;
  return (
    <Card title="System" actions={<Freshness at={dataUpdatedAt > 0 ? dataUpdatedAt : null} />}>
      {isPending ? <Loading rows={4} /> : <ErrorNote error={error} />}
      <ul className="flex flex-col gap-2">
        {data?.dependencies.map(({ name, ok, detail }) => (
          <li key={name} className="flex items-start gap-2">
            {ok ? (
              <CircleCheck className="mt-0.5 size-4 shrink-0 text-up" aria-label="well" />
            ) : (
              <CircleAlert className="mt-0.5 size-4 shrink-0 text-down" aria-label="not well" />
            )}
            <div className="min-w-0">
              <p className="font-medium first-letter:uppercase">{name}</p>
              <p className={cn('text-xs break-words', ok ? 'text-muted' : 'text-soft')}>{detail}</p>
            </div>
          </li>
        ))}
      </ul>
      <dl className="mt-3 grid grid-cols-2 gap-y-1.5 border-t border-line pt-3">
        <dt className="text-muted">Journal</dt>
        <dd className="num text-right">{head > 0 ? `entry ${integer(head)}` : '–'}</dd>
        <dt className="text-muted">Reads behind it by</dt>
        <dd className="num text-right">{lag === null ? '–' : `${lag} ${lag === 1 ? 'entry' : 'entries'}`}</dd>
        <dt className="text-muted">Last recovery</dt>
        <dd className="num text-right">
          {last ? (
            <Link to="/recovery" className="hover:text-accent hover:underline" title={sentence(last)}>
              {moment(last.timestamp)}
            </Link>
          ) : (
            'none'
          )}
        </dd>
      </dl>
    </Card>
  );
}
