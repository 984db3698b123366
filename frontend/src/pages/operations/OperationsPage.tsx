import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { CandlestickChart, Plus } from 'lucide-react';
import { useMemo } from 'react';
import { config, operations } from '@/api/queries';
import type { Operation } from '@/api/types';
import { exactly, moment, price, quantity } from '@/lib/format';
import { useMay } from '@/stores/session';
import { AccountBadge, StatusBadge } from '@/ui/Badge';
import { Button } from '@/ui/Button';
import { Card, PageTitle } from '@/ui/Card';
import { DataTable, type Column } from '@/ui/DataTable';
import { Select } from '@/ui/Field';
import { LivePrice } from '@/ui/Freshness';
import { moreOf, rowsOf } from '@/ui/More';
import { Pnl } from '@/ui/Numbers';
import { Segmented } from '@/ui/Segmented';
import { Empty, ErrorNote } from '@/ui/States';
import { gridOf } from '../operation/facts';
import { OperationActions } from '../operation/OperationActions';

const STATUSES = ['all', 'active', 'paused', 'error', 'closing', 'closed'] as const;

const columns: Column<Operation>[] = [
  {
    id: 'asset',
    header: 'Asset',
    sortable: true,
    cell: (operation) => (
      <span className="flex items-center gap-2 whitespace-nowrap">
        <Link
          to="/operations/$id"
          params={{ id: operation.id }}
          className="font-semibold hover:text-accent hover:underline"
        >
          {operation.symbol}
        </Link>
        <AccountBadge type={operation.account_type} />
      </span>
    ),
  },
  { id: 'strategy_name', header: 'Strategy', sortable: true, from: 'lg', cell: (operation) => operation.strategy_name },
  {
    id: 'bars',
    header: 'Bars',
    from: 'xl',
    cell: (operation) => <span className="text-muted">{operation.bar_sizes.join(', ')}</span>,
  },
  {
    id: 'status',
    header: 'Status',
    sortable: true,
    cell: (operation) => <StatusBadge status={operation.status} title={operation.status_reason} />,
  },
  {
    id: 'position',
    header: 'Position',
    align: 'right',
    from: 'sm',
    cell: (operation) => (
      <span className="num">
        {Number(operation.open_quantity) === 0 ? (
          <span className="text-muted">flat</span>
        ) : (
          quantity(operation.open_quantity, true)
        )}
      </span>
    ),
  },
  {
    id: 'price',
    header: 'Price',
    align: 'right',
    from: 'md',
    cell: (operation) =>
      operation.status === 'closed' ? (
        <span className="text-muted">–</span>
      ) : (
        <LivePrice broker={operation.broker} symbol={operation.symbol} decimals={gridOf(operation).decimals} />
      ),
  },
  {
    id: 'stop',
    header: 'Stop',
    align: 'right',
    from: 'xl',
    cell: (operation) => <span className="num">{price(operation.stop_loss, gridOf(operation).decimals)}</span>,
  },
  {
    id: 'unrealized',
    header: 'Unrealised',
    align: 'right',
    from: 'md',
    cell: (operation) =>
      operation.unrealized_pnl === null ? (
        <span className="text-muted">–</span>
      ) : (
        <Pnl value={operation.unrealized_pnl} />
      ),
  },
  {
    id: 'total_pnl',
    header: 'Realised',
    align: 'right',
    sortable: true,
    cell: (operation) => <Pnl value={operation.total_pnl} currency={operation.currency} />,
  },
  {
    id: 'trade_count',
    header: 'Trades',
    align: 'right',
    sortable: true,
    from: 'lg',
    cell: (operation) => <span className="num">{operation.trade_count}</span>,
  },
  {
    id: 'created_at',
    header: 'Created',
    sortable: true,
    from: 'xl',
    cell: (operation) => (
      <time className="num text-muted" title={exactly(operation.created_at)}>
        {moment(operation.created_at)}
      </time>
    ),
  },
  {
    id: 'act',
    header: <span className="sr-only">Actions</span>,
    align: 'right',
    cell: (operation) => <OperationActions operation={operation} compact />,
  },
];

/** All operations. Filters and order are in the address: a view can be kept, and sent to somebody. */
export default function OperationsPage() {
  const search = useSearch({ from: '/app/operations' });
  const navigate = useNavigate({ from: '/operations' });
  const mayTrade = useMay('trader');
  const known = useQuery(config());
  const sort = search.sort ?? '-created_at';
  const found = useInfiniteQuery(
    operations({ status: search.status, asset: search.asset, strategy: search.strategy, sort }),
  );
  const change = (changes: Partial<typeof search>) =>
    void navigate({ search: (before) => ({ ...before, ...changes }), replace: true });
  const sorting = useMemo(() => [{ id: sort.replace('-', ''), desc: sort.startsWith('-') }], [sort]);
  const isFiltered = search.status !== undefined || search.asset !== undefined || search.strategy !== undefined;

  return (
    <>
      <PageTitle title="Operations">
        {mayTrade && (
          <Link to="/create" className="contents">
            <Button kind="primary" icon={<Plus />} tabIndex={-1}>
              New operation
            </Button>
          </Link>
        )}
      </PageTitle>
      <div className="mb-3 flex flex-wrap items-center gap-2">
        <Segmented
          label="Status"
          value={search.status ?? 'all'}
          onChange={(status) => change({ status: status === 'all' ? undefined : status })}
          options={STATUSES.map((status) => ({
            value: status,
            label: status.charAt(0).toUpperCase() + status.slice(1),
          }))}
        />
        <Select
          aria-label="Asset"
          className="w-36"
          value={search.asset ?? ''}
          onChange={(event) => change({ asset: event.target.value || undefined })}
        >
          <option value="">All assets</option>
          {known.data?.instruments.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </Select>
        <Select
          aria-label="Strategy"
          className="w-48"
          value={search.strategy ?? ''}
          onChange={(event) => change({ strategy: event.target.value || undefined })}
        >
          <option value="">All strategies</option>
          {known.data?.strategies.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </Select>
        {isFiltered && (
          <Button kind="quiet" onClick={() => change({ status: undefined, asset: undefined, strategy: undefined })}>
            Show all
          </Button>
        )}
      </div>
      <ErrorNote error={found.error} retry={() => void found.refetch()} className="mb-3" />
      <Card flush label="Operations">
        <DataTable
          label="Operations"
          columns={columns}
          rows={rowsOf(found)}
          rowId={(operation) => operation.id}
          onRowClick={(operation) => void navigate({ to: '/operations/$id', params: { id: operation.id } })}
          sorting={sorting}
          onSort={(id) => change({ sort: sort === `-${id}` ? id : `-${id}` })}
          loading={found.isPending}
          more={moreOf(found)}
          height="max-h-[calc(100dvh-12rem)]"
          empty={
            <Empty icon={<CandlestickChart />} title={isFiltered ? 'No operation matches' : 'No operation yet'}>
              {isFiltered
                ? 'Change the filters to see others.'
                : 'An operation is one strategy trading one asset. Create the first one; on paper it costs nothing.'}
            </Empty>
          }
        />
      </Card>
    </>
  );
}
