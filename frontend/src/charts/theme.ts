import { useEffect, useState } from 'react';

export interface ChartColours {
  surface: string;
  text: string;
  muted: string;
  line: string;
  accent: string;
  up: string;
  down: string;
  warn: string;
  candleUp: string;
  candleDown: string;
}

function read(): ChartColours {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim() || '#888888';
  return {
    surface: colour('surface'),
    text: colour('text'),
    muted: colour('muted'),
    line: colour('line'),
    accent: colour('accent'),
    up: colour('up'),
    down: colour('down'),
    warn: colour('warn'),
    candleUp: colour('candle-up'),
    candleDown: colour('candle-down'),
  };
}

/** The colours of the theme in force, for what is drawn on a canvas. */
export function useChartColours(): ChartColours {
  const [colours, setColours] = useState(read);
  useEffect(() => {
    const observer = new MutationObserver(() => setColours(read()));
    observer.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    return () => observer.disconnect();
  }, []);
  return colours;
}
