import { useInfiniteQuery } from '@tanstack/react-query';
import { Ban } from 'lucide-react';
import { useState } from 'react';
import { cancelOrder } from '@/api/commands';
import { operationOrders } from '@/api/queries';
import type { OperationDetail, Order } from '@/api/types';
import { exactly, moment, price, quantity, words } from '@/lib/format';
import { marketWords } from '@/lib/market';
import { useMay } from '@/stores/session';
import { OrderStatusBadge, SideBadge } from '@/ui/Badge';
import { Button } from '@/ui/Button';
import { Confirm } from '@/ui/Confirm';
import { DataTable, type Column } from '@/ui/DataTable';
import { moreOf, rowsOf } from '@/ui/More';
import { Empty, ErrorNote } from '@/ui/States';
import { gridOf, valueOf } from './facts';

const levelOf = (order: Order) => order.limit_price ?? order.stop_price ?? order.price;

export function OrdersTab({ operation }: { operation: OperationDetail }) {
  const found = useInfiniteQuery(operationOrders(operation.id));
  const mayTrade = useMay('trader');
  const [cancelling, setCancelling] = useState<Order | null>(null);
  const { decimals } = gridOf(operation);
  const columns: Column<Order>[] = [
    {
      id: 'time',
      header: 'Asked',
      cell: (order) => (
        <time title={exactly(order.requested_at)} className="num text-soft">
          {moment(order.requested_at)}
        </time>
      ),
    },
    { id: 'purpose', header: 'For', from: 'sm', cell: (order) => words(order.purpose) },
    {
      id: 'order',
      header: 'Order',
      cell: (order) => (
        <span title={order.reason} className="num">
          <SideBadge side={order.action} /> {quantity(order.quantity)}{' '}
          <span className="text-muted">{words(order.order_type).toLowerCase()}</span>
        </span>
      ),
    },
    {
      id: 'price',
      header: 'Price',
      align: 'right',
      cell: (order) => <span className="num">{price(levelOf(order), decimals)}</span>,
    },
    {
      id: 'filled',
      header: 'Filled',
      align: 'right',
      from: 'md',
      cell: (order) => (
        <span className="num">
          {Number(order.filled_quantity) > 0
            ? `${quantity(order.filled_quantity)} @ ${price(order.avg_fill_price, decimals)}`
            : '–'}
        </span>
      ),
    },
    {
      id: 'status',
      header: 'Status',
      cell: (order) => <OrderStatusBadge status={order.status} title={order.detail} />,
    },
    {
      id: 'detail',
      header: 'Detail',
      from: 'xl',
      cell: (order) => (
        <span className="line-clamp-1 max-w-96 text-muted" title={order.detail || order.reason}>
          {order.detail || order.reason}
        </span>
      ),
    },
    {
      id: 'act',
      header: <span className="sr-only">Actions</span>,
      align: 'right',
      cell: (order) =>
        mayTrade &&
        order.is_working && (
          <Button
            size="sm"
            kind="quiet"
            icon={<Ban />}
            disabled={order.cancel_requested}
            onClick={() => setCancelling(order)}
            aria-label={`Cancel the ${words(order.purpose).toLowerCase()} order`}
          >
            Cancel
          </Button>
        ),
    },
  ];
  return (
    <>
      <ErrorNote error={found.error} retry={() => void found.refetch()} className="m-3" />
      <DataTable
        label="Orders"
        columns={columns}
        rows={rowsOf(found)}
        rowId={(order) => order.id}
        loading={found.isPending}
        more={moreOf(found)}
        empty={
          <Empty title="No order yet">Orders appear here the moment they are decided, before they are sent.</Empty>
        }
      />
      {cancelling && (
        <Confirm
          title={`Cancel the ${words(cancelling.purpose).toLowerCase()} order`}
          what={
            cancelling.purpose === 'STOP_LOSS'
              ? 'The position is then not guarded by a stop at the broker.'
              : 'The broker is asked to no longer work the order. It may still be filled before that.'
          }
          facts={[
            [
              'Order',
              `${words(cancelling.action)} ${quantity(cancelling.quantity)} ${cancelling.symbol}${levelOf(cancelling) ? ` at ${price(levelOf(cancelling), decimals)}` : ''}`,
            ],
            ['Value', valueOf(operation, cancelling.quantity)],
            ['Broker', `${cancelling.broker}, as ${cancelling.broker_order_id ?? 'not known yet'}`],
            ['Market', marketWords(operation.instrument.hours)],
          ]}
          account={operation.account_type}
          asset={operation.asset}
          action="Cancel order"
          done="The broker is asked to cancel it"
          danger={cancelling.purpose === 'STOP_LOSS'}
          reason="optional"
          run={(about) => cancelOrder(cancelling.id, about)}
          onClose={() => setCancelling(null)}
        />
      )}
    </>
  );
}
