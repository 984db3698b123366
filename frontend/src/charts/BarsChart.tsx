import { Bar, BarChart, CartesianGrid, ReferenceLine, ResponsiveContainer, Tooltip, XAxis, YAxis } from 'recharts';
import { money } from '@/lib/format';
import { useChartColours } from './theme';

export interface BarPoint {
  name: string;
  value: number;
  /** Which side of nothing it is on, where the value itself does not tell. */
  good?: boolean;
}

interface BarsChartProps {
  label: string;
  points: readonly BarPoint[];
  unit: string;
  whole?: boolean;
  className?: string;
}

/** Profit and loss by day, and the distribution of results. */
export function BarsChart({ label, points, unit, whole, className }: BarsChartProps) {
  const colours = useChartColours();
  const shown = (value: number) => (whole ? String(value) : money(value, { digits: Math.abs(value) >= 1000 ? 0 : 2 }));
  return (
    <figure className={className} aria-label={label}>
      <ResponsiveContainer width="100%" height="100%">
        <BarChart
          data={points.map((point) => ({
            ...point,
            fill: (point.good ?? point.value >= 0) ? colours.candleUp : colours.candleDown,
          }))}
          margin={{ top: 8, right: 12, bottom: 0, left: 4 }}
          accessibilityLayer={false}
        >
          <CartesianGrid stroke={colours.line} vertical={false} />
          <XAxis
            dataKey="name"
            tick={{ fill: colours.muted, fontSize: 11 }}
            tickLine={false}
            axisLine={{ stroke: colours.line }}
            minTickGap={24}
          />
          <YAxis
            tick={{ fill: colours.muted, fontSize: 11 }}
            tickLine={false}
            axisLine={false}
            width={56}
            tickFormatter={shown}
            allowDecimals={!whole}
          />
          <Tooltip
            cursor={{ fill: colours.line, opacity: 0.4 }}
            contentStyle={{
              background: colours.surface,
              borderColor: colours.line,
              color: colours.text,
              borderRadius: 8,
            }}
            itemStyle={{ color: colours.text }}
            formatter={(value) => [`${shown(Number(value))} ${unit}`, '']}
            separator=""
          />
          <ReferenceLine y={0} stroke={colours.muted} />
          <Bar dataKey="value" isAnimationActive={false} maxBarSize={28} radius={[2, 2, 0, 0]} />
        </BarChart>
      </ResponsiveContainer>
      <figcaption className="sr-only">
        <table>
          <tbody>
            {points.map((point) => (
              <tr key={point.name}>
                <th scope="row">{point.name}</th>
                <td>{`${shown(point.value)} ${unit}`}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </figcaption>
    </figure>
  );
}
