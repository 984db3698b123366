import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { CandlestickChart, Plus } from 'lucide-react';
import { lazy, Suspense, useMemo, useState } from 'react';
import { activeOperations, equityCurve, openPositions, overall, recentTrades } from '@/api/queries';
import { Alerts } from '@/layout/AlertsSheet';
import { useMay } from '@/stores/session';
import { Button } from '@/ui/Button';
import { Card, PageTitle, Stat } from '@/ui/Card';
import { DataTable } from '@/ui/DataTable';
import { Pnl } from '@/ui/Numbers';
import { Segmented } from '@/ui/Segmented';
import { Empty, ErrorNote, Loading, Skeleton } from '@/ui/States';
import { money, percent } from '@/lib/format';
import { chartTime } from '@/charts/time';
import { tradeColumns } from '../operation/TradesTab';
import { Why } from '../operation/Why';
import { OpenPositions } from './OpenPositions';
import { SystemCard } from './SystemCard';

const LineChart = lazy(async () => ({ default: (await import('@/charts/LineChart')).LineChart }));

/** How it stands, at a glance. */
export default function DashboardPage() {
  const mayTrade = useMay('trader');
  const navigate = useNavigate();
  const operations = useQuery(activeOperations());
  const positions = useQuery(openPositions());
  const trades = useQuery(recentTrades());
  const [why, setWhy] = useState<string | null>(null);
  const active = operations.data?.items.filter(({ status }) => status === 'active').length;
  const isEmpty = operations.data?.items.length === 0;
  return (
    <>
      <PageTitle title="Dashboard">
        {mayTrade && (
          <Button kind="primary" icon={<Plus />} onClick={() => void navigate({ to: '/create' })}>
            New operation
          </Button>
        )}
      </PageTitle>
      <ErrorNote error={operations.error ?? positions.error} retry={() => void operations.refetch()} className="mb-3" />
      <Figures active={active} positions={positions.data?.items.length} />
      <div className="mt-3 grid gap-3 xl:grid-cols-[minmax(0,1fr)_22rem]">
        <div className="flex min-w-0 flex-col gap-3">
          <Equity />
          <Card flush title="Open positions" hint="with the risk to the stop">
            {isEmpty ? (
              <Empty icon={<CandlestickChart />} title="Nothing trades yet">
                <p>An operation is one strategy trading one asset. On paper it costs nothing.</p>
                {mayTrade && (
                  <Link to="/create" className="mt-2 inline-block font-medium text-accent hover:underline">
                    Create the first one
                  </Link>
                )}
              </Empty>
            ) : (
              <OpenPositions
                positions={positions.data?.items ?? []}
                operations={operations.data?.items ?? []}
                loading={positions.isPending}
              />
            )}
          </Card>
          <Card
            flush
            title="Recent trades"
            actions={
              <Link to="/operations" className="text-xs text-accent hover:underline">
                All operations
              </Link>
            }
          >
            <ErrorNote error={trades.error} className="m-3" />
            <DataTable
              label="Recent trades"
              columns={tradeColumns(setWhy)}
              rows={trades.data?.items ?? []}
              rowId={(trade) => trade.id}
              onRowClick={(trade) => setWhy(trade.id)}
              loading={trades.isPending}
              height="max-h-80"
              empty={<Empty title="No completed trade yet" />}
            />
          </Card>
        </div>
        <div className="flex min-w-0 flex-col gap-3">
          <SystemCard />
          <Card title="Alerts" hint="to acknowledge">
            <Alerts most={6} />
          </Card>
        </div>
      </div>
      {why !== null && <Why tradeId={why} onClose={() => setWhy(null)} />}
    </>
  );
}

function Figures({ active, positions }: { active: number | undefined; positions: number | undefined }) {
  const { data, isPending, error } = useQuery(overall());
  if (isPending) return <Skeleton className="h-16" />;
  if (!data) return <ErrorNote error={error} />;
  const currencies = Object.entries(data.by_currency);
  return (
    <div className="flex flex-col gap-2">
      {(currencies.length === 0 ? [['', null] as const] : currencies).map(([currency, figures]) => (
        <Card key={currency} label={currency ? `Figures in ${currency}` : 'Figures'}>
          <dl className="grid grid-cols-2 gap-x-4 gap-y-3 sm:grid-cols-4 xl:grid-cols-8">
            <Stat name={`Today${currency ? `, ${currency}` : ''}`} hint="net, since midnight UTC">
              <Pnl value={figures?.pnl_today ?? '0'} />
            </Stat>
            <Stat name="Overall" hint="net, realised">
              <Pnl value={figures?.net_pnl ?? '0'} />
            </Stat>
            <Stat name="Unrealised" hint="of what is open">
              <Pnl value={figures?.unrealized_pnl ?? '0'} />
            </Stat>
            <Stat name="Active operations" hint={`of ${Object.values(data.operations).reduce((a, b) => a + b, 0)}`}>
              {active ?? data.operations['active'] ?? 0}
            </Stat>
            <Stat name="Open positions">{positions ?? data.open_positions}</Stat>
            <Stat name="Win rate" hint={`${figures?.trade_count ?? 0} trades`}>
              {percent(figures?.win_rate, { digits: 0 })}
            </Stat>
            <Stat name="Profit factor" hint="wins over losses">
              {money(figures?.profit_factor)}
            </Stat>
            <Stat name="Largest drawdown" hint="of the results">
              {money(figures?.max_drawdown)}
            </Stat>
          </dl>
        </Card>
      ))}
    </div>
  );
}

function Equity() {
  const { data, isPending, error, refetch } = useQuery(equityCurve());
  const currencies = useMemo(() => Object.keys(data?.by_currency ?? {}), [data]);
  const [chosen, setChosen] = useState<string | null>(null);
  const currency = chosen ?? currencies[0] ?? '';
  const points = useMemo(
    () =>
      (data?.by_currency[currency] ?? []).map(({ time, equity }) => ({ time: chartTime(time), value: Number(equity) })),
    [data, currency],
  );
  return (
    <Card
      flush
      title="Equity"
      hint={currency && `${currency}, after each trade`}
      className="h-72"
      actions={
        currencies.length > 1 ? (
          <Segmented
            label="Currency"
            value={currency}
            onChange={setChosen}
            options={currencies.map((value) => ({ value, label: value }))}
          />
        ) : undefined
      }
    >
      {isPending ? (
        <Loading />
      ) : error ? (
        <ErrorNote error={error} retry={() => void refetch()} className="m-3" />
      ) : points.length === 0 ? (
        <Empty title="No curve yet">It begins with the first completed trade.</Empty>
      ) : (
        <Suspense fallback={<Loading />}>
          <LineChart label={`Equity in ${currency}`} points={points} className="flex h-full flex-col" />
        </Suspense>
      )}
    </Card>
  );
}
