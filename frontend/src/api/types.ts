/** Names for the shapes of the OpenAPI document, from which `schema.d.ts` is generated. */
import type { TradingHours } from '@/lib/market';

export type Decimal = string;
export type AccountType = 'PAPER' | 'LIVE';
export type OperationStatus = 'active' | 'paused' | 'closing' | 'closed' | 'error';
export type OrderStatus =
  | 'PENDING'
  | 'IN_DOUBT'
  | 'NEEDS_OPERATOR'
  | 'PLACED'
  | 'PARTIALLY_FILLED'
  | 'FILLED'
  | 'CANCELLED'
  | 'EXPIRED'
  | 'REJECTED'
  | 'NOT_PLACED';
export type OrderPurpose = 'ENTRY' | 'EXIT' | 'STOP_LOSS' | 'TAKE_PROFIT';
export type CrashRecoveryMode = 'CLOSE_ALL' | 'RESUME' | 'EMERGENCY_EXIT';
export type Role = 'viewer' | 'trader' | 'admin';

export interface TokenAnswer {
  access_token: string;
  refresh_token: string;
  expires_in: number;
  name: string;
  role: Role;
}

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
  seq: number;
}

export interface Instrument {
  symbol: string;
  asset_class: string;
  currency: string;
  tick_size: Decimal;
  quantity_step: Decimal;
  multiplier: Decimal;
  hours?: TradingHours;
}

export interface Operation {
  id: string;
  sequence_number: number;
  asset: string;
  symbol: string;
  broker: string;
  account_type: AccountType;
  currency: string;
  instrument: Instrument;
  bar_sizes: string[];
  primary_bar_size: string;
  strategy_name: string;
  strategy_config: Record<string, unknown>;
  quantity: Decimal;
  status: OperationStatus;
  status_reason: string;
  stop_loss_type: string | null;
  stop_loss_value: Decimal | null;
  take_profit_type: string | null;
  take_profit_value: Decimal | null;
  crash_recovery_mode: CrashRecoveryMode;
  emergency_stop_loss_pct: Decimal;
  data_retention_bars: number;
  created_at: string;
  updated_at: string;
  closed_at: string | null;
  initial_capital: Decimal;
  current_capital: Decimal;
  total_pnl: Decimal;
  total_pnl_pct: Decimal | null;
  gross_pnl: Decimal;
  total_commission: Decimal;
  trade_count: number;
  winning_trades: number;
  losing_trades: number;
  net_profit: Decimal;
  net_loss: Decimal;
  volume: Decimal;
  signal_count: number;
  refusal_count: number;
  position_id: string | null;
  open_quantity: Decimal;
  stop_loss: Decimal | null;
  take_profit: Decimal | null;
  exit_intent: { sequence_number: number; reason: string; recovery: boolean } | null;
  last_recovery: { sequence_number: number; decision: string; reason: string } | null;
  unrealized_pnl: Decimal | null;
}

export interface Position {
  id: string;
  sequence_number: number;
  operation_id: string;
  contract_symbol: string;
  broker: string;
  currency: string;
  position_type: 'LONG' | 'SHORT';
  status: string;
  quantity: Decimal;
  peak_quantity: Decimal;
  entry_price: Decimal;
  realized_pnl: Decimal;
  stop_loss: Decimal | null;
  take_profit: Decimal | null;
  opened_at: string;
  closed_at: string | null;
  current_price: Decimal | null;
  unrealized_pnl: Decimal | null;
  unrealized_pnl_pct: Decimal | null;
  priced_at: string | null;
  marked_at: string | null;
}

export interface Order {
  id: string;
  sequence_number: number;
  operation_id: string;
  client_order_id: string;
  broker: string;
  broker_order_id: string | null;
  symbol: string;
  currency: string;
  order_type: string;
  action: 'BUY' | 'SELL';
  purpose: OrderPurpose;
  reason: string;
  quantity: Decimal;
  price: Decimal | null;
  limit_price: Decimal | null;
  stop_price: Decimal | null;
  status: OrderStatus;
  detail: string;
  doubt: 'PLACE' | 'CANCEL' | 'MODIFY' | null;
  is_working: boolean;
  cancel_requested: boolean;
  filled_quantity: Decimal;
  avg_fill_price: Decimal | null;
  commission: Decimal;
  correlation_id: number;
  requested_at: string;
  placed_at: string | null;
  filled_at: string | null;
  cancelled_at: string | null;
}

export interface Trade {
  id: string;
  sequence_number: number;
  operation_id: string;
  position_id: string;
  symbol: string;
  currency: string;
  position_type: 'LONG' | 'SHORT';
  exit_purpose: OrderPurpose;
  exit_reason: string;
  entry_price: Decimal;
  exit_price: Decimal;
  quantity: Decimal;
  pnl: Decimal;
  total_commission: Decimal;
  net_pnl: Decimal;
  net_pnl_pct: Decimal | null;
  entry_time: string;
  exit_time: string;
  duration_seconds: number;
}

export interface Bar {
  timestamp: string;
  bar_size: string;
  asset: string;
  open: Decimal;
  high: Decimal;
  low: Decimal;
  close: Decimal;
  volume: Decimal;
  filled: boolean;
  from_history: boolean;
  indicators: Record<string, number | null>;
}

export interface Signal {
  sequence_number: number;
  timestamp: string;
  actor: string;
  signal: string;
  symbol: string;
  strategy_name: string;
  bar_size: string;
  bar_start: string;
  price: Decimal;
  reason: string;
  inputs: Record<string, unknown>;
  refused: { rule: string; detail: string; numbers: Record<string, unknown> } | null;
}

export interface Note {
  sequence_number: number;
  timestamp: string;
  actor: string;
  text: string;
}

export interface JournalEntry {
  sequence_number: number;
  operation_id: string | null;
  action_type: string;
  action_version: number;
  action_data: Record<string, unknown>;
  timestamp: string;
  epoch: number;
  actor: string;
  correlation_id: number;
  causation_id: number | null;
  previous_hash: string;
  hash: string;
}

export interface TickMessage {
  type: 'tick';
  seq: number;
  broker: string;
  symbol: string;
  price: Decimal;
  bid: Decimal;
  ask: Decimal;
  priced_at: string;
  stale: boolean;
}

export interface MarkMessage {
  type: 'mark';
  seq: number;
  position_id: string;
  operation_id: string;
  current_price: Decimal;
  unrealized_pnl: Decimal;
  unrealized_pnl_pct: Decimal | null;
  priced_at: string;
  marked_at: string;
}

export type SocketMessage =
  | { type: 'hello'; seq: number; head: number; heartbeat_seconds: number }
  | { type: 'entry'; seq: number; entry: JournalEntry }
  | { type: 'read_models'; seq: number; read_models: number }
  | TickMessage
  | MarkMessage
  | { type: 'bar'; seq: number; operation_id: string; bar: Bar }
  | { type: 'heartbeat'; seq: number; time: string; head: number }
  | { type: 'bye'; seq: number; status: number; code: string; detail: string };

export interface Health {
  live: boolean;
  ready: boolean;
  trading: boolean;
  version: string;
  time: string;
  dependencies: { name: string; ok: boolean; detail: string }[];
}

export interface Statistics {
  trade_count: number;
  winning_trades: number;
  losing_trades: number;
  win_rate: Decimal | null;
  gross_pnl: Decimal;
  total_commission: Decimal;
  net_pnl: Decimal;
  unrealized_pnl: Decimal;
  profit_factor: Decimal | null;
  average_win: Decimal | null;
  average_loss: Decimal | null;
  expectancy: Decimal | null;
  largest_win: Decimal | null;
  largest_loss: Decimal | null;
  max_drawdown: Decimal;
  average_duration_seconds: number | null;
  pnl_today: Decimal;
}

export interface Overall {
  seq: number;
  by_currency: Record<string, Statistics>;
  operations: Record<string, number>;
  open_positions: number;
  orders_waiting_for_operator: number;
}

export interface EquityPoint {
  time: string;
  equity: Decimal;
  net_pnl: Decimal;
}

export interface Profile {
  name: string;
  role: Role;
  permissions: string[];
  account_type: AccountType;
  capital: Record<string, Decimal>;
}

export interface StrategyInfo {
  name: string;
  about: string;
  parameters: JsonSchema;
}

export interface JsonSchema {
  properties?: Record<string, SchemaProperty>;
  required?: string[];
}

export interface SchemaProperty {
  type?: string;
  title?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  anyOf?: SchemaProperty[];
}

export interface Bars {
  seq: number;
  items: Bar[];
  next_cursor: string | null;
}
export interface Config {
  instruments: string[];
  timeframes: string[];
  strategies: string[];
  broker: string;
  account_type: AccountType;
  version: string;
  defaults: Record<string, unknown>;
}
export type InstrumentInfo = Instrument;
export interface JournalPage {
  seq: number;
  items: JournalEntry[];
  next_cursor: string | null;
  head: number;
}
export type OperationDetail = Operation & { seq: number; positions: Position[]; working_orders: Order[]; last_trades: Trade[] };
export interface TradeWhy {
  trade: Trade;
  entries: JournalEntry[];
}
export interface StateOperation {
  id: string;
  asset: string;
  broker: string;
  strategy_name: string;
  status: OperationStatus;
  status_reason: string;
  currency: string;
  quantity: Decimal;
  total_pnl: Decimal;
  trades: number;
}
export interface StatePosition {
  id: string;
  operation_id: string;
  contract_symbol: string;
  position_type: 'LONG' | 'SHORT';
  quantity: Decimal;
  entry_price: Decimal;
  stop_loss: Decimal | null;
  take_profit: Decimal | null;
}
export interface StateOrder {
  id: string;
  symbol: string;
  action: 'BUY' | 'SELL';
  purpose: OrderPurpose;
  status: OrderStatus;
  quantity: Decimal;
  limit_price: Decimal | null;
  stop_price: Decimal | null;
}
export interface Discrepancy {
  broker: string;
  symbol: string;
  ledger_quantity: Decimal;
  broker_quantity: Decimal;
  sequence_number: number;
}
/** The document leaves the rows of the folded state open; `projections/time_travel.py` says what they hold. */
export interface State {
  sequence_number: number;
  timestamp: string | null;
  epoch: number;
  deployment_id: string;
  engine: string;
  kill_switch: { sequence_number: number; at: string; reason: string; actor: string } | null;
  circuit_breaker_open_until: string | null;
  pnl_by_currency: Record<string, Record<string, Decimal>>;
  operations: StateOperation[];
  open_positions: StatePosition[];
  working_orders: StateOrder[];
  discrepancies: Discrepancy[];
  anomalies: { sequence_number: number; text: string }[];
}
export interface RecoverPreview {
  seq: number;
  operation_id: string;
  mode: CrashRecoveryMode;
  decision: 'CLOSE' | 'KEEP' | 'WAIT' | null;
  reason: string;
  quantity: Decimal;
  price: Decimal | null;
  price_age_seconds: number | null;
  unrealized_pnl: Decimal | null;
  unrealized_pnl_pct: Decimal | null;
  threshold_pct: Decimal | null;
  pauses_afterwards: boolean;
}
export interface Integrity {
  first: number;
  last: number;
  ok: boolean;
  problem: string | null;
  head_hash: string;
}
export interface Setting {
  value: unknown;
  origin: string;
  description: string;
  unit: string;
  expected: string;
  changeable: boolean;
}
export interface SettingsAnswer {
  seq: number;
  settings: Record<string, Setting>;
}
export interface User {
  name: string;
  role: Role;
  disabled: boolean;
  created_at: string;
  updated_at: string;
}
export interface Broker {
  id: string;
  broker_name: string;
}
