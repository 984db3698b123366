import type { QueryClient } from '@tanstack/react-query';
import type { JournalEntry, MarkMessage, Operation, Page, Position } from '@/api/types';

/** What of the server's state an entry changes, as beginnings of query keys. Marks and prices are patched, not read. */
export function changedBy(entry: JournalEntry): readonly (readonly string[])[] {
  const type = entry.action_type;
  const keys: (readonly string[])[] = [];
  if (entry.operation_id !== null) {
    const id = entry.operation_id;
    if (type === 'NOTE_ADDED') return [['operation', id, 'notes']];
    keys.push(['operations'], ['operation', id]);
    if (/^ORDER_FILLED$|^FILL_|^COMMISSION/.test(type)) keys.push(['stats'], ['equity'], ['trades']);
    if (/^ORDER|^FILL|^PROTECTION/.test(type)) keys.push(['positions'], ['orders']);
    if (type.startsWith('POSITION') || type.startsWith('OPERATION')) keys.push(['positions'], ['stats']);
  }
  if (/^RECOVERY|^ENGINE|^POSITION_DISCREPANCY|^ORDER_IN_DOUBT|^ORDER_NEEDS|^ORDER_NOT_PLACED/.test(type)) {
    keys.push(['recovery'], ['orders']);
  }
  if (/^ENGINE|^BROKER|^KILL|^CIRCUIT|^RECOVERY|^MARKET_DATA/.test(type)) keys.push(['system']);
  if (type === 'SETTINGS_CHANGED') keys.push(['settings'], ['brokers'], ['system']);
  if (type === 'USER_CHANGED') keys.push(['users']);
  return keys;
}

type WithItems<T> = { items: T[] } | { pages: Page<T>[] } | undefined;

function mapRows<T>(data: WithItems<T>, change: (row: T) => T): WithItems<T> {
  if (data === undefined) return data;
  if ('pages' in data)
    return { ...data, pages: data.pages.map((page) => ({ ...page, items: page.items.map(change) })) };
  if ('items' in data && Array.isArray(data.items)) return { ...data, items: data.items.map(change) };
  return data;
}

/** Put positions' new values into every answer that shows them. */
export function patchMarks(client: QueryClient, marks: ReadonlyMap<string, MarkMessage>): void {
  const ofPosition = (row: Position): Position => {
    const mark = marks.get(row.id);
    if (!mark || row.status !== 'open') return row;
    const { current_price, unrealized_pnl, unrealized_pnl_pct, priced_at, marked_at } = mark;
    return { ...row, current_price, unrealized_pnl, unrealized_pnl_pct, priced_at, marked_at };
  };
  const ofOperation = <T extends Operation>(row: T): T => {
    const mark = row.position_id === null ? undefined : marks.get(row.position_id);
    return mark ? { ...row, unrealized_pnl: mark.unrealized_pnl } : row;
  };
  client.setQueriesData<WithItems<Position>>({ queryKey: ['positions'] }, (data) => mapRows(data, ofPosition));
  client.setQueriesData<WithItems<Operation>>({ queryKey: ['operations'] }, (data) => mapRows(data, ofOperation));
  for (const mark of marks.values()) {
    client.setQueryData<Operation & { positions: Position[] }>(['operation', mark.operation_id], (data) =>
      data ? { ...ofOperation(data), positions: data.positions.map(ofPosition) } : data,
    );
  }
}

/**
 * Reads are behind the journal by a moment: what an entry changed is read again once the server says that reads show
 * it. Many entries at once lead to one reading.
 */
export class Freshener {
  private readonly dirty = new Map<string, { key: readonly string[]; seq: number }>();
  private shown = 0;

  constructor(private readonly client: QueryClient) {}

  note(entry: JournalEntry): void {
    for (const key of changedBy(entry)) this.dirty.set(key.join('/'), { key, seq: entry.sequence_number });
    // Reads may show an entry before this socket tells of it.
    if (entry.sequence_number <= this.shown) this.reached(this.shown);
  }

  reached(seq: number): void {
    this.shown = Math.max(this.shown, seq);
    for (const [name, what] of this.dirty) {
      if (what.seq > seq) continue;
      this.dirty.delete(name);
      void this.client.invalidateQueries({ queryKey: what.key });
    }
  }

  get waiting(): number {
    return this.dirty.size;
  }
}
