import type { Candle } from '@/charts/CandleChart';
import type { UTCTimestamp } from 'lightweight-charts';
import { onQuote, quoteOf, type Quote } from './quotes';

const UNITS: Readonly<Record<string, number>> = { secs: 1, min: 60, mins: 60, hour: 3600, hours: 3600, day: 86_400 };

/** Seconds of a bar size: `"5 mins"` is 300. */
export function barSeconds(size: string): number {
  const [count = '1', unit = 'min'] = size.split(' ');
  return Number(count) * (UNITS[unit] ?? 60);
}

/**
 * The bar that is being made, from prices as they come: it begins where the last closed bar ends, and is replaced by
 * the engine's own when that closes. Days are trading days, which only the engine knows: for them the last closed bar
 * tells where they begin.
 */
export function liveBars(broker: string, symbol: string, size: string, last: Candle | undefined) {
  const seconds = barSeconds(size);
  return (put: (candle: Candle) => void): (() => void) => {
    let making: Candle | null = null;
    const take = (quote: Quote) => {
      const price = Number(quote.price);
      const at = Math.floor(Date.parse(quote.priced_at) / 1000);
      const offset = last ? Number(last.time) % seconds : 0;
      const start = at - ((((at - offset) % seconds) + seconds) % seconds);
      if (last && start <= Number(last.time)) return;
      if (making === null || start > Number(making.time)) {
        making = { time: start as UTCTimestamp, open: price, high: price, low: price, close: price };
      } else if (start === Number(making.time)) {
        making = { ...making, high: Math.max(making.high, price), low: Math.min(making.low, price), close: price };
      } else return;
      put(making);
    };
    const known = quoteOf(broker, symbol);
    if (known) take(known);
    return onQuote(broker, symbol, take);
  };
}
