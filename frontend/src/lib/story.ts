/** A journal entry as one sentence for people. */
import type { JournalEntry } from '@/api/types';
import { duration, money, price, quantity, words } from './format';
import { RULES } from './rules';

type Data = Record<string, unknown>;

const str = (data: Data, name: string): string => {
  const value = data[name];
  return typeof value === 'string'
    ? value
    : typeof value === 'number' || typeof value === 'boolean'
      ? String(value)
      : '';
};
const count = (data: Data, name: string): number => Number(data[name] ?? 0);
const at = (data: Data, name: string) => (str(data, name) === '' ? '' : ` at ${price(str(data, name))}`);
const because = (text: string) => (text === '' ? '' : `: ${text}`);
const plural = (n: number, one: string, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

const sentences: Record<string, (data: Data) => string> = {
  ENGINE_STARTED: (d) =>
    `The engine started${str(d, 'took_over_from') ? ', after one that had not given the journal back' : ''}`,
  ENGINE_STOPPED: (d) => `The engine stopped in order${because(str(d, 'reason'))}`,
  RECOVERY_STARTED: (d) =>
    d['after_crash'] === true
      ? `Recovery after a crash: ${plural(count(d, 'open_positions'), 'open position')}, ${plural(count(d, 'orders_in_doubt'), 'order')} in doubt`
      : 'Start after an orderly stop: compared with the broker, nothing closed',
  RECOVERY_DECIDED: (d) =>
    `${words(str(d, 'decision'))} ${quantity(str(d, 'quantity'))} ${str(d, 'symbol')}${because(str(d, 'reason'))}`,
  RECOVERY_COMPLETED: (d) => `Recovery done in ${duration(count(d, 'duration_seconds'))}: trading goes on`,
  BROKER_CONNECTED: (d) => `${str(d, 'broker')} is connected, account ${str(d, 'account')}`,
  BROKER_DISCONNECTED: (d) => `${str(d, 'broker')} is disconnected${because(str(d, 'reason'))}`,
  MARKET_DATA_STALE: (d) =>
    `No price of ${str(d, 'symbol')} for ${duration(count(d, 'age_seconds'))}: no entries until there is one`,
  MARKET_DATA_RESUMED: (d) => `Prices of ${str(d, 'symbol')} come again after ${duration(count(d, 'gap_seconds'))}`,
  KILL_SWITCH_TRIPPED: (d) => `Kill switch${because(str(d, 'reason'))}`,
  KILL_SWITCH_RESET: (d) => `Kill switch reset${because(str(d, 'note'))}`,
  CIRCUIT_BREAKER_OPENED: (d) =>
    `Circuit breaker: ${plural(count(d, 'failures'), 'order')} failed in ${duration(count(d, 'window_seconds'))}`,
  CIRCUIT_BREAKER_CLOSED: () => 'The circuit breaker closed: entries are allowed again',
  POSITION_DISCREPANCY_FOUND: (d) =>
    `${str(d, 'symbol')} differs: ${quantity(str(d, 'ledger_quantity'))} here, ${quantity(str(d, 'broker_quantity'))} at ${str(d, 'broker')}`,
  POSITION_DISCREPANCY_RESOLVED: (d) => `The difference in ${str(d, 'symbol')} is settled: ${str(d, 'resolution')}`,
  EXTERNAL_ORDER_SEEN: (d) =>
    `An order that is not ours: ${words(str(d, 'side'))} ${quantity(str(d, 'quantity'))} ${str(d, 'symbol')}`,
  EXTERNAL_FILL_SEEN: (d) =>
    `A fill that is not ours: ${words(str(d, 'side'))} ${quantity(str(d, 'quantity'))} ${str(d, 'symbol')}${at(d, 'price')}`,
  SETTINGS_CHANGED: (d) => `Settings changed: ${str(d, 'section')}`,
  USER_AUTHENTICATED: (d) => `${str(d, 'user')} logged in`,
  USER_REFUSED: (d) => `${str(d, 'user')} was refused${because(str(d, 'reason'))}`,
  USER_CHANGED: (d) => `User ${str(d, 'user')}: ${str(d, 'change')}`,
  COMMAND_REFUSED: (d) => `${words(str(d, 'command'))} was refused${because(str(d, 'detail'))}`,
  JOURNAL_ARCHIVED: (d) => `${plural(count(d, 'count'), 'entry', 'entries')} sealed in the archive`,
  OPERATION_CREATED: (d) => {
    const settings = (d['settings'] ?? {}) as Data;
    return `${str(settings, 'strategy_name')} begins to trade ${str(settings, 'asset')}`;
  },
  OPERATION_UPDATED: (d) => `Settings changed: ${Object.keys(d['changes'] ?? {}).join(', ')}`,
  OPERATION_PAUSED: (d) => `Paused${because(str(d, 'reason'))}`,
  OPERATION_RESUMED: (d) => `Resumed${because(str(d, 'reason'))}`,
  POSITION_CLOSE_REQUESTED: (d) => `The position is to be closed${because(str(d, 'reason'))}`,
  OPERATION_CLOSING: (d) => `The operation is to end${because(str(d, 'reason'))}`,
  OPERATION_CLOSED: () => 'The operation ended, flat',
  OPERATION_FAILED: (d) => `Held${because(str(d, 'reason'))}`,
  NOTE_ADDED: (d) => `Note: ${str(d, 'text')}`,
  SIGNAL_GENERATED: (d) => `${words(str(d, 'signal'))}${at(d, 'price')}${because(str(d, 'reason'))}`,
  SIGNAL_REFUSED: (d) => `${RULES[str(d, 'rule')]?.title ?? words(str(d, 'rule'))}${because(str(d, 'detail'))}`,
  ORDER_REQUESTED: (d) =>
    `${words(str(d, 'purpose'))}: ${words(str(d, 'side'))} ${quantity(str(d, 'quantity'))} ${str(d, 'symbol')}, ${words(str(d, 'order_type')).toLowerCase()}${at(d, 'limit_price')}${at(d, 'stop_price')}`,
  ORDER_PLACED: (d) => `The broker has the order, as ${str(d, 'broker_order_id')}`,
  ORDER_IN_DOUBT: (d) =>
    `In doubt whether the broker did it (${str(d, 'action').toLowerCase()})${because(str(d, 'cause'))}`,
  ORDER_NOT_PLACED: (d) => `Proved that the broker never had it${because(str(d, 'evidence'))}`,
  ORDER_NEEDS_OPERATOR: (d) => `A person has to decide${because(str(d, 'evidence'))}`,
  ORDER_REJECTED: (d) => `The broker refused it${because(str(d, 'text'))}`,
  ORDER_CANCEL_REQUESTED: (d) => `To be cancelled${because(str(d, 'reason'))}`,
  ORDER_CANCELLED: (d) => `Cancelled${because(str(d, 'reason'))}`,
  ORDER_EXPIRED: () => 'Expired at the broker',
  ORDER_MODIFY_REQUESTED: (d) =>
    `To be changed${at(d, 'limit_price')}${at(d, 'stop_price')}${because(str(d, 'reason'))}`,
  ORDER_MODIFIED: (d) => `Changed${at(d, 'limit_price')}${at(d, 'stop_price')}`,
  ORDER_NOT_MODIFIED: (d) => `Not changed${because(str(d, 'reason'))}`,
  ORDER_FILLED: (d) =>
    `${str(d, 'side') === 'BUY' ? 'Bought' : 'Sold'} ${quantity(str(d, 'quantity'))} ${str(d, 'symbol')}${at(d, 'price')}${d['recovered'] === true ? ', found in recovery' : ''}`,
  FILL_CORRECTED: (d) => `The broker corrected a fill: ${quantity(str(d, 'quantity'))}${at(d, 'price')}`,
  COMMISSION_REPORTED: (d) => `Commission ${money(str(d, 'commission'))} ${str(d, 'currency')}`,
  PROTECTION_SET: (d) =>
    `Protected:${str(d, 'stop_loss') ? ` stop${at(d, 'stop_loss')}` : ' no stop'}${str(d, 'take_profit') ? `, target${at(d, 'take_profit')}` : ''}`,
  PROTECTION_MOVED: (d) =>
    `${str(d, 'kind') === 'STOP_LOSS' ? 'Stop' : 'Target'} moved from ${price(str(d, 'before'))} to ${price(str(d, 'after'))}${because(str(d, 'reason'))}`,
  PROTECTION_TRIGGERED: (d) => `${words(str(d, 'kind'))} reached${at(d, 'price')}`,
};

export function sentence(entry: Pick<JournalEntry, 'action_type' | 'action_data'>): string {
  return sentences[entry.action_type]?.(entry.action_data) ?? words(entry.action_type);
}

export type Weight = 'bad' | 'warn' | 'good' | 'plain';

const bad = /^(OPERATION_FAILED|ORDER_NEEDS_OPERATOR|KILL_SWITCH_TRIPPED|POSITION_DISCREPANCY_FOUND|ORDER_REJECTED)$/;
const warn =
  /^(SIGNAL_REFUSED|COMMAND_REFUSED|USER_REFUSED|ORDER_IN_DOUBT|BROKER_DISCONNECTED|MARKET_DATA_STALE|CIRCUIT_BREAKER_OPENED|EXTERNAL_\w+|RECOVERY_DECIDED|ORDER_NOT_PLACED|ORDER_NOT_MODIFIED|FILL_CORRECTED)$/;
const good = /^(ORDER_FILLED|RECOVERY_COMPLETED|BROKER_CONNECTED|MARKET_DATA_RESUMED|KILL_SWITCH_RESET)$/;

/** How much a kind of entry asks for attention. */
export const weightOf = (type: string): Weight =>
  bad.test(type) ? 'bad' : warn.test(type) ? 'warn' : good.test(type) ? 'good' : 'plain';

/** Every kind of entry there is. */
export const sentenceTypes: readonly string[] = Object.keys(sentences).sort();
