import { useSyncExternalStore } from 'react';
import type { TickMessage } from '@/api/types';

/** The last price of everything that is followed, outside React: a price redraws only what shows it. */
export interface Quote extends TickMessage {
  /** When it came here, by this machine's clock. */
  heardAt: number;
}

const quotes = new Map<string, Quote>();
const listeners = new Map<string, Set<(quote: Quote) => void>>();

const keyOf = (broker: string, symbol: string) => `${broker}|${symbol}`;

export function putQuote(tick: TickMessage, heardAt = Date.now()): void {
  const key = keyOf(tick.broker, tick.symbol);
  const quote = { ...tick, heardAt };
  quotes.set(key, quote);
  for (const listener of listeners.get(key) ?? []) listener(quote);
}

export const quoteOf = (broker: string, symbol: string): Quote | undefined => quotes.get(keyOf(broker, symbol));

/** Be told each price of a symbol. Returns how to stop. */
export function onQuote(broker: string, symbol: string, listener: (quote: Quote) => void): () => void {
  const key = keyOf(broker, symbol);
  const group = listeners.get(key) ?? new Set();
  listeners.set(key, group);
  group.add(listener);
  return () => {
    group.delete(listener);
    if (group.size === 0) listeners.delete(key);
  };
}

export function useQuote(broker: string, symbol: string): Quote | undefined {
  return useSyncExternalStore(
    (changed) => onQuote(broker, symbol, changed),
    () => quoteOf(broker, symbol),
  );
}

export function forgetQuotes(): void {
  quotes.clear();
}
