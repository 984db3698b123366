import {
  CandlestickSeries,
  createChart,
  createSeriesMarkers,
  LineStyle,
  type CandlestickData,
  type IChartApi,
  type ISeriesApi,
  type ISeriesMarkersPluginApi,
  type SeriesMarker,
  type Time,
} from 'lightweight-charts';
import { useEffect, useRef } from 'react';
import { price as showPrice } from '@/lib/format';
import { Attribution } from './Attribution';
import { chartOptions } from './base';
import { dragLines } from './dragLines';
import { useChartColours } from './theme';

export interface ChartLine {
  id: string;
  kind: 'entry' | 'stop' | 'target' | 'order' | 'last';
  price: number;
  title: string;
  draggable: boolean;
}

export interface ChartMarker {
  id: string;
  time: Time;
  kind: 'buy' | 'sell' | 'refused';
  text: string;
}

export type Candle = CandlestickData;

interface CandleChartProps {
  label: string;
  candles: readonly Candle[];
  lines: readonly ChartLine[];
  markers: readonly ChartMarker[];
  tickSize: number;
  decimals: number;
  /** Hands over a function that puts the last bar in place, as often as it likes; returns how to stop. */
  live?: (put: (candle: Candle) => void) => () => void;
  onOlder?: () => void;
  onMarker?: (id: string) => void;
  onDrag?: (line: ChartLine, price: number) => void;
  className?: string;
}

const dashed: Record<ChartLine['kind'], LineStyle> = {
  entry: LineStyle.Solid,
  stop: LineStyle.Solid,
  target: LineStyle.Solid,
  order: LineStyle.Dashed,
  last: LineStyle.Dotted,
};

/** Candles with what rests at them. The last bar is put in place without React: as fast as it comes. */
export function CandleChart(props: CandleChartProps) {
  const { label, candles, lines, markers, tickSize, decimals, live, className } = props;
  const colours = useChartColours();
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<IChartApi>(null);
  const series = useRef<ISeriesApi<'Candlestick'>>(null);
  const marks = useRef<ISeriesMarkersPluginApi<Time>>(null);
  const handlers = useRef(props);
  const newest = useRef(0);
  useEffect(() => {
    handlers.current = props;
  });

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const made = createChart(element, chartOptions(colours));
    const candlestick = made.addSeries(CandlestickSeries, {
      upColor: colours.candleUp,
      borderUpColor: colours.candleUp,
      wickUpColor: colours.candleUp,
      downColor: colours.candleDown,
      borderDownColor: colours.candleDown,
      wickDownColor: colours.candleDown,
      priceFormat: { type: 'price', precision: decimals, minMove: tickSize },
    });
    chart.current = made;
    series.current = candlestick;
    marks.current = createSeriesMarkers(candlestick, []);
    made.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      if (range && range.from < 20) handlers.current.onOlder?.();
    });
    made.subscribeClick((click) => {
      const id = click.hoveredInfo?.objectId;
      if (typeof id === 'string') handlers.current.onMarker?.(id);
    });
    return () => {
      chart.current = null;
      series.current = null;
      made.remove();
    };
    // The chart is made anew with the theme and the instrument's grid; all else is put into it below.
  }, [colours, decimals, tickSize]);

  useEffect(() => {
    const target = series.current;
    if (!target) return;
    target.setData([...candles]);
    newest.current = Number(candles.at(-1)?.time ?? 0);
  }, [candles, colours, decimals, tickSize]);

  useEffect(() => {
    const colour = { buy: colours.up, sell: colours.down, refused: colours.warn };
    const shape = { buy: 'arrowUp', sell: 'arrowDown', refused: 'circle' } as const;
    const first = Number(candles[0]?.time ?? Infinity);
    const shown = markers.filter((marker) => Number(marker.time) >= first);
    marks.current?.setMarkers(
      shown.map((marker): SeriesMarker<Time> => ({
        id: marker.id,
        time: marker.time,
        position: marker.kind === 'buy' ? 'belowBar' : 'aboveBar',
        shape: shape[marker.kind],
        color: colour[marker.kind],
        text: marker.text,
      })),
    );
  }, [markers, candles, colours, decimals, tickSize]);

  useEffect(() => {
    const target = series.current;
    const element = box.current;
    if (!target || !element || !chart.current) return;
    const colour = {
      entry: colours.accent,
      stop: colours.down,
      target: colours.up,
      order: colours.warn,
      last: colours.muted,
    };
    const drawn = lines.map((line) => ({
      line,
      drawn: target.createPriceLine({
        id: line.id,
        price: line.price,
        color: colour[line.kind],
        lineWidth: line.draggable ? 2 : 1,
        lineStyle: dashed[line.kind],
        axisLabelVisible: true,
        title: line.draggable ? `⇕ ${line.title}` : line.title,
      }),
    }));
    const stop = dragLines(element, chart.current, target, drawn, tickSize, (line, at) =>
      handlers.current.onDrag?.(line, at),
    );
    return () => {
      stop();
      if (series.current === target) for (const each of drawn) target.removePriceLine(each.drawn);
    };
  }, [lines, colours, decimals, tickSize]);

  useEffect(() => {
    if (!live) return;
    return live((candle) => {
      const time = Number(candle.time);
      if (time < newest.current) return;
      newest.current = time;
      series.current?.update(candle);
    });
  }, [live, candles, colours, decimals, tickSize]);

  const last = candles.at(-1);
  return (
    <figure className={className} aria-label={label}>
      <div ref={box} className="h-full min-h-0 w-full" data-testid="candles" />
      <figcaption className="sr-only">
        {candles.length} bars{last && `, the last closed at ${showPrice(last.close, decimals)}`}.
        {lines.map((line) => ` ${line.title} at ${showPrice(line.price, decimals)}.`)}
      </figcaption>
      <Attribution />
    </figure>
  );
}
