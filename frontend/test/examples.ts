import type { JournalEntry, MarkMessage, Operation, Position, TickMessage } from '@/api/types';

/** Things as the interface tells them; a test names only what it is about. */
export const operationOf = (fields: Partial<Operation> = {}): Operation =>
  ({
    id: '6f706e000000000000080000',
    sequence_number: 8,
    asset: 'EUR-USD',
    symbol: 'EUR-USD',
    broker: 'paper',
    account_type: 'PAPER',
    currency: 'USD',
    instrument: {
      symbol: 'EUR-USD',
      asset_class: 'FX',
      currency: 'USD',
      tick_size: '0.00001',
      quantity_step: '1',
      multiplier: '1',
      hours: { timezone: 'UTC', sessions: [] },
    },
    bar_sizes: ['1 min'],
    primary_bar_size: '1 min',
    strategy_name: 'MomentumStrategy',
    strategy_config: {},
    quantity: '10000',
    status: 'active',
    status_reason: '',
    open_quantity: '10000',
    position_id: '706f73000000000000120000',
    unrealized_pnl: '12.50',
    exit_intent: null,
    stop_loss: '1.08110',
    take_profit: '1.08510',
    total_pnl: '0',
    ...fields,
  }) as Operation;

export const positionOf = (fields: Partial<Position> = {}): Position =>
  ({
    id: '706f73000000000000120000',
    operation_id: '6f706e000000000000080000',
    contract_symbol: 'EUR-USD',
    position_type: 'LONG',
    status: 'open',
    quantity: '10000',
    entry_price: '1.08250',
    current_price: '1.08300',
    stop_loss: '1.08110',
    take_profit: '1.08510',
    unrealized_pnl: '5.00',
    currency: 'USD',
    ...fields,
  }) as Position;

export const entryOf = (sequence_number: number, fields: Partial<JournalEntry> = {}): JournalEntry => ({
  sequence_number,
  operation_id: null,
  action_type: 'BROKER_CONNECTED',
  action_version: 1,
  action_data: { broker: 'paper', account: 'PAPER-1' },
  timestamp: '2026-03-02T14:30:00.000Z',
  epoch: 1,
  actor: 'engine',
  correlation_id: sequence_number,
  causation_id: null,
  previous_hash: '00',
  hash: '11',
  ...fields,
});

export const tickOf = (price: string, priced_at: string): TickMessage => ({
  type: 'tick',
  seq: 1,
  broker: 'paper',
  symbol: 'EUR-USD',
  price,
  bid: price,
  ask: price,
  priced_at,
  stale: false,
});

export const markOf = (position: Position, unrealized_pnl: string): MarkMessage => ({
  type: 'mark',
  seq: 1,
  position_id: position.id,
  operation_id: position.operation_id,
  current_price: '1.08400',
  unrealized_pnl,
  unrealized_pnl_pct: '0.001',
  priced_at: '2026-03-02T14:30:01.000Z',
  marked_at: '2026-03-02T14:30:01.000Z',
});
