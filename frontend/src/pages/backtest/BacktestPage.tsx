import { useQuery } from '@tanstack/react-query';
import { FileUp, Scale } from 'lucide-react';
import { lazy, Suspense, useMemo, useRef, useState } from 'react';
import { activeOperations } from '@/api/queries';
import { chartTime } from '@/charts/time';
import { exactly, integer, price, quantity, words } from '@/lib/format';
import { shown } from '@/lib/shown';
import { SideBadge } from '@/ui/Badge';
import { Button } from '@/ui/Button';
import { Card, Facts, PageTitle } from '@/ui/Card';
import { DataTable, type Column } from '@/ui/DataTable';
import { Pnl } from '@/ui/Numbers';
import { Empty, ErrorNote, Loading } from '@/ui/States';
import { Command } from './Command';
import { Comparison } from './Comparison';
import { readReport, type BacktestReport } from './report';

const LineChart = lazy(async () => ({ default: (await import('@/charts/LineChart')).LineChart }));
const MOST_BYTES = 50_000_000;

type Row = BacktestReport['trades'][number];

const columns: Column<Row>[] = [
  {
    id: 'exit',
    header: 'Closed',
    cell: (row) => (
      <time className="num text-soft" title={exactly(row.exit_time)}>
        {exactly(row.exit_time).slice(0, 19)}
      </time>
    ),
  },
  {
    id: 'what',
    header: 'Trade',
    cell: (row) => (
      <span className="num">
        <SideBadge side={row.side} /> {quantity(row.quantity)}
      </span>
    ),
  },
  {
    id: 'prices',
    header: 'In → out',
    align: 'right',
    from: 'sm',
    cell: (row) => <span className="num">{`${price(row.entry_price)} → ${price(row.exit_price)}`}</span>,
  },
  { id: 'by', header: 'By', from: 'md', cell: (row) => <span title={row.reason}>{words(row.exit)}</span> },
  { id: 'net', header: 'Net result', align: 'right', cell: (row) => <Pnl value={row.net_profit} /> },
];

/** A strategy over recorded data: made with the engine that trades live, looked at and compared here. */
export default function BacktestPage() {
  const [report, setReport] = useState<BacktestReport | null>(null);
  const [error, setError] = useState<unknown>(null);
  const operations = useQuery(activeOperations());
  const chooser = useRef<HTMLInputElement>(null);
  const points = useMemo(
    () => report?.equity.map(([time, value]) => ({ time: chartTime(time), value })) ?? [],
    [report],
  );

  const read = async (file: File | undefined) => {
    if (!file) return;
    setError(null);
    try {
      if (file.size > MOST_BYTES) throw new Error('This file is larger than any report: 50 MB at most.');
      setReport(readReport(await file.text()));
    } catch (failure) {
      setError(failure);
    }
  };

  return (
    <>
      <PageTitle title="Backtest" hint="On recorded data, and against live">
        <input
          ref={chooser}
          type="file"
          accept=".json,application/json"
          aria-label="A backtest's report"
          className="sr-only"
          tabIndex={-1}
          onChange={(event) => {
            void read(event.target.files?.[0]);
            event.target.value = '';
          }}
        />
        <Button kind={report ? 'plain' : 'primary'} icon={<FileUp />} onClick={() => chooser.current?.click()}>
          Open a report
        </Button>
      </PageTitle>
      <ErrorNote error={error} className="mb-3" />
      <div className="flex flex-col gap-3">
        <Command operations={operations.data?.items ?? []} />
        {report === null ? (
          <Card label="Report">
            <Empty icon={<Scale />} title="No report is open">
              Run the command above where the data is, then open what it wrote. The report is read in this browser and
              sent nowhere.
            </Empty>
          </Card>
        ) : (
          <>
            <div className="grid gap-3 xl:grid-cols-[minmax(0,1fr)_22rem]">
              <Card
                flush
                title="Equity"
                hint={`${report.settings.strategy_name} on ${report.settings.asset}, ${report.settings.primary_bar_size}`}
                className="h-80"
              >
                <Suspense fallback={<Loading />}>
                  <LineChart label="Equity of the backtest" points={points} className="flex h-full flex-col" />
                </Suspense>
              </Card>
              <Card title="What was run">
                <Facts
                  rows={[
                    ['Data', report.source],
                    ['From', exactly(report.first).slice(0, 16)],
                    ['To', exactly(report.last).slice(0, 16)],
                    [report.ticks ? 'Ticks' : 'Bars', integer(report.ticks || report.bars)],
                    ['Quantity', quantity(report.settings.quantity)],
                    ...Object.entries(report.settings.strategy_config).map(
                      ([name, value]) => [words(name), shown(value)] as const,
                    ),
                  ]}
                />
              </Card>
            </div>
            <Comparison report={report} operations={operations.data?.items ?? []} />
            <Card flush title="Trades of the backtest" hint={`${report.trades.length}`}>
              <DataTable
                label="Trades of the backtest"
                columns={columns}
                rows={[...report.trades].reverse()}
                rowId={(row) => `${row.entry_time} ${row.exit_time} ${row.quantity} ${row.exit_price}`}
                empty={<Empty title="It did not trade" />}
              />
            </Card>
          </>
        )}
      </div>
    </>
  );
}
