import type { UTCTimestamp } from 'lightweight-charts';
import type { Order, Position, Signal, Trade } from '@/api/types';
import { quantity, toNumber, words } from '@/lib/format';
import { chartTime } from './time';
import type { ChartLine, ChartMarker } from './CandleChart';

/** A working entry or exit order as a line at its price. Stops and targets have lines of their own. */
export function lineOfOrder(order: Order): ChartLine[] {
  const at = toNumber(order.limit_price ?? order.stop_price ?? order.price);
  if (at === null || order.purpose === 'STOP_LOSS' || order.purpose === 'TAKE_PROFIT') return [];
  const title = `${words(order.action)} ${quantity(order.quantity)} ${words(order.order_type).toLowerCase()}`;
  return [{ id: order.client_order_id, kind: 'order', price: at, title, draggable: false }];
}

/** The start of the bar that a moment falls into; null before the first. */
function barOf(times: readonly number[], moment: string): UTCTimestamp | null {
  const at = chartTime(moment);
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] ?? 0) <= at) low = middle + 1;
    else high = middle;
  }
  const found = times[low - 1];
  return found === undefined ? null : (found as UTCTimestamp);
}

/** Entries, exits and refusals at the bars they happened in, in the order of time. */
export function markersOf(
  trades: readonly Trade[],
  signals: readonly Signal[],
  position: Position | null,
  times: readonly number[],
): ChartMarker[] {
  const markers: ChartMarker[] = [];
  const put = (id: string, moment: string, kind: ChartMarker['kind'], text: string) => {
    const time = barOf(times, moment);
    if (time !== null) markers.push({ id, time, kind, text });
  };
  for (const trade of trades) {
    const long = trade.position_type === 'LONG';
    put(`trade:${trade.id}:entry`, trade.entry_time, long ? 'buy' : 'sell', long ? 'Long' : 'Short');
    put(`trade:${trade.id}:exit`, trade.exit_time, long ? 'sell' : 'buy', words(trade.exit_purpose));
  }
  if (position) {
    const long = position.position_type === 'LONG';
    put(`position:${position.id}`, position.opened_at, long ? 'buy' : 'sell', long ? 'Long' : 'Short');
  }
  for (const signal of signals) {
    if (signal.refused) put(`signal:${signal.sequence_number}`, signal.timestamp, 'refused', 'Refused');
  }
  return markers.sort((a, b) => Number(a.time) - Number(b.time));
}
