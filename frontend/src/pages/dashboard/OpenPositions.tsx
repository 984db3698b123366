import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import type { Operation, Position } from '@/api/types';
import { price, quantity, toNumber } from '@/lib/format';
import { AccountBadge, SideBadge } from '@/ui/Badge';
import { DataTable, type Column } from '@/ui/DataTable';
import { Freshness } from '@/ui/Freshness';
import { Pnl } from '@/ui/Numbers';
import { Empty } from '@/ui/States';
import { gridOf } from '../operation/facts';
import { OperationActions } from '../operation/OperationActions';

/** What is lost from here if the stop is hit, and how far away it is. Null without a stop or a price. */
export function riskToStop(position: Position, operation: Operation): { money: number; part: number } | null {
  const stop = toNumber(position.stop_loss);
  const now = toNumber(position.current_price);
  if (stop === null || now === null || now === 0) return null;
  const open = toNumber(position.quantity) ?? 0;
  return {
    money: (stop - now) * open * (toNumber(operation.instrument.multiplier) ?? 1),
    part: Math.abs(stop - now) / now,
  };
}

interface OpenPositionsProps {
  positions: readonly Position[];
  operations: readonly Operation[];
  loading: boolean;
}

export function OpenPositions({ positions, operations, loading }: OpenPositionsProps) {
  const byId = useMemo(() => new Map(operations.map((operation) => [operation.id, operation])), [operations]);
  const decimals = (position: Position) => {
    const operation = byId.get(position.operation_id);
    return operation && gridOf(operation).decimals;
  };
  const columns: Column<Position>[] = [
    {
      id: 'symbol',
      header: 'Asset',
      cell: (position) => (
        <span className="flex items-center gap-2 whitespace-nowrap">
          <Link
            to="/operations/$id"
            params={{ id: position.operation_id }}
            className="font-semibold hover:text-accent hover:underline"
          >
            {position.contract_symbol}
          </Link>
          <AccountBadge type={byId.get(position.operation_id)?.account_type ?? 'PAPER'} />
        </span>
      ),
    },
    {
      id: 'holds',
      header: 'Holds',
      cell: (position) => (
        <span className="num">
          <SideBadge side={position.position_type} /> {quantity(Math.abs(Number(position.quantity)))}
        </span>
      ),
    },
    {
      id: 'entry',
      header: 'Entry',
      align: 'right',
      from: 'md',
      cell: (position) => <span className="num">{price(position.entry_price, decimals(position))}</span>,
    },
    {
      id: 'now',
      header: 'Now',
      align: 'right',
      from: 'sm',
      cell: (position) => (
        <span className="inline-flex items-baseline gap-1.5">
          <span className="num">{price(position.current_price, decimals(position))}</span>
          <Freshness at={position.priced_at} compact />
        </span>
      ),
    },
    {
      id: 'risk',
      header: 'Risk to stop',
      align: 'right',
      from: 'md',
      cell: (position) => {
        const operation = byId.get(position.operation_id);
        const risk = operation && riskToStop(position, operation);
        return risk ? (
          <span title={`Stop at ${price(position.stop_loss, decimals(position))}`}>
            <Pnl value={risk.money} /> <span className="num text-xs text-muted">{(risk.part * 100).toFixed(2)} %</span>
          </span>
        ) : position.stop_loss === null ? (
          <span className="font-medium text-warn">no stop</span>
        ) : (
          '–'
        );
      },
    },
    {
      id: 'pnl',
      header: 'Unrealised',
      align: 'right',
      cell: (position) =>
        position.unrealized_pnl === null ? (
          <span className="text-muted">no price</span>
        ) : (
          <Pnl value={position.unrealized_pnl} currency={position.currency} />
        ),
    },
    {
      id: 'act',
      header: <span className="sr-only">Actions</span>,
      align: 'right',
      cell: (position) => {
        const operation = byId.get(position.operation_id);
        return operation && <OperationActions operation={operation} compact />;
      },
    },
  ];
  return (
    <DataTable
      label="Open positions"
      columns={columns}
      rows={positions}
      rowId={(position) => position.id}
      loading={loading}
      height="max-h-80"
      empty={<Empty title="Flat: no position is open" />}
    />
  );
}
