import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useMemo, useState } from 'react';
import { bars as barsQuery, operationSignals, operationTrades } from '@/api/queries';
import type { Bar, Bars, OperationDetail, Position } from '@/api/types';
import { chartTime } from '@/charts/time';
import { CandleChart, type Candle, type ChartLine } from '@/charts/CandleChart';
import { lineOfOrder, markersOf } from '@/charts/marks';
import { toNumber } from '@/lib/format';
import { liveBars } from '@/live/bars';
import { socketProtocols } from '@/live/feed';
import { LiveSocket } from '@/live/socket';
import { useMay } from '@/stores/session';
import { Freshness } from '@/ui/Freshness';
import { useQuote } from '@/live/quotes';
import { Segmented } from '@/ui/Segmented';
import { Empty, ErrorNote, Loading } from '@/ui/States';
import type { Move } from './MoveProtection';
import { gridOf } from './facts';

interface OperationChartProps {
  operation: OperationDetail;
  position: Position | null;
  onMove: (move: Move) => void;
  onTrade: (id: string) => void;
}

const candleOf = (bar: Bar): Candle => ({
  time: chartTime(bar.timestamp),
  open: Number(bar.open),
  high: Number(bar.high),
  low: Number(bar.low),
  close: Number(bar.close),
});

/** Closed bars are told on the operation's own socket, and put at the end of what was read. */
function useClosedBars(id: string): void {
  const client = useQueryClient();
  useEffect(() => {
    let lost = false;
    const socket = new LiveSocket({
      path: `/ws/operations/${id}`,
      contiguous: false,
      protocols: socketProtocols,
      onState: (state) => {
        if (state === 'offline') lost = true;
        else if (lost) {
          lost = false; // bars are not told again: what was missed is read
          void client.invalidateQueries({ queryKey: ['bars', id] });
        }
      },
      onMessage: (message) => {
        if (message.type !== 'bar') return;
        client.setQueryData<{ pages: Bars[]; pageParams: unknown[] }>(['bars', id, message.bar.bar_size], (data) => {
          const [newest, ...older] = data?.pages ?? [];
          if (!data || !newest) return data;
          const rest = newest.items.filter(({ timestamp }) => timestamp < message.bar.timestamp);
          return { ...data, pages: [{ ...newest, items: [...rest, message.bar] }, ...older] };
        });
      },
    });
    socket.start();
    return () => socket.stop();
  }, [id, client]);
}

export default function OperationChart({ operation, position, onMove, onTrade }: OperationChartProps) {
  const [size, setSize] = useState(operation.primary_bar_size);
  const mayTrade = useMay('trader');
  const { tick, decimals } = gridOf(operation);
  const found = useInfiniteQuery(barsQuery(operation.id, size));
  const trades = useInfiniteQuery(operationTrades(operation.id));
  const signals = useInfiniteQuery(operationSignals(operation.id));
  const quote = useQuote(operation.broker, operation.symbol);
  useClosedBars(operation.id);

  const candles = useMemo(
    () => [...(found.data?.pages ?? [])].reverse().flatMap((page) => page.items.map(candleOf)),
    [found.data],
  );
  const last = candles.at(-1);
  const live = useMemo(
    () => liveBars(operation.broker, operation.symbol, size, last),
    [operation.broker, operation.symbol, size, last],
  );

  const { working_orders: orders } = operation;
  const lines = useMemo(() => {
    const level = (id: string, kind: ChartLine['kind'], title: string, at: string | null | undefined): ChartLine[] => {
      const value = toNumber(at);
      return value === null
        ? []
        : [{ id, kind, title, price: value, draggable: mayTrade && (kind === 'stop' || kind === 'target') }];
    };
    return [
      ...level('entry', 'entry', 'Entry', position?.entry_price),
      ...level('STOP_LOSS', 'stop', 'Stop', position?.stop_loss),
      ...level('TAKE_PROFIT', 'target', 'Target', position?.take_profit),
      ...orders.flatMap(lineOfOrder),
    ];
  }, [position?.entry_price, position?.stop_loss, position?.take_profit, orders, mayTrade]);

  const markers = useMemo(() => {
    const times = candles.map(({ time }) => Number(time));
    return markersOf(
      trades.data?.pages.flatMap(({ items }) => items) ?? [],
      signals.data?.pages.flatMap(({ items }) => items) ?? [],
      position,
      times,
    );
  }, [trades.data, signals.data, position, candles]);

  return (
    <div className="flex h-full flex-col">
      <div className="flex min-h-10 flex-wrap items-center gap-2 border-b border-line px-2 py-1">
        <Segmented
          label="Bar size"
          value={size}
          onChange={setSize}
          options={operation.bar_sizes.map((each) => ({ value: each, label: each }))}
        />
        <span className="ml-auto inline-flex items-center gap-3 text-xs text-muted">
          {mayTrade && position !== null && (
            <span className="hidden sm:inline">Drag a stop or target line to move it</span>
          )}
          <Freshness at={quote?.heardAt} />
        </span>
      </div>
      {found.isPending ? (
        <Loading rows={8} />
      ) : found.isError && candles.length === 0 ? (
        <div className="p-3">
          <ErrorNote error={found.error} retry={() => void found.refetch()} />
        </div>
      ) : candles.length === 0 && quote === undefined ? (
        <Empty title="No bar has closed yet">
          The first {size} bar appears when it closes; prices are followed until then.
        </Empty>
      ) : (
        <CandleChart
          className="flex min-h-0 flex-1 flex-col"
          label={`${operation.symbol}, ${size} bars`}
          candles={candles}
          lines={lines}
          markers={markers}
          tickSize={tick}
          decimals={decimals}
          live={live}
          onOlder={() => {
            if (found.hasNextPage && !found.isFetching) void found.fetchNextPage();
          }}
          onMarker={(id) => {
            if (id.startsWith('trade:')) onTrade(id.split(':')[1] ?? '');
          }}
          onDrag={(line, to) => {
            const kind = line.id === 'STOP_LOSS' ? 'STOP_LOSS' : 'TAKE_PROFIT';
            onMove({ kind, from: String(line.price), to });
          }}
        />
      )}
    </div>
  );
}
