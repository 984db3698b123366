import { useQuery } from '@tanstack/react-query';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { equityCurve, operationStats, operationTrades } from '@/api/queries';
import type { Operation } from '@/api/types';
import { BarsChart } from '@/charts/BarsChart';
import { LineChart } from '@/charts/LineChart';
import { byDay, distribution, drawdown } from '@/charts/series';
import { chartTime } from '@/charts/time';
import { duration, money, percent } from '@/lib/format';
import { Card, Stat } from '@/ui/Card';
import { rowsOf } from '@/ui/More';
import { Pnl } from '@/ui/Numbers';
import { Empty, ErrorNote, Loading } from '@/ui/States';

export default function StatsTab({ operation }: { operation: Operation }) {
  const stats = useQuery(operationStats(operation.id));
  const curve = useQuery(equityCurve(operation.id));
  const trades = useInfiniteQuery(operationTrades(operation.id));
  const equity = useMemo(
    () =>
      (curve.data?.by_currency[operation.currency] ?? []).map((point) => ({
        time: chartTime(point.time),
        value: Number(point.equity),
      })),
    [curve.data, operation.currency],
  );
  const fall = useMemo(() => drawdown(equity), [equity]);
  const results = useMemo(() => rowsOf({ data: trades.data }), [trades.data]);
  const days = useMemo(() => byDay(results), [results]);
  const spread = useMemo(() => distribution(results.map((trade) => Number(trade.net_pnl))), [results]);
  if (stats.isPending) return <Loading rows={6} />;
  if (!stats.data) return <ErrorNote error={stats.error} retry={() => void stats.refetch()} className="m-3" />;
  const figures = stats.data;
  return (
    <div className="flex flex-col gap-4 p-3">
      <dl className="grid grid-cols-2 gap-x-4 gap-y-3 sm:grid-cols-4 lg:grid-cols-6">
        <Stat name="Net result">
          <Pnl value={figures.net_pnl} currency={operation.currency} />
        </Stat>
        <Stat name="Before commissions">
          <Pnl value={figures.gross_pnl} />
        </Stat>
        <Stat name="Commissions">{money(figures.total_commission)}</Stat>
        <Stat name="Unrealised">
          <Pnl value={figures.unrealized_pnl} />
        </Stat>
        <Stat name="Trades" hint={`${figures.winning_trades} won, ${figures.losing_trades} lost`}>
          {figures.trade_count}
        </Stat>
        <Stat name="Win rate">{percent(figures.win_rate, { digits: 0 })}</Stat>
        <Stat name="Profit factor" hint="wins over losses">
          {money(figures.profit_factor)}
        </Stat>
        <Stat name="Expectancy" hint="of a trade">
          <Pnl value={figures.expectancy} />
        </Stat>
        <Stat name="Average win">
          <Pnl value={figures.average_win} />
        </Stat>
        <Stat name="Average loss">
          <Pnl value={figures.average_loss} />
        </Stat>
        <Stat name="Largest drawdown">{money(figures.max_drawdown)}</Stat>
        <Stat name="Average duration">{duration(figures.average_duration_seconds)}</Stat>
      </dl>
      {equity.length === 0 ? (
        <Empty title="No completed trade yet">Curves begin with the first one.</Empty>
      ) : (
        <div className="grid gap-3 lg:grid-cols-2">
          <Card flush title="Equity" className="h-64">
            <LineChart label="Equity" points={equity} className="flex h-full flex-col" />
          </Card>
          <Card flush title="Drawdown" hint="below the last height" className="h-64">
            <LineChart label="Drawdown" points={fall} kind="drawdown" className="flex h-full flex-col" />
          </Card>
          <Card title="Result by day" className="h-64">
            <BarsChart label="Net result by day" points={days} unit={operation.currency} className="h-full" />
          </Card>
          <Card title="Distribution of results" hint={`of the last ${results.length} trades`} className="h-64">
            <BarsChart label="Trades by net result" points={spread} unit="trades" whole className="h-full" />
          </Card>
        </div>
      )}
    </div>
  );
}
