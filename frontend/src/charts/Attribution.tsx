/** The notice that lightweight-charts asks for (its NOTICE file). */
export function Attribution() {
  return (
    <p className="px-3 py-1 text-2xs text-muted">
      TradingView Lightweight Charts™ · Copyright © 2025 TradingView, Inc. ·{' '}
      <a className="underline hover:text-text" href="https://www.tradingview.com/" target="_blank" rel="noreferrer">
        tradingview.com
      </a>
    </p>
  );
}
