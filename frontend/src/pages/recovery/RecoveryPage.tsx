import { useQuery } from '@tanstack/react-query';
import { LifeBuoy } from 'lucide-react';
import { useMemo } from 'react';
import { entriesOf } from '@/api/queries';
import { cn } from '@/lib/cn';
import { dateOf, duration, exactly, timeOfDay } from '@/lib/format';
import { Badge } from '@/ui/Badge';
import { Card, PageTitle } from '@/ui/Card';
import { Empty, ErrorNote, Loading } from '@/ui/States';
import { Story } from '@/ui/Story';
import { Differences } from './Differences';
import { Doubts } from './Doubts';
import { recoveriesOf, STORY_TYPES, summaryOf, type Recovery } from './recoveries';

/** What each start found and decided, and what waits for a person. */
export default function RecoveryPage() {
  const found = useQuery(entriesOf(STORY_TYPES, 500));
  const recoveries = useMemo(() => recoveriesOf(found.data?.items ?? []), [found.data]);
  return (
    <>
      <PageTitle title="Recovery" hint="What each start found and decided" />
      <div className="flex flex-col gap-3">
        <Doubts />
        <Differences />
        <ErrorNote error={found.error} retry={() => void found.refetch()} />
        {found.isPending && <Loading rows={6} />}
        {found.data && recoveries.length === 0 && (
          <Card label="Recoveries">
            <Empty icon={<LifeBuoy />} title="No start yet">
              The first one is told here when an engine has begun to trade.
            </Empty>
          </Card>
        )}
        {recoveries.map((recovery, index) => (
          <RecoveryCard key={recovery.number} recovery={recovery} isLast={index === 0} />
        ))}
      </div>
    </>
  );
}

function RecoveryCard({ recovery, isLast }: { recovery: Recovery; isLast: boolean }) {
  const { afterCrash, ended, startedAt } = recovery;
  return (
    <Card
      title={
        <span className="flex flex-wrap items-center gap-2">
          <time title={exactly(startedAt)}>
            {dateOf(startedAt)}, {timeOfDay(startedAt)} UTC
          </time>
          <Badge tone={afterCrash ? 'warn' : 'neutral'}>{afterCrash ? 'After a crash' : 'Orderly start'}</Badge>
          {ended === null ? (
            <Badge tone={isLast ? 'accent' : 'bad'}>{isLast ? 'Under way' : 'Did not come to its end'}</Badge>
          ) : null}
        </span>
      }
      hint={ended === null ? undefined : `done in ${duration(Number(ended.action_data['duration_seconds'] ?? 0))}`}
    >
      <p className={cn('mb-3 max-w-3xl', afterCrash && 'text-[0.9375rem] leading-6')}>{summaryOf(recovery)}</p>
      {recovery.steps.length > 0 && (
        <details open={isLast && afterCrash} className="group">
          <summary className="mb-2 cursor-pointer font-medium text-accent">
            {recovery.steps.length} {recovery.steps.length === 1 ? 'step' : 'steps'}
          </summary>
          <Story entries={recovery.steps} dense />
        </details>
      )}
    </Card>
  );
}
