import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { operationStats } from '@/api/queries';
import type { Operation } from '@/api/types';
import { money, NONE, percent, toNumber } from '@/lib/format';
import { Card } from '@/ui/Card';
import { Select } from '@/ui/Field';
import { figure, type BacktestReport } from './report';

interface ComparisonProps {
  report: BacktestReport;
  operations: readonly Operation[];
}

type Line = readonly [string, number | null, number | null, 'money' | 'percent' | 'count'];

const shown = (value: number | null, kind: Line[3]): string =>
  value === null
    ? NONE
    : kind === 'percent'
      ? percent(value)
      : kind === 'count'
        ? String(value)
        : money(value, { sign: false });

/** Live against backtest, figure by figure. */
export function Comparison({ report, operations }: ComparisonProps) {
  const alike = operations.filter(({ asset }) => asset === report.settings.asset);
  const [chosen, setChosen] = useState<string | null>(null);
  const id = chosen ?? alike[0]?.id ?? '';
  const live = useQuery({ ...operationStats(id), enabled: id !== '' });
  const stats = id === '' ? undefined : live.data;
  const lines: Line[] = [
    ['Net result', figure(report, 'net_profit'), toNumber(stats?.net_pnl), 'money'],
    ['Trades', figure(report, 'trades'), stats?.trade_count ?? null, 'count'],
    ['Win rate', figure(report, 'win_rate'), toNumber(stats?.win_rate), 'percent'],
    ['Profit factor', figure(report, 'profit_factor'), toNumber(stats?.profit_factor), 'money'],
    ['Average trade', figure(report, 'average_trade'), toNumber(stats?.expectancy), 'money'],
    ['Average win', figure(report, 'average_win'), toNumber(stats?.average_win), 'money'],
    ['Average loss', figure(report, 'average_loss'), toNumber(stats?.average_loss), 'money'],
  ];
  return (
    <Card
      flush
      title="Backtest and live"
      hint={alike.length === 0 ? `no operation trades ${report.settings.asset}` : report.currency}
      actions={
        alike.length > 0 && (
          <Select
            aria-label="Live operation"
            className="w-56"
            value={id}
            onChange={(event) => setChosen(event.target.value)}
          >
            {alike.map((operation) => (
              <option key={operation.id} value={operation.id}>
                {operation.symbol} · {operation.strategy_name} · {operation.id.slice(-6)}
              </option>
            ))}
          </Select>
        )
      }
    >
      <table className="w-full">
        <thead>
          <tr className="text-xs text-muted">
            <th scope="col" className="h-8 px-3 text-left font-medium">
              Figure
            </th>
            <th scope="col" className="px-3 text-right font-medium">
              Backtest
            </th>
            <th scope="col" className="px-3 text-right font-medium">
              Live
            </th>
          </tr>
        </thead>
        <tbody>
          {lines.map(([name, tested, real, kind]) => (
            <tr key={name} className="border-t border-line">
              <th scope="row" className="h-[34px] px-3 text-left font-normal">
                {name}
              </th>
              <td className="num px-3 text-right">{shown(tested, kind)}</td>
              <td className="num px-3 text-right">{shown(real, kind)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Card>
  );
}
