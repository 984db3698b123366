import { AreaSeries, createChart, LineSeries, LineStyle, type Time } from 'lightweight-charts';
import { useEffect, useRef } from 'react';
import { money } from '@/lib/format';
import { Attribution } from './Attribution';
import { chartOptions } from './base';
import { useChartColours } from './theme';

export interface Point {
  time: Time;
  value: number;
}

interface LineChartProps {
  label: string;
  points: readonly Point[];
  /** A second line to compare with. */
  other?: { name: string; points: readonly Point[] };
  /** Losses below zero, in the loss's colour: for drawdown. */
  kind?: 'equity' | 'drawdown';
  className?: string;
}

/** Times in order, one point each: of several at one second the last. */
const inOrder = (points: readonly Point[]): Point[] => {
  const byTime = new Map(points.map((point) => [Number(point.time), point]));
  return [...byTime.values()].sort((a, b) => Number(a.time) - Number(b.time));
};

/** Money over time. */
export function LineChart({ label, points, other, kind = 'equity', className }: LineChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const colours = useChartColours();
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const chart = createChart(element, {
      ...chartOptions(colours),
      grid: { vertLines: { visible: false }, horzLines: { color: colours.line, style: LineStyle.Dotted } },
      timeScale: {
        borderColor: colours.line,
        timeVisible: true,
        rightOffset: 0,
        fixLeftEdge: true,
        fixRightEdge: true,
      },
      localization: { priceFormatter: (value: number) => money(value, { digits: Math.abs(value) >= 10_000 ? 0 : 2 }) },
      handleScroll: false,
      handleScale: false,
    });
    const colour = kind === 'drawdown' ? colours.candleDown : colours.accent;
    const main = chart.addSeries(AreaSeries, {
      lineColor: colour,
      topColor: `${colour}${kind === 'drawdown' ? '00' : '40'}`,
      bottomColor: `${colour}${kind === 'drawdown' ? '50' : '00'}`,
      invertFilledArea: kind === 'drawdown',
      lineWidth: 2,
      priceLineVisible: false,
    });
    main.setData(inOrder(points));
    if (other) {
      const second = chart.addSeries(LineSeries, {
        color: colours.warn,
        lineWidth: 2,
        title: other.name,
        priceLineVisible: false,
      });
      second.setData(inOrder(other.points));
    }
    chart.timeScale().fitContent();
    return () => chart.remove();
  }, [points, other, kind, colours]);
  const last = points.at(-1);
  return (
    <figure className={className} aria-label={label}>
      <div ref={box} className="h-full min-h-0 w-full" />
      <figcaption className="sr-only">
        {points.length} points{last && `, the last is ${money(last.value)}`}.
      </figcaption>
      <Attribution />
    </figure>
  );
}
