import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { resolveOrder } from '@/api/commands';
import { activeOperations, doubtfulOrders, orderEntries } from '@/api/queries';
import type { Order } from '@/api/types';
import { exactly, moment, price, quantity, words } from '@/lib/format';
import { useMay } from '@/stores/session';
import { OrderStatusBadge } from '@/ui/Badge';
import { Button } from '@/ui/Button';
import { Card, Facts } from '@/ui/Card';
import { Confirm } from '@/ui/Confirm';
import { ErrorNote, Loading } from '@/ui/States';
import { Story } from '@/ui/Story';

/** Orders whose fate could not be found out by asking: the evidence, and a person's word. */
export function Doubts() {
  const found = useQuery(doubtfulOrders());
  const orders = found.data?.items ?? [];
  if (found.isPending) return <Loading rows={2} />;
  return (
    <Card title="Orders in doubt" hint={orders.length === 0 ? 'none waits for you' : `${orders.length} to look at`}>
      <ErrorNote error={found.error} retry={() => void found.refetch()} />
      {orders.length === 0 ? (
        <p className="text-muted">
          When an answer of the broker never comes, the engine asks until it knows. What asking does not settle appears
          here.
        </p>
      ) : (
        <ul className="flex flex-col gap-4">
          {orders.map((order) => (
            <Doubt key={order.id} order={order} />
          ))}
        </ul>
      )}
    </Card>
  );
}

function Doubt({ order }: { order: Order }) {
  const mayTrade = useMay('trader');
  const [resolving, setResolving] = useState(false);
  const evidence = useQuery(orderEntries(order));
  const operations = useQuery(activeOperations());
  const operation = operations.data?.items.find(({ id }) => id === order.operation_id);
  const waits = order.status === 'NEEDS_OPERATOR';
  const at = order.limit_price ?? order.stop_price ?? order.price;
  return (
    <li className="rounded-md border border-line p-3">
      <div className="mb-2 flex flex-wrap items-center gap-2">
        <b>
          {words(order.action)} {quantity(order.quantity)} {order.symbol}
          {at === null ? ' at market' : ` at ${price(at)}`}
        </b>
        <OrderStatusBadge status={order.status} />
        <Link to="/operations/$id" params={{ id: order.operation_id }} className="text-accent hover:underline">
          Its operation
        </Link>
        {mayTrade && waits && (
          <Button size="sm" kind="primary" className="ml-auto" onClick={() => setResolving(true)}>
            Resolve
          </Button>
        )}
      </div>
      <Facts
        className="mb-3 max-w-xl"
        rows={[
          [
            'In doubt',
            order.doubt === null ? 'whether it was placed' : `whether the ${words(order.doubt).toLowerCase()} arrived`,
          ],
          [
            'Our id',
            <code key="c" className="text-xs">
              {order.client_order_id}
            </code>,
          ],
          ['The broker’s id', order.broker_order_id ?? 'none was told'],
          [
            'Asked',
            <time key="t" title={exactly(order.requested_at)}>
              {moment(order.requested_at)}
            </time>,
          ],
          ['Evidence', order.detail || '–'],
        ]}
      />
      <h3 className="mb-2 font-semibold">What happened to it</h3>
      {evidence.isPending ? <Loading rows={3} /> : <Story entries={evidence.data ?? []} dense />}
      {resolving && (
        <Confirm
          title="The broker does not have this order"
          what={`Look at ${order.broker}'s own screen for ${order.client_order_id} first. If the order is there, do not resolve it: the engine finds it by asking on. A fill that comes all the same is still applied.`}
          facts={[
            ['Order', `${words(order.action)} ${quantity(order.quantity)} ${order.symbol}`],
            ['Broker', order.broker],
            ['Afterwards', 'it counts as never placed; the operation stays held until you resume it'],
          ]}
          account={operation?.account_type ?? 'PAPER'}
          asset={operation?.asset ?? order.symbol}
          action="It is not there"
          done="Resolved: it counts as never placed"
          danger
          reason="required"
          reasonLabel="What shows that the broker does not have it?"
          run={(about) => resolveOrder(order.id, about)}
          onClose={() => setResolving(false)}
        />
      )}
    </li>
  );
}
