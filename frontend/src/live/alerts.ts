import { create } from 'zustand';
import { persist } from 'zustand/middleware';
import type { JournalEntry } from '@/api/types';
import { sentence } from '@/lib/story';
import { notify } from '@/stores/notices';

export interface Alert {
  sequence_number: number;
  timestamp: string;
  operation_id: string | null;
  action_type: string;
  text: string;
  bad: boolean;
}

/** Entries that ask for a person's attention, and whether the engine goes on without it (`bad`: it does not). */
const ALERTS: Readonly<Record<string, { bad: boolean }>> = {
  KILL_SWITCH_TRIPPED: { bad: true },
  OPERATION_FAILED: { bad: true },
  ORDER_NEEDS_OPERATOR: { bad: true },
  POSITION_DISCREPANCY_FOUND: { bad: true },
  ORDER_REJECTED: { bad: false },
  CIRCUIT_BREAKER_OPENED: { bad: false },
  BROKER_DISCONNECTED: { bad: false },
  EXTERNAL_FILL_SEEN: { bad: false },
  EXTERNAL_ORDER_SEEN: { bad: false },
  FILL_CORRECTED: { bad: false },
  RECOVERY_COMPLETED: { bad: false },
};

/** The kinds of entries that become alerts, as the journal is asked for them. */
export const ALERT_TYPES = Object.keys(ALERTS);
const MOST = 200;

interface AlertState {
  /** Numbers of entries that the person has acknowledged in this browser. */
  acknowledged: number[];
  /** Everything up to this entry is acknowledged. */
  upTo: number;
  acknowledge: (numbers: readonly number[]) => void;
  acknowledgeUpTo: (seq: number) => void;
}

export const useAcknowledged = create<AlertState>()(
  persist(
    (set) => ({
      acknowledged: [],
      upTo: 0,
      acknowledge: (numbers) =>
        set((state) => ({ acknowledged: [...new Set([...state.acknowledged, ...numbers])].slice(-MOST) })),
      acknowledgeUpTo: (seq) => set((state) => ({ upTo: Math.max(state.upTo, seq), acknowledged: [] })),
    }),
    { name: 'live-trading-alerts' },
  ),
);

export function alertOf(entry: JournalEntry): Alert | null {
  const kind = ALERTS[entry.action_type];
  if (!kind) return null;
  if (
    entry.action_type === 'RECOVERY_COMPLETED' &&
    Number(entry.action_data['operations_closed'] ?? 0) === 0 &&
    Number(entry.action_data['orders_waiting_for_operator'] ?? 0) === 0
  ) {
    return null; // nothing was done that a person would have to know of
  }
  const { sequence_number, timestamp, operation_id, action_type } = entry;
  return { sequence_number, timestamp, operation_id, action_type, text: sentence(entry), bad: kind.bad };
}

/** Tell of an alert in the corner, the moment it comes. */
export function alertOn(entry: JournalEntry): void {
  const alert = alertOf(entry);
  if (alert) notify(alert.bad ? 'bad' : 'warn', alert.text);
}
