import type { Bar, InstrumentInfo } from '@/api/types';
import { toNumber } from '@/lib/format';
import type { OperationValues } from './schema';

export interface Risk {
  price: number | null;
  value: number | null;
  /** The stop's distance from the price. */
  stop: number | null;
  loss: number | null;
  gain: number | null;
}

const PERIOD = 14;

/** The average true range of the last 14 bars (a plain mean; the engine's own is Wilder's, near it); null of fewer. */
export function averageTrueRange(bars: readonly Pick<Bar, 'high' | 'low' | 'close'>[]): number | null {
  if (bars.length <= PERIOD) return null;
  const last = bars.slice(-PERIOD - 1);
  const ranges = last.slice(1).map((bar, index) => {
    const before = Number(last[index]?.close);
    return Math.max(
      Number(bar.high) - Number(bar.low),
      Math.abs(Number(bar.high) - before),
      Math.abs(Number(bar.low) - before),
    );
  });
  return ranges.reduce((sum, range) => sum + range, 0) / PERIOD;
}

function distance(
  type: string,
  value: number,
  price: number | null,
  range: number | null,
  stop: number | null,
): number | null {
  switch (type) {
    case 'ATR':
      return range === null ? null : range * value;
    case 'PERCENTAGE':
    case 'TRAILING':
      return price === null ? null : price * value;
    case 'FIXED':
      return value;
    case 'RISK_REWARD':
      return stop === null ? null : stop * value;
    default:
      return null;
  }
}

/** What an entry at the last price would be worth, and would lose at its stop and win at its target. */
export function riskOf(values: OperationValues, instrument: InstrumentInfo | null, bars: readonly Bar[]): Risk {
  const price = toNumber(bars.at(-1)?.close);
  const units = (toNumber(values.quantity) ?? 0) * (toNumber(instrument?.multiplier) ?? 1);
  const range = averageTrueRange(bars);
  const stop = distance(values.stop.type, toNumber(values.stop.value) ?? 0, price, range, null);
  const target = distance(values.target.type, toNumber(values.target.value) ?? 0, price, range, stop);
  return {
    price,
    value: price === null ? null : price * units,
    stop,
    loss: stop === null ? null : stop * units,
    gain: target === null ? null : target * units,
  };
}
