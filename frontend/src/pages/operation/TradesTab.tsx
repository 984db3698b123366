import { useInfiniteQuery } from '@tanstack/react-query';
import { HelpCircle } from 'lucide-react';
import { operationTrades } from '@/api/queries';
import type { Operation, Trade } from '@/api/types';
import { duration, exactly, moment, price, quantity, words } from '@/lib/format';
import { SideBadge } from '@/ui/Badge';
import { Button } from '@/ui/Button';
import { DataTable, type Column } from '@/ui/DataTable';
import { moreOf, rowsOf } from '@/ui/More';
import { Pnl } from '@/ui/Numbers';
import { Empty, ErrorNote } from '@/ui/States';
import { gridOf } from './facts';

export function tradeColumns(onTrade: (id: string) => void, decimals?: number): Column<Trade>[] {
  return [
    {
      id: 'exit',
      header: 'Closed',
      cell: (trade) => (
        <time title={exactly(trade.exit_time)} className="num text-soft">
          {moment(trade.exit_time)}
        </time>
      ),
    },
    {
      id: 'what',
      header: 'Trade',
      cell: (trade) => (
        <span className="num">
          {decimals === undefined && <b className="font-medium">{trade.symbol} </b>}
          <SideBadge side={trade.position_type} /> {quantity(trade.quantity)}
        </span>
      ),
    },
    {
      id: 'prices',
      header: 'In → out',
      from: 'sm',
      align: 'right',
      cell: (trade) => (
        <span className="num">{`${price(trade.entry_price, decimals)} → ${price(trade.exit_price, decimals)}`}</span>
      ),
    },
    {
      id: 'how',
      header: 'By',
      from: 'md',
      cell: (trade) => <span title={trade.exit_reason}>{words(trade.exit_purpose)}</span>,
    },
    {
      id: 'long',
      header: 'Lasted',
      from: 'lg',
      align: 'right',
      cell: (trade) => <span className="num">{duration(trade.duration_seconds)}</span>,
    },
    {
      id: 'pnl',
      header: 'Net result',
      align: 'right',
      cell: (trade) => <Pnl value={trade.net_pnl} currency={trade.currency} />,
    },
    {
      id: 'why',
      header: <span className="sr-only">Why</span>,
      align: 'right',
      cell: (trade) => (
        <Button
          size="sm"
          kind="quiet"
          icon={<HelpCircle />}
          onClick={(event) => {
            event.stopPropagation();
            onTrade(trade.id);
          }}
          aria-label={`Why this trade of ${trade.symbol}, closed ${moment(trade.exit_time)}`}
        >
          Why
        </Button>
      ),
    },
  ];
}

export function TradesTab({ operation, onTrade }: { operation: Operation; onTrade: (id: string) => void }) {
  const found = useInfiniteQuery(operationTrades(operation.id));
  return (
    <>
      <ErrorNote error={found.error} retry={() => void found.refetch()} className="m-3" />
      <DataTable
        label="Trades"
        columns={tradeColumns(onTrade, gridOf(operation).decimals)}
        rows={rowsOf(found)}
        rowId={(trade) => trade.id}
        onRowClick={(trade) => onTrade(trade.id)}
        loading={found.isPending}
        more={moreOf(found)}
        empty={
          <Empty title="No completed trade yet">
            A trade is an entry with its exit. Each can be asked why it came about.
          </Empty>
        }
      />
    </>
  );
}
