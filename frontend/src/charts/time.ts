import type { UTCTimestamp } from 'lightweight-charts';

/** Milliseconds, or an ISO time, as the charts have it: whole seconds, UTC. Apart, so that it comes without the charts. */
export const chartTime = (value: string | number): UTCTimestamp =>
  Math.floor((typeof value === 'number' ? value : Date.parse(value)) / 1000) as UTCTimestamp;
