import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { state } from '@/api/queries';
import type { StateOperation, StateOrder, StatePosition } from '@/api/types';
import { price, quantity, words } from '@/lib/format';
import { OrderStatusBadge, SideBadge, StatusBadge } from '@/ui/Badge';
import { Card, Stat } from '@/ui/Card';
import { DataTable, type Column } from '@/ui/DataTable';
import { Pnl } from '@/ui/Numbers';
import { Empty, ErrorNote, Loading } from '@/ui/States';

const operationColumns: Column<StateOperation>[] = [
  {
    id: 'asset',
    header: 'Asset',
    cell: (operation) => (
      <Link
        to="/operations/$id"
        params={{ id: operation.id }}
        className="font-semibold hover:text-accent hover:underline"
      >
        {operation.asset}
      </Link>
    ),
  },
  {
    id: 'status',
    header: 'Status',
    cell: (operation) => <StatusBadge status={operation.status} title={operation.status_reason} />,
  },
  {
    id: 'position',
    header: 'Position',
    align: 'right',
    cell: (operation) => <span className="num">{quantity(operation.quantity, true)}</span>,
  },
  { id: 'trades', header: 'Trades', align: 'right', from: 'sm', cell: (operation) => operation.trades },
  {
    id: 'pnl',
    header: 'Realised',
    align: 'right',
    cell: (operation) => <Pnl value={operation.total_pnl} currency={operation.currency} />,
  },
];

const positionColumns: Column<StatePosition>[] = [
  { id: 'symbol', header: 'Asset', cell: (position) => <b className="font-semibold">{position.contract_symbol}</b> },
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
    cell: (position) => <span className="num">{price(position.entry_price)}</span>,
  },
  {
    id: 'stop',
    header: 'Stop',
    align: 'right',
    cell: (position) => <span className="num">{price(position.stop_loss)}</span>,
  },
  {
    id: 'target',
    header: 'Target',
    align: 'right',
    from: 'sm',
    cell: (position) => <span className="num">{price(position.take_profit)}</span>,
  },
];

const orderColumns: Column<StateOrder>[] = [
  {
    id: 'order',
    header: 'Order',
    cell: (order) => (
      <span className="num">
        <SideBadge side={order.action} /> {quantity(order.quantity)} {order.symbol}
      </span>
    ),
  },
  { id: 'for', header: 'For', from: 'sm', cell: (order) => words(order.purpose) },
  {
    id: 'price',
    header: 'Price',
    align: 'right',
    cell: (order) => <span className="num">{price(order.limit_price ?? order.stop_price)}</span>,
  },
  { id: 'status', header: 'Status', cell: (order) => <OrderStatusBadge status={order.status} /> },
];

/** Positions, orders and results as they were: folded from the journal up to an entry and no further. */
export function StateAt({ at }: { at: number }) {
  const { data, isPending, error, refetch } = useQuery(state(at));
  if (isPending) return <Loading rows={5} />;
  if (!data) return <ErrorNote error={error} retry={() => void refetch()} className="mb-3" />;
  return (
    <div
      className="mb-3 flex flex-col gap-3"
      aria-busy={data.sequence_number !== at}
      data-testid="state-at"
      data-at={data.sequence_number}
    >
      <ErrorNote error={error} />
      <Card label="Figures then">
        <dl className="grid grid-cols-2 gap-x-4 gap-y-3 sm:grid-cols-4 lg:grid-cols-6">
          <Stat name="Engine">{words(data.engine)}</Stat>
          <Stat name="Kill switch">
            {data.kill_switch === null ? 'Not tripped' : <span className="text-down">Tripped</span>}
          </Stat>
          <Stat name="Open positions">{data.open_positions.length}</Stat>
          <Stat name="Working orders">{data.working_orders.length}</Stat>
          {Object.entries(data.pnl_by_currency).map(([currency, sums]) => (
            <Stat key={currency} name={`Realised, ${currency}`}>
              <Pnl value={sums['total_pnl']} />
            </Stat>
          ))}
        </dl>
      </Card>
      <div className="grid gap-3 xl:grid-cols-3">
        <Card flush title="Operations then">
          <DataTable
            label="Operations then"
            columns={operationColumns}
            rows={data.operations}
            rowId={(row) => row.id}
            height="max-h-64"
            empty={<Empty title="No operation yet" />}
          />
        </Card>
        <Card flush title="Positions then">
          <DataTable
            label="Positions then"
            columns={positionColumns}
            rows={data.open_positions}
            rowId={(row) => row.id}
            height="max-h-64"
            empty={<Empty title="Flat" />}
          />
        </Card>
        <Card flush title="Working orders then">
          <DataTable
            label="Working orders then"
            columns={orderColumns}
            rows={data.working_orders}
            rowId={(row) => row.id}
            height="max-h-64"
            empty={<Empty title="No order was working" />}
          />
        </Card>
      </div>
    </div>
  );
}
