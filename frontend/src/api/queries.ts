import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query';
import { ALERT_TYPES } from '@/live/alerts';
import { getHealth, getJson, sendJson } from './client';
import type {
  Bar,
  Bars,
  Broker,
  Config,
  EquityPoint,
  InstrumentInfo,
  Integrity,
  JournalEntry,
  JournalPage,
  Note,
  Operation,
  OperationDetail,
  Order,
  Overall,
  Page,
  Position,
  Profile,
  RecoverPreview,
  SettingsAnswer,
  Signal,
  State,
  Statistics,
  StrategyInfo,
  Trade,
  TradeWhy,
  User,
} from './types';

/** Rows asked for at once. */
export const PAGE = 100;

type Filters = Record<string, string | number | boolean | undefined>;

/** A list in pages: the server sorts, filters and cuts; the next page begins where the last one ended. */
function pages<T>(key: readonly unknown[], path: string, filters: Filters = {}) {
  return infiniteQueryOptions({
    queryKey: [...key, filters],
    queryFn: ({ pageParam, signal }) =>
      getJson<Page<T>>(path, { ...filters, limit: PAGE, cursor: pageParam ?? undefined }, signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: keepPreviousData,
  });
}

// ---- the whole -----------------------------------------------------------------------------------------------------

export const health = () =>
  queryOptions({ queryKey: ['system', 'health'], queryFn: ({ signal }) => getHealth(signal) });
export const state = (at?: string | number) =>
  queryOptions({
    queryKey: at === undefined ? ['system', 'state'] : ['state', String(at)],
    queryFn: ({ signal }) => getJson<State>('/api/state', { at }, signal),
    placeholderData: keepPreviousData,
  });
export const profile = () =>
  queryOptions({ queryKey: ['profile'], queryFn: ({ signal }) => getJson<Profile>('/api/profile', {}, signal) });
export const config = () =>
  queryOptions({ queryKey: ['config'], queryFn: ({ signal }) => getJson<Config>('/api/config', {}, signal) });
export const overall = () =>
  queryOptions({
    queryKey: ['stats', 'overall'],
    queryFn: ({ signal }) => getJson<Overall>('/api/stats/overall', {}, signal),
  });
export const equityCurve = (operationId?: string) =>
  queryOptions({
    queryKey: ['equity', operationId ?? 'all'],
    queryFn: ({ signal }) =>
      getJson<{ by_currency: Record<string, EquityPoint[]> }>('/api/equity-curve', { operation: operationId }, signal),
  });

// ---- operations ----------------------------------------------------------------------------------------------------

export interface OperationFilters {
  status?: string | undefined;
  asset?: string | undefined;
  strategy?: string | undefined;
  sort?: string | undefined;
}

export const operations = (filters: OperationFilters = {}) =>
  pages<Operation>(['operations', 'pages'], '/api/operations', { ...filters });
export const activeOperations = () =>
  queryOptions({
    queryKey: ['operations', 'newest'],
    queryFn: ({ signal }) => getJson<Page<Operation>>('/api/operations', { limit: 200, sort: '-created_at' }, signal),
  });
export const paletteOperations = activeOperations;
export const operation = (id: string) =>
  queryOptions({
    queryKey: ['operation', id],
    queryFn: ({ signal }) => getJson<OperationDetail>(`/api/operations/${id}`, {}, signal),
  });
export const operationStats = (id: string) =>
  queryOptions({
    queryKey: ['operation', id, 'stats'],
    queryFn: ({ signal }) => getJson<Statistics & { currency: string }>(`/api/operations/${id}/stats`, {}, signal),
  });

export const operationOrders = (id: string) =>
  pages<Order>(['operation', id, 'orders'], `/api/operations/${id}/orders`);
export const operationTrades = (id: string) =>
  pages<Trade>(['operation', id, 'trades'], `/api/operations/${id}/trades`);
export const operationSignals = (id: string) =>
  pages<Signal>(['operation', id, 'signals'], `/api/operations/${id}/signals`);
export const operationNotes = (id: string) => pages<Note>(['operation', id, 'notes'], `/api/operations/${id}/notes`);
export const operationJournal = (id: string) =>
  pages<JournalEntry>(['operation', id, 'journal'], `/api/operations/${id}/journal`);
export const tradeWhy = (id: string) =>
  queryOptions({
    queryKey: ['trades', id, 'why'],
    queryFn: ({ signal }) => getJson<TradeWhy>(`/api/trades/${id}/why`, {}, signal),
  });

/** Bars in pages backwards: the newest first, older ones as they are scrolled to. */
export const bars = (id: string, size: string) =>
  infiniteQueryOptions({
    queryKey: ['bars', id, size],
    queryFn: ({ pageParam, signal }) =>
      getJson<Bars>(
        `/api/operations/${id}/bars`,
        { bar_size: size, limit: 500, before: pageParam ?? undefined },
        signal,
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    staleTime: Infinity,
  });

// ---- positions and orders over all operations ------------------------------------------------------------------------

export const openPositions = () =>
  queryOptions({
    queryKey: ['positions', 'open'],
    queryFn: ({ signal }) => getJson<Page<Position>>('/api/positions', { status: 'open', limit: 200 }, signal),
  });
export const recentTrades = () =>
  queryOptions({
    queryKey: ['trades', 'recent'],
    queryFn: ({ signal }) => getJson<Page<Trade>>('/api/trades', { limit: 50 }, signal),
  });
export const doubtfulOrders = () =>
  queryOptions({
    queryKey: ['orders', 'doubtful'],
    queryFn: ({ signal }) =>
      getJson<Page<Order>>('/api/orders', { status: ['NEEDS_OPERATOR', 'IN_DOUBT'], limit: 100 }, signal),
  });

// ---- the journal ---------------------------------------------------------------------------------------------------

export interface JournalFilters {
  type?: string | undefined;
  operation?: string | undefined;
}

export const journal = (filters: JournalFilters = {}) =>
  infiniteQueryOptions({
    queryKey: ['journal', filters],
    queryFn: ({ pageParam, signal }) =>
      getJson<JournalPage>(
        '/api/journal',
        { ...filters, order: 'desc', limit: PAGE, cursor: pageParam ?? undefined },
        signal,
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: keepPreviousData,
  });

export const entriesOf = (types: readonly string[], limit = 50) =>
  queryOptions({
    queryKey: ['recovery', 'entries', types, limit],
    queryFn: ({ signal }) => getJson<JournalPage>('/api/journal', { type: types, order: 'desc', limit }, signal),
  });

// ---- what an operation is made of --------------------------------------------------------------------------------------

export const strategies = () =>
  queryOptions({
    queryKey: ['strategies'],
    queryFn: ({ signal }) => getJson<{ items: StrategyInfo[] }>('/api/strategies', {}, signal),
    staleTime: 600_000,
  });
export const instruments = (query: string) =>
  queryOptions({
    queryKey: ['instruments', query],
    queryFn: ({ signal }) => getJson<{ items: InstrumentInfo[] }>('/api/instruments', { query }, signal),
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  });

export const recoverPreview = (id: string, seq: number) =>
  queryOptions({
    queryKey: ['recoverPreview', id, seq],
    queryFn: ({ signal }) => sendJson<RecoverPreview>('POST', `/api/operations/${id}/recover-preview`, { signal }),
    placeholderData: keepPreviousData,
  });
export const alertEntries = () =>
  queryOptions({
    queryKey: ['alerts'],
    queryFn: ({ signal }) =>
      getJson<JournalPage>('/api/journal', { type: ALERT_TYPES, order: 'desc', limit: 100 }, signal),
  });
export const chain = (correlation: number) =>
  queryOptions({
    queryKey: ['chain', correlation],
    queryFn: ({ signal }) =>
      getJson<JournalPage>('/api/journal', { correlation, from: correlation, limit: 100 }, signal),
  });
export const integrity = () =>
  queryOptions({
    queryKey: ['integrity'],
    queryFn: ({ signal }) => getJson<Integrity>('/api/journal/verify', { last: 1000 }, signal),
    staleTime: 60_000,
  });
/** The entries around one, newest first. */
export const around = (at: number) =>
  queryOptions({
    queryKey: ['journal', 'around', at],
    queryFn: ({ signal }) =>
      getJson<JournalPage>(
        '/api/journal',
        { from: Math.max(1, at - 50), to: at + 50, order: 'desc', limit: 101 },
        signal,
      ),
    placeholderData: keepPreviousData,
  });
export const entry = (at: number) =>
  queryOptions({
    queryKey: ['entry', at],
    queryFn: ({ signal }) => getJson<JournalEntry>(`/api/journal/${at}`, {}, signal),
    placeholderData: keepPreviousData,
    staleTime: Infinity,
  });
/** What the journal says of one order, oldest first. */
export const orderEntries = (order: Order) =>
  queryOptions({
    queryKey: ['recovery', 'order', order.id, order.sequence_number],
    queryFn: async ({ signal }) => {
      const page = await getJson<JournalPage>(`/api/operations/${order.operation_id}/journal`, { limit: 500 }, signal);
      return page.items
        .filter(
          (entry) =>
            entry.action_data['client_order_id'] === order.client_order_id ||
            (entry.action_type === 'SIGNAL_GENERATED' && entry.sequence_number === order.correlation_id),
        )
        .reverse();
    },
  });
export const history = (instrument: string, timeframe: string) =>
  queryOptions({
    queryKey: ['history', instrument, timeframe],
    queryFn: ({ signal }) =>
      getJson<{ items: Bar[] }>('/api/historical-data', { instrument, timeframe, limit: 500 }, signal),
    staleTime: 30_000,
  });
export const settings = () =>
  queryOptions({
    queryKey: ['settings'],
    queryFn: ({ signal }) => getJson<SettingsAnswer>('/api/settings', {}, signal),
  });
export const users = () =>
  queryOptions({ queryKey: ['users'], queryFn: ({ signal }) => getJson<{ items: User[] }>('/api/users', {}, signal) });
export const brokers = () =>
  queryOptions({
    queryKey: ['brokers'],
    queryFn: ({ signal }) => getJson<{ items: Broker[] }>('/api/brokers', {}, signal),
  });
