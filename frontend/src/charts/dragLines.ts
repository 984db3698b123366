import type { IChartApi, IPriceLine, ISeriesApi } from 'lightweight-charts';
import type { ChartLine } from './CandleChart';

interface Drawn {
  line: ChartLine;
  drawn: IPriceLine;
}

/** How near the pointer must be, in pixels: a finger needs more than a mouse. */
const NEAR = { mouse: 6, touch: 16 };

/** Lets draggable lines be taken with the pointer and put elsewhere. `moved` is told once, at the end, on the grid;
 *  the line then goes back to where it was: it moves for good when the broker says so. Returns how to stop. */
export function dragLines(
  element: HTMLElement,
  chart: IChartApi,
  series: ISeriesApi<'Candlestick'>,
  lines: readonly Drawn[],
  tickSize: number,
  moved: (line: ChartLine, price: number) => void,
): () => void {
  let held: Drawn | null = null;
  let to = 0;

  const place = (event: PointerEvent) => event.clientY - element.getBoundingClientRect().top;
  const near = (event: PointerEvent): Drawn | undefined => {
    const reach = event.pointerType === 'touch' ? NEAR.touch : NEAR.mouse;
    return lines.find(({ line }) => {
      const at = line.draggable ? series.priceToCoordinate(line.price) : null;
      return at !== null && Math.abs(at - place(event)) <= reach;
    });
  };
  const scrolling = (enabled: boolean) => chart.applyOptions({ handleScroll: enabled, handleScale: enabled });

  const down = (event: PointerEvent) => {
    const found = near(event);
    if (!found || event.button !== 0) return;
    held = found;
    to = found.line.price;
    scrolling(false);
    element.setPointerCapture(event.pointerId);
    event.preventDefault();
  };
  const move = (event: PointerEvent) => {
    if (!held) {
      element.style.cursor = near(event) ? 'ns-resize' : '';
      return;
    }
    const price = series.coordinateToPrice(place(event));
    if (price === null) return;
    to = Math.round(price / tickSize) * tickSize;
    held.drawn.applyOptions({ price: to });
  };
  const up = (event: PointerEvent) => {
    if (!held) return;
    const { line, drawn } = held;
    held = null;
    scrolling(true);
    element.releasePointerCapture(event.pointerId);
    drawn.applyOptions({ price: line.price });
    if (Math.abs(to - line.price) >= tickSize / 2) moved(line, to);
  };
  const leave = () => {
    if (!held) return;
    held.drawn.applyOptions({ price: held.line.price });
    held = null;
    scrolling(true);
  };

  element.addEventListener('pointerdown', down, { capture: true });
  element.addEventListener('pointermove', move);
  element.addEventListener('pointerup', up);
  element.addEventListener('pointercancel', leave);
  return () => {
    leave();
    element.removeEventListener('pointerdown', down, { capture: true });
    element.removeEventListener('pointermove', move);
    element.removeEventListener('pointerup', up);
    element.removeEventListener('pointercancel', leave);
  };
}
