import { Link } from '@tanstack/react-router';
import { BellOff, Check, CheckCheck } from 'lucide-react';
import { cn } from '@/lib/cn';
import { exactly, moment, words } from '@/lib/format';
import { useAcknowledged } from '@/live/alerts';
import { useUi } from '@/stores/ui';
import { Badge } from '@/ui/Badge';
import { Button } from '@/ui/Button';
import { Dialog } from '@/ui/Dialog';
import { Empty, ErrorNote, Loading } from '@/ui/States';
import { useAlerts } from './useAlerts';

export function AlertsSheet() {
  const { alertsOpen, open } = useUi();
  return (
    <Dialog
      kind="sheet"
      open={alertsOpen}
      onOpenChange={(value) => open('alerts', value)}
      title="Alerts"
      description="What asked for attention. Acknowledging hides it here; the journal keeps it."
    >
      <Alerts onFollow={() => open('alerts', false)} />
    </Dialog>
  );
}

export function Alerts({ onFollow, most }: { onFollow?: () => void; most?: number }) {
  const { alerts, isOpen, loading, error } = useAlerts();
  const { acknowledge, acknowledgeUpTo } = useAcknowledged();
  const waiting = alerts.filter(isOpen);
  const shown = (most === undefined ? alerts : waiting).slice(0, most);
  if (loading && alerts.length === 0) return <Loading rows={3} />;
  return (
    <div className="flex flex-col gap-2">
      <ErrorNote error={error} />
      {waiting.length > 1 && (
        <Button
          size="sm"
          className="self-end"
          icon={<CheckCheck />}
          onClick={() => acknowledgeUpTo(waiting[0]?.sequence_number ?? 0)}
        >
          Acknowledge all {waiting.length}
        </Button>
      )}
      {shown.length === 0 && <Empty icon={<BellOff />} title="Nothing asks for your attention" />}
      <ul className="flex flex-col gap-1.5">
        {shown.map((alert) => (
          <li
            key={alert.sequence_number}
            className={cn(
              'flex items-start gap-2 rounded-md border border-line px-2.5 py-2',
              !isOpen(alert) && 'border-dashed',
            )}
          >
            <div className="min-w-0 flex-1">
              <p className="flex flex-wrap items-center gap-2">
                <Badge tone={alert.bad ? 'bad' : 'warn'}>{words(alert.action_type)}</Badge>
                <time className="text-xs text-muted" dateTime={alert.timestamp} title={exactly(alert.timestamp)}>
                  {moment(alert.timestamp)}
                </time>
              </p>
              <p className="mt-1 break-words">{alert.text}</p>
              <p className="mt-1 flex gap-3 text-xs">
                <Link
                  to="/journal"
                  search={{ at: alert.sequence_number }}
                  {...(onFollow ? { onClick: onFollow } : {})}
                  className="text-accent hover:underline"
                >
                  Entry {alert.sequence_number}
                </Link>
                {alert.operation_id !== null && (
                  <Link
                    to="/operations/$id"
                    params={{ id: alert.operation_id }}
                    {...(onFollow ? { onClick: onFollow } : {})}
                    className="text-accent hover:underline"
                  >
                    Its operation
                  </Link>
                )}
              </p>
            </div>
            {isOpen(alert) && (
              <Button
                size="sm"
                icon={<Check />}
                aria-label={`Acknowledge entry ${alert.sequence_number}`}
                onClick={() => acknowledge([alert.sequence_number])}
              >
                Acknowledge
              </Button>
            )}
          </li>
        ))}
      </ul>
    </div>
  );
}
