import type { ReactNode } from 'react';
import { cn } from '@/lib/cn';
import type { OperationStatus, OrderStatus } from '@/api/types';
import { words } from '@/lib/format';

export type Tone = 'neutral' | 'good' | 'bad' | 'warn' | 'accent' | 'paper';

const tones: Record<Tone, string> = {
  neutral: 'bg-sunken text-soft',
  good: 'bg-up-soft text-up',
  bad: 'bg-down-soft text-down',
  warn: 'bg-warn-soft text-warn',
  accent: 'bg-accent-soft text-accent',
  paper: 'bg-paper-soft text-paper',
};

export function Badge({ tone = 'neutral', children, className, title }: BadgeProps) {
  return (
    <span
      title={title}
      className={cn(
        'inline-flex h-5 items-center gap-1 rounded px-1.5 text-2xs font-medium whitespace-nowrap [&_svg]:size-3',
        tones[tone],
        className,
      )}
    >
      {children}
    </span>
  );
}

interface BadgeProps {
  tone?: Tone;
  children: ReactNode;
  className?: string | undefined;
  title?: string | undefined;
}

/** PAPER and LIVE never look alike: one is tinted, the other is a filled block. */
export function AccountBadge({ type, className }: { type: string; className?: string }) {
  const live = type === 'LIVE';
  return (
    <span
      title={live ? 'Real money' : 'Paper account: no real money'}
      className={cn(
        'inline-flex h-5 items-center rounded px-1.5 text-2xs font-semibold tracking-wide',
        live ? 'bg-live text-on-live' : 'bg-paper-soft text-paper',
        className,
      )}
    >
      {live ? 'LIVE' : 'PAPER'}
    </span>
  );
}

const operationTones: Record<OperationStatus, Tone> = {
  active: 'good',
  paused: 'warn',
  closing: 'accent',
  closed: 'neutral',
  error: 'bad',
};

export function StatusBadge({ status, title }: { status: OperationStatus; title?: string }) {
  return (
    <Badge tone={operationTones[status]} title={title}>
      <span aria-hidden className={cn('size-1.5 rounded-full bg-current', status === 'closed' && 'opacity-50')} />
      {words(status)}
    </Badge>
  );
}

const orderTones: Partial<Record<OrderStatus, Tone>> = {
  PENDING: 'accent',
  PLACED: 'accent',
  PARTIALLY_FILLED: 'accent',
  FILLED: 'good',
  IN_DOUBT: 'warn',
  NEEDS_OPERATOR: 'bad',
  REJECTED: 'bad',
};

export function OrderStatusBadge({ status, title }: { status: OrderStatus; title?: string }) {
  return (
    <Badge tone={orderTones[status] ?? 'neutral'} title={title}>
      {status === 'NEEDS_OPERATOR' ? 'Needs you' : words(status)}
    </Badge>
  );
}

/** BUY and LONG on one side, SELL and SHORT on the other; told by the word, not by colour alone. */
export function SideBadge({ side }: { side: string }) {
  const up = side === 'BUY' || side === 'LONG';
  return <span className={cn('font-medium', up ? 'text-up' : 'text-down')}>{words(side)}</span>;
}
