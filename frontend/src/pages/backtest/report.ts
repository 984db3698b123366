import { z } from 'zod';

const numeric = z.union([z.string(), z.number()]).transform(Number);

/** What `live-trading --json backtest …` prints; only what is shown is asked of it. */
const reportShape = z.object({
  source: z.string(),
  first: z.string(),
  last: z.string(),
  ticks: z.number(),
  bars: z.number(),
  settings: z.looseObject({
    asset: z.string(),
    strategy_name: z.string(),
    primary_bar_size: z.string(),
    quantity: z.union([z.string(), z.number()]),
    initial_capital: numeric,
    strategy_config: z.record(z.string(), z.unknown()),
  }),
  currency: z.string(),
  statistics: z.record(z.string(), z.unknown()),
  trades: z.array(
    z.object({
      side: z.enum(['LONG', 'SHORT']),
      quantity: z.string(),
      entry_time: z.string(),
      entry_price: z.string(),
      exit_time: z.string(),
      exit_price: z.string(),
      commission: z.string(),
      net_profit: z.string(),
      exit: z.string(),
      reason: z.string(),
    }),
  ),
  equity: z.array(z.tuple([z.string(), z.number()])),
  seconds: z.number(),
});
export type BacktestReport = z.infer<typeof reportShape>;

/** A report from a file's text. Throws an Error that says what is wrong with it, and how to make one. */
export function readReport(text: string): BacktestReport {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Error('This file is not JSON. Make one with: live-trading --json backtest … > report.json');
  }
  const found = reportShape.safeParse(json);
  if (found.success) return found.data;
  const first = found.error.issues[0];
  throw new Error(
    `This is no backtest's report: ${first ? `${first.path.join('.')}: ${first.message}` : 'it is empty'}`,
  );
}

/** A figure of the report; null where it has none. */
export function figure(report: BacktestReport, name: string): number | null {
  const value = report.statistics[name];
  return typeof value === 'number' ? value : null;
}
