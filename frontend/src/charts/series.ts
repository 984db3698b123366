import type { Trade } from '@/api/types';
import { money } from '@/lib/format';
import type { BarPoint } from './BarsChart';
import type { Point } from './LineChart';

/** How far below its last height a curve is, at each point: 0 or less. */
export function drawdown(equity: readonly Point[]): Point[] {
  let height = -Infinity;
  return equity.map(({ time, value }) => {
    height = Math.max(height, value);
    return { time, value: value - height };
  });
}

/** Net results by the day (UTC) that trades ended on, oldest first. */
export function byDay(trades: readonly Pick<Trade, 'exit_time' | 'net_pnl'>[]): BarPoint[] {
  const days = new Map<string, number>();
  for (const trade of trades) {
    const day = trade.exit_time.slice(0, 10);
    days.set(day, (days.get(day) ?? 0) + Number(trade.net_pnl));
  }
  return [...days].sort(([a], [b]) => a.localeCompare(b)).map(([name, value]) => ({ name: name.slice(5), value }));
}

const MOST_BINS = 15;
const NICE = [1, 2, 2.5, 5, 10];

/** A round width that divides `span` into at most `MOST_BINS` parts. */
function niceWidth(span: number): number {
  const raw = span / MOST_BINS;
  const power = 10 ** Math.floor(Math.log10(raw));
  return (NICE.find((step) => step * power >= raw) ?? 10) * power;
}

/** How many results fall into each of some equally wide ranges; no range holds both a loss and a win. */
export function distribution(results: readonly number[]): BarPoint[] {
  if (results.length === 0) return [];
  const low = Math.min(...results);
  const high = Math.max(...results);
  const width = low === high ? Math.max(Math.abs(low), 1) : niceWidth(high - low);
  const first = Math.floor(low / width);
  const last = Math.floor(high / width);
  const counts = new Array<number>(last - first + 1).fill(0);
  for (const result of results) {
    const bin = Math.floor(result / width) - first;
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  const digits = width < 1 ? 2 : 0;
  return counts.map((value, bin) => {
    const from = (first + bin) * width;
    return { name: money(from, { digits }), value, good: from >= 0 };
  });
}
