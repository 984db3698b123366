import type { JournalEntry } from '@/api/types';
import { duration, quantity } from '@/lib/format';

/** The kinds of entries that a recovery's story is told from. */
export const STORY_TYPES = [
  'ENGINE_STARTED',
  'RECOVERY_STARTED',
  'RECOVERY_DECIDED',
  'RECOVERY_COMPLETED',
  'BROKER_CONNECTED',
  'POSITION_DISCREPANCY_FOUND',
  'POSITION_DISCREPANCY_RESOLVED',
  'ORDER_IN_DOUBT',
  'ORDER_NOT_PLACED',
  'ORDER_NEEDS_OPERATOR',
  'EXTERNAL_ORDER_SEEN',
  'EXTERNAL_FILL_SEEN',
] as const;

export interface Recovery {
  number: number;
  startedAt: string;
  afterCrash: boolean;
  started: JournalEntry;
  ended: JournalEntry | null;
  steps: readonly JournalEntry[];
}

/** Recoveries, the newest first, each with its steps in the order they happened. */
export function recoveriesOf(newestFirst: readonly JournalEntry[]): Recovery[] {
  const recoveries: Recovery[] = [];
  let engine: JournalEntry | null = null;
  let open: { started: JournalEntry; steps: JournalEntry[] } | null = null;
  const close = (ended: JournalEntry | null) => {
    if (!open) return;
    const { started, steps } = open;
    recoveries.push({
      number: started.sequence_number,
      startedAt: steps[0]?.timestamp ?? started.timestamp,
      afterCrash: started.action_data['after_crash'] === true,
      started,
      ended,
      steps,
    });
    open = null;
  };
  for (const entry of [...newestFirst].sort((a, b) => a.sequence_number - b.sequence_number)) {
    if (entry.action_type === 'ENGINE_STARTED') {
      close(null);
      engine = entry;
    } else if (entry.action_type === 'RECOVERY_STARTED') {
      close(null);
      open = { started: entry, steps: engine ? [engine, entry] : [entry] };
      engine = null;
    } else if (open) {
      open.steps.push(entry);
      if (entry.action_type === 'RECOVERY_COMPLETED') close(entry);
    }
  }
  close(null);
  return recoveries.reverse();
}

const count = (entry: JournalEntry, name: string): number => Number(entry.action_data[name] ?? 0);
const things = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;
const listed = (parts: readonly string[]): string =>
  parts.length < 2 ? (parts[0] ?? '') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1) ?? ''}`;

/** A recovery in a few sentences. */
export function summaryOf({ started, ended, steps, afterCrash }: Recovery): string {
  const text: string[] = [];
  if (!afterCrash)
    text.push(
      'The engine before had stopped in order. Positions and orders were compared with the broker; nothing was closed by policy.',
    );
  else {
    const found = [
      things(count(started, 'open_positions'), 'open position'),
      `${things(count(started, 'orders_in_doubt'), 'order')} whose fate was not known`,
    ];
    text.push(
      `The engine before had not stopped in order. Its journal was read back up to entry ${count(started, 'ledger_sequence_number')}; it showed ${listed(found)}.`,
    );
  }
  const decided = steps.filter(({ action_type }) => action_type === 'RECOVERY_DECIDED');
  for (const { action_data: data } of decided) {
    const what =
      { CLOSE: 'was closed', KEEP: 'was kept', WAIT: 'waits for a price that can be trusted' }[
        String(data['decision'])
      ] ?? 'was decided on';
    text.push(
      `${quantity(String(data['quantity']))} ${String(data['symbol'])} ${what}: ${String(data['reason']).replace(/\.$/, '')}.`,
    );
  }
  if (ended) {
    const did = [
      [count(ended, 'fills_recovered'), 'fill that had been missed', 'fills that had been missed'],
      [count(ended, 'orders_resolved'), 'order in doubt resolved', 'orders in doubt resolved'],
      [count(ended, 'discrepancies'), 'difference at the broker', 'differences at the broker'],
      [
        count(ended, 'orders_waiting_for_operator'),
        'order left for a person to decide',
        'orders left for a person to decide',
      ],
    ] as const;
    const told = did.flatMap(([n, one, many]) => (n > 0 ? [things(n, one, many)] : []));
    if (told.length > 0) text.push(`Found: ${listed(told)}.`);
    text.push(`Trading went on after ${duration(count(ended, 'duration_seconds'))}.`);
  }
  return text.join(' ');
}
