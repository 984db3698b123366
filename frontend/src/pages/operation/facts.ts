import type { Operation } from '@/api/types';
import { decimalsOf, money, price, quantity, toNumber } from '@/lib/format';
import { marketWords } from '@/lib/market';
import { quoteOf } from '@/live/quotes';

/** The last price known of what an operation trades. */
export function lastPrice(operation: Operation): number | null {
  return toNumber(quoteOf(operation.broker, operation.symbol)?.price);
}

export const gridOf = (operation: Operation): { tick: number; decimals: number } => ({
  tick: toNumber(operation.instrument.tick_size) ?? 0.01,
  decimals: decimalsOf(operation.instrument.tick_size),
});

/** What `units` are worth at the last price, in words. */
export function valueOf(operation: Operation, units: string | number): string {
  const last = lastPrice(operation);
  const count = toNumber(units);
  if (last === null || count === null) return 'unknown: no price has come yet';
  const worth = Math.abs(count) * last * (toNumber(operation.instrument.multiplier) ?? 1);
  return `about ${money(worth)} ${operation.currency}, at ${price(last, gridOf(operation).decimals)}`;
}

type Row = readonly [string, string];

/** What a person must see before a position is closed: how much, worth what, where, and whether it can happen now. */
export function closingFacts(operation: Operation): Row[] {
  const open = toNumber(operation.open_quantity) ?? 0;
  const side = open > 0 ? 'Sell' : 'Buy';
  const rows: Row[] =
    open === 0
      ? [['Position', 'none']]
      : [
          ['At market', `${side} ${quantity(Math.abs(open))} ${operation.symbol}`],
          ['Value', valueOf(operation, open)],
          ['Unrealised result', `${money(operation.unrealized_pnl, { sign: true })} ${operation.currency}`],
        ];
  return [...rows, ['Broker', operation.broker], ['Market', marketWords(operation.instrument.hours)]];
}
