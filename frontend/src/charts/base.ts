import { ColorType, CrosshairMode, LineStyle, type ChartOptions, type DeepPartial } from 'lightweight-charts';
import type { ChartColours } from './theme';

/** Options that all charts share. The attribution is a link of ours beneath the chart: the library's own adds a <style>
 *  element, which the content security policy refuses. */
export function chartOptions(colours: ChartColours): DeepPartial<ChartOptions> {
  return {
    autoSize: true,
    layout: {
      background: { type: ColorType.Solid, color: colours.surface },
      textColor: colours.muted,
      fontFamily: getComputedStyle(document.body).fontFamily,
      fontSize: 11,
      attributionLogo: false,
    },
    grid: {
      vertLines: { color: colours.line, style: LineStyle.Dotted },
      horzLines: { color: colours.line, style: LineStyle.Dotted },
    },
    crosshair: { mode: CrosshairMode.Normal },
    rightPriceScale: { borderColor: colours.line },
    timeScale: { borderColor: colours.line, timeVisible: true, secondsVisible: true, rightOffset: 6 },
    localization: { locale: 'en-GB' },
  };
}
