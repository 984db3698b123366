/** Names for the shapes of the OpenAPI document, from which `schema.d.ts` is generated. What the document leaves open
 *  (an instrument, a strategy's schema, the folded state) is said here. */
import type { TradingHours } from '@/lib/market';
import type { components } from './schema';

type Schemas = components['schemas'];

export type Decimal = string;
export type AccountType = Schemas['AccountType'];
export type OperationStatus = Schemas['OperationStatus'];
export type OrderStatus = Schemas['OrderStatus'];
export type OrderPurpose = Schemas['OrderPurpose'];
export type CrashRecoveryMode = Schemas['CrashRecoveryMode'];
export type Role = Schemas['Role'];

export type TokenAnswer = Schemas['Tokens'];
export type User = Schemas['User'];
export type Profile = Schemas['Profile'] & { account_type: AccountType };
export type CommandOutcome = Schemas['CommandOutcome'];

/** A page of rows. */
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
export type InstrumentInfo = Instrument;

type WithInstrument<T> = Omit<T, 'instrument'> & { instrument: Instrument };
export type Operation = WithInstrument<Schemas['Operation']>;
export type OperationDetail = WithInstrument<Schemas['OperationDetail']>;
export type Position = Schemas['Position'];
export type Order = Schemas['Order'];
export type Trade = Schemas['Trade'];
export type Bar = Schemas['Bar'];
export type Bars = Schemas['Bars'];
export type Note = Schemas['Note'];
export type Refusal = { rule: string; detail: string; numbers: Record<string, unknown> };
export type Signal = Omit<Schemas['Signal'], 'refused'> & { refused: Refusal | null };
export type RecoverPreview = Schemas['RecoverPreview'];

export type JournalEntry = Schemas['Entry'];
export type JournalPage = Schemas['Entries'];
export type Integrity = Schemas['Integrity'];
export type TradeWhy = Omit<Schemas['TradeWhy'], 'entries'> & { entries: JournalEntry[] };

export type TickMessage = Schemas['TickMessage'];
export type MarkMessage = Schemas['MarkMessage'];
export type SocketMessage = Schemas['SocketMessage'];

export type Health = Schemas['Health'];
export type Config = Omit<Schemas['Config'], 'account_type'> & { account_type: AccountType };
export type Statistics = Schemas['Statistics'];
export type Overall = Schemas['Overall'];
export type EquityPoint = Schemas['EquityPoint'];
export type Setting = Schemas['Setting'];
export type SettingsAnswer = Schemas['Settings'];
export type StrategyInfo = Omit<Schemas['Strategy'], 'parameters'> & { parameters: JsonSchema };

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
export type Broker = Schemas['Broker'];
export type BrokerTest = Schemas['BrokerTest'];
