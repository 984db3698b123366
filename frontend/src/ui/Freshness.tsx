import { WifiOff } from 'lucide-react';
import { cn } from '@/lib/cn';
import { duration, exactly, price as showPrice, type Maybe } from '@/lib/format';
import { useNow } from '@/lib/useNow';
import { useLink } from '@/live/link';
import { useQuote } from '@/live/quotes';

/** Seconds after which a price that did not change is told with its age. */
const QUIET = 5;

export type Age =
  { kind: 'live' } | { kind: 'old'; seconds: number } | { kind: 'offline'; seconds: number } | { kind: 'none' };

/** How old something told at `at` is, and whether the stream that would tell of a change is there at all. */
export function useAge(at: Maybe<string | number>): Age {
  const { state, since } = useLink();
  const now = useNow();
  if (state === 'offline') return { kind: 'offline', seconds: Math.max(0, (now - since) / 1000) };
  if (!at) return { kind: 'none' };
  const seconds = (now - (typeof at === 'number' ? at : Date.parse(at))) / 1000;
  return seconds < QUIET ? { kind: 'live' } : { kind: 'old', seconds };
}

const dot = { live: 'bg-up', old: 'bg-warn', offline: 'bg-down', none: 'bg-line-strong' } as const;
const ageWords = (age: Age): string =>
  age.kind === 'live'
    ? 'live'
    : age.kind === 'none'
      ? 'no price'
      : `${age.kind === 'offline' ? 'offline · ' : ''}${duration(Math.floor(age.seconds))}`;

/** How fresh a number is: a dot and its age. */
export function Freshness({
  at,
  compact,
  className,
}: {
  at: Maybe<string | number>;
  compact?: boolean;
  className?: string;
}) {
  const age = useAge(at);
  const text = ageWords(age);
  return (
    <span
      title={at ? `As of ${exactly(at)}` : text}
      className={cn('inline-flex items-center gap-1 text-2xs text-muted', className)}
    >
      <span aria-hidden className={cn('size-1.5 shrink-0 rounded-full', dot[age.kind])} />
      {compact && age.kind === 'live' ? <span className="sr-only">{text}</span> : text}
    </span>
  );
}

/** The last price of a symbol, live; struck through while nothing is heard, so that it is not taken for the present. */
export function LivePrice({ broker, symbol, decimals, className }: LivePriceProps) {
  const quote = useQuote(broker, symbol);
  const age = useAge(quote?.heardAt);
  if (!quote) return <span className={cn('text-muted', className)}>no price yet</span>;
  const still = age.kind === 'offline' || quote.stale;
  return (
    <span className={cn('inline-flex items-baseline gap-1.5', className)}>
      <span className={cn('num', still && 'text-muted line-through')}>{showPrice(quote.price, decimals)}</span>
      <Freshness at={quote.heardAt} />
    </span>
  );
}

interface LivePriceProps {
  broker: string;
  symbol: string;
  decimals?: number | undefined;
  className?: string;
}

/** Whether what the page shows is being told of changes. */
export function StreamState({ className }: { className?: string }) {
  const { state, since } = useLink();
  const now = useNow();
  if (state === 'live') {
    return (
      <span
        className={cn('inline-flex items-center gap-1.5 text-xs text-muted', className)}
        title="Updates are pushed as they happen"
      >
        <span aria-hidden className="size-2 rounded-full bg-up" /> Live
      </span>
    );
  }
  if (state === 'connecting') {
    return (
      <span className={cn('inline-flex items-center gap-1.5 text-xs text-muted', className)}>
        <span aria-hidden className="size-2 animate-pulse rounded-full bg-warn" /> Connecting
      </span>
    );
  }
  return (
    <span className={cn('inline-flex items-center gap-1.5 text-xs font-medium text-down', className)}>
      <WifiOff className="size-3.5" aria-hidden /> Offline · {duration(Math.floor(Math.max(0, now - since) / 1000))}
    </span>
  );
}
