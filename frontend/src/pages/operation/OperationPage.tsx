import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { ChevronLeft } from 'lucide-react';
import { lazy, Suspense, useState } from 'react';
import { operation as operationQuery } from '@/api/queries';
import type { OperationDetail } from '@/api/types';
import { AccountBadge, StatusBadge } from '@/ui/Badge';
import { Card, PageTitle } from '@/ui/Card';
import { LivePrice } from '@/ui/Freshness';
import { TabPanel, Tabs } from '@/ui/Segmented';
import { ErrorNote, Loading, Note } from '@/ui/States';
import { OperationActions } from './OperationActions';
import { JournalTab } from './JournalTab';
import { MoveProtection, type Move } from './MoveProtection';
import { NotesTab } from './NotesTab';
import { OrdersTab } from './OrdersTab';
import { PositionCard } from './PositionCard';
import { SettingsTab } from './SettingsTab';
import { SignalsTab } from './SignalsTab';
import { TradesTab } from './TradesTab';
import { Why } from './Why';
import { gridOf } from './facts';

const OperationChart = lazy(() => import('./OperationChart'));
const StatsTab = lazy(() => import('./StatsTab'));

/** One operation: what it holds, what it sees, what it did, and why. */
export default function OperationPage() {
  const { id } = useParams({ from: '/app/operations/$id' });
  const found = useQuery(operationQuery(id));
  if (found.isPending) return <Loading rows={10} />;
  if (found.data === undefined) {
    return (
      <div className="mx-auto max-w-xl pt-8">
        <ErrorNote error={found.error} retry={() => void found.refetch()} />
        <Link to="/operations" className="mt-3 inline-flex items-center gap-1 text-accent">
          <ChevronLeft className="size-4" /> All operations
        </Link>
      </div>
    );
  }
  return <Operation operation={found.data} />;
}

function Operation({ operation }: { operation: OperationDetail }) {
  const [move, setMove] = useState<Move | null>(null);
  const [trade, setTrade] = useState<string | null>(null);
  const position = operation.positions.find(({ status }) => status === 'open') ?? null;
  const { decimals } = gridOf(operation);
  return (
    <>
      <PageTitle
        title={
          <span className="flex flex-wrap items-center gap-2">
            <Link to="/operations" aria-label="All operations" className="text-muted hover:text-text">
              <ChevronLeft className="size-5" />
            </Link>
            {operation.symbol}
            <AccountBadge type={operation.account_type} />
            <StatusBadge status={operation.status} />
          </span>
        }
        hint={
          <span className="flex flex-wrap items-center gap-x-3">
            {operation.strategy_name} · {operation.broker}
            <LivePrice broker={operation.broker} symbol={operation.symbol} decimals={decimals} className="text-text" />
          </span>
        }
      >
        <OperationActions operation={operation} />
      </PageTitle>
      {operation.status === 'error' && (
        <Note tone="bad" title="Held until you decide" className="mb-3">
          {operation.status_reason || 'Something went wrong.'} Its protections stay at the broker. Resume it when the
          cause is gone, or close it.
        </Note>
      )}
      {operation.exit_intent !== null && (
        <Note tone="warn" title="The position is being closed" className="mb-3">
          {operation.exit_intent.reason}
        </Note>
      )}
      <div className="grid gap-3 xl:grid-cols-[minmax(0,1fr)_20rem]">
        <Card flush label="Chart" className="h-[24rem] sm:h-[30rem]">
          <Suspense fallback={<Loading rows={8} />}>
            <OperationChart operation={operation} position={position} onMove={setMove} onTrade={setTrade} />
          </Suspense>
        </Card>
        <PositionCard operation={operation} position={position} onMove={setMove} />
      </div>
      <Details operation={operation} onTrade={setTrade} />
      {move && (
        <MoveProtection
          operation={operation}
          entryPrice={position?.entry_price ?? null}
          move={move}
          onClose={() => setMove(null)}
        />
      )}
      {trade !== null && <Why tradeId={trade} decimals={decimals} onClose={() => setTrade(null)} />}
    </>
  );
}

function Details({ operation, onTrade }: { operation: OperationDetail; onTrade: (id: string) => void }) {
  const { tab = 'orders' } = useSearch({ from: '/app/operations/$id' });
  const navigate = useNavigate({ from: '/operations/$id' });
  return (
    <Card flush label="Details" className="mt-3">
      <Tabs
        label="Details"
        value={tab}
        onChange={(next) => void navigate({ search: { tab: next as typeof tab }, replace: true })}
        tabs={[
          { value: 'orders', label: 'Orders', count: operation.working_orders.length },
          { value: 'trades', label: 'Trades', count: operation.trade_count },
          { value: 'signals', label: 'Signals', count: operation.signal_count },
          { value: 'stats', label: 'Statistics' },
          { value: 'journal', label: 'Journal' },
          { value: 'notes', label: 'Notes' },
          { value: 'settings', label: 'Settings' },
        ]}
      >
        <TabPanel value="orders">
          <OrdersTab operation={operation} />
        </TabPanel>
        <TabPanel value="trades">
          <TradesTab operation={operation} onTrade={onTrade} />
        </TabPanel>
        <TabPanel value="signals">
          <SignalsTab operation={operation} />
        </TabPanel>
        <TabPanel value="stats">
          <Suspense fallback={<Loading />}>
            <StatsTab operation={operation} />
          </Suspense>
        </TabPanel>
        <TabPanel value="journal">
          <JournalTab operation={operation} />
        </TabPanel>
        <TabPanel value="notes">
          <NotesTab operation={operation} />
        </TabPanel>
        <TabPanel value="settings">
          <SettingsTab operation={operation} />
        </TabPanel>
      </Tabs>
    </Card>
  );
}
