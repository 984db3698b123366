import { cn } from '@/lib/cn';
import { direction, money, percent, type Decimal, type Maybe } from '@/lib/format';

interface PnlProps {
  value: Maybe<Decimal | number>;
  currency?: string | undefined;
  pct?: Maybe<Decimal | number>;
  className?: string;
}

/** Profit or loss: with its sign, coloured, never coloured alone. */
export function Pnl({ value, currency, pct, className }: PnlProps) {
  const way = direction(value);
  return (
    <span className={cn('num', way === 'up' && 'text-up', way === 'down' && 'text-down', className)}>
      {money(value, { sign: true })}
      {currency !== undefined && <span className="text-[0.85em] font-normal"> {currency}</span>}
      {pct !== null && pct !== undefined && (
        <span className="text-[0.85em] font-normal"> ({percent(pct, { sign: true })})</span>
      )}
    </span>
  );
}
