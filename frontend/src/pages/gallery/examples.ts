import type { JournalEntry } from '@/api/types';

const base = {
  operation_id: null,
  action_version: 1,
  epoch: 1,
  actor: 'engine',
  correlation_id: 40,
  causation_id: null,
  previous_hash: '',
  hash: '',
};

/** A short story for the page of components. */
export const ENTRIES: readonly JournalEntry[] = [
  {
    ...base,
    sequence_number: 40,
    timestamp: '2026-03-02T14:30:00.000Z',
    action_type: 'SIGNAL_GENERATED',
    action_data: {
      signal: 'ENTER_LONG',
      price: '1.08250',
      reason: 'the fast average rose above the slow one',
      inputs: { fast: 1.08213, slow: 1.08178, rsi: 61.2 },
    },
  },
  {
    ...base,
    sequence_number: 42,
    timestamp: '2026-03-02T14:30:00.112Z',
    action_type: 'ORDER_FILLED',
    action_data: { side: 'BUY', quantity: '10000', symbol: 'EUR-USD', price: '1.08252' },
  },
  {
    ...base,
    sequence_number: 51,
    timestamp: '2026-03-02T14:41:10.000Z',
    action_type: 'SIGNAL_REFUSED',
    action_data: { rule: 'STALE_DATA', detail: 'the last tick is 6.2 s old', numbers: { age_seconds: 6.2 } },
  },
  {
    ...base,
    sequence_number: 58,
    timestamp: '2026-03-02T14:44:02.000Z',
    action_type: 'KILL_SWITCH_TRIPPED',
    action_data: { reason: 'by hand' },
  },
];
