import { QueryClient } from '@tanstack/react-query';
import { describe, expect, it, vi } from 'vitest';
import type { Candle } from '@/charts/CandleChart';
import { chartTime } from '@/charts/time';
import { liveBars, barSeconds } from '@/live/bars';
import { alertOf } from '@/live/alerts';
import { changedBy, Freshener, patchMarks } from '@/live/patch';
import { forgetQuotes, putQuote } from '@/live/quotes';
import { entryOf, markOf, operationOf, positionOf, tickOf } from './examples';

describe('what entries change', () => {
  it('is_read_again_only_once_reads_show_the_entry', () => {
    const client = new QueryClient();
    const read = vi.spyOn(client, 'invalidateQueries').mockResolvedValue();
    const freshener = new Freshener(client);
    freshener.note(entryOf(20, { action_type: 'KILL_SWITCH_TRIPPED' }));
    freshener.reached(19);
    expect(read).not.toHaveBeenCalled();
    freshener.reached(20);
    expect(read).toHaveBeenCalledWith({ queryKey: ['system'] });
    expect(freshener.waiting).toBe(0);
  });

  it('is_read_again_at_once_when_reads_showed_the_entry_before_it_was_told', () => {
    const client = new QueryClient();
    const read = vi.spyOn(client, 'invalidateQueries').mockResolvedValue();
    const freshener = new Freshener(client);
    freshener.reached(20);
    freshener.note(entryOf(20, { action_type: 'KILL_SWITCH_TRIPPED' }));
    expect(read).toHaveBeenCalledWith({ queryKey: ['system'] });
    expect(freshener.waiting).toBe(0);
  });

  it('leads_to_one_reading_for_many_entries_at_once', () => {
    const client = new QueryClient();
    const read = vi.spyOn(client, 'invalidateQueries').mockResolvedValue();
    const freshener = new Freshener(client);
    for (let seq = 1; seq <= 50; seq += 1)
      freshener.note(entryOf(seq, { action_type: 'ORDER_FILLED', operation_id: 'a' }));
    freshener.reached(50);
    expect(read.mock.calls.filter(([filter]) => filter?.queryKey?.[0] === 'operations')).toHaveLength(1);
  });

  it('includes_the_recovery_page_where_an_order_needs_a_person', () => {
    expect(changedBy(entryOf(3, { action_type: 'ORDER_NEEDS_OPERATOR', operation_id: 'a' }))).toContainEqual([
      'recovery',
    ]);
  });

  it('becomes_an_alert_only_where_a_person_would_want_to_know', () => {
    expect(alertOf(entryOf(1, { action_type: 'OPERATION_FAILED', action_data: { reason: 'x' } }))).toMatchObject({
      bad: true,
    });
    expect(alertOf(entryOf(1, { action_type: 'ORDER_PLACED' }))).toBeNull();
    expect(
      alertOf(entryOf(1, { action_type: 'RECOVERY_COMPLETED', action_data: { operations_closed: 0 } })),
    ).toBeNull();
    expect(
      alertOf(entryOf(1, { action_type: 'RECOVERY_COMPLETED', action_data: { operations_closed: 1 } })),
    ).not.toBeNull();
  });
});

describe('marks', () => {
  it('are_put_into_every_answer_that_shows_the_position', () => {
    const client = new QueryClient();
    const position = positionOf();
    const operation = operationOf();
    client.setQueryData(['positions', 'open'], { items: [position], next_cursor: null, seq: 1 });
    client.setQueryData(['operations', 'pages', {}], {
      pages: [{ items: [operation], next_cursor: null, seq: 1 }],
      pageParams: [],
    });
    client.setQueryData(['operation', operation.id], { ...operation, positions: [position] });
    patchMarks(client, new Map([[position.id, markOf(position, '42.00')]]));
    expect(client.getQueryData(['positions', 'open'])).toMatchObject({
      items: [{ unrealized_pnl: '42.00', current_price: '1.08400' }],
    });
    expect(client.getQueryData(['operations', 'pages', {}])).toMatchObject({
      pages: [{ items: [{ unrealized_pnl: '42.00' }] }],
    });
    expect(client.getQueryData(['operation', operation.id])).toMatchObject({
      unrealized_pnl: '42.00',
      positions: [{ unrealized_pnl: '42.00' }],
    });
  });

  it('leave_a_closed_position_as_it_is', () => {
    const client = new QueryClient();
    const position = positionOf({ status: 'closed', unrealized_pnl: null });
    client.setQueryData(['positions', 'all'], { items: [position], next_cursor: null, seq: 1 });
    patchMarks(client, new Map([[position.id, markOf(position, '42.00')]]));
    expect(client.getQueryData(['positions', 'all'])).toMatchObject({ items: [{ unrealized_pnl: null }] });
  });
});

describe('the last bar', () => {
  const closed: Candle = { time: chartTime('2026-03-02T14:30:00Z'), open: 1, high: 2, low: 1, close: 2 };

  it('is_made_from_prices_and_replaced_by_the_next_when_its_time_is_over', () => {
    forgetQuotes();
    const put = vi.fn<(candle: Candle) => void>();
    const stop = liveBars('paper', 'EUR-USD', '1 min', closed)(put);
    putQuote(tickOf('3', '2026-03-02T14:31:05Z'));
    putQuote(tickOf('5', '2026-03-02T14:31:20Z'));
    putQuote(tickOf('4', '2026-03-02T14:31:40Z'));
    expect(put).toHaveBeenLastCalledWith({
      time: chartTime('2026-03-02T14:31:00Z'),
      open: 3,
      high: 5,
      low: 3,
      close: 4,
    });
    putQuote(tickOf('6', '2026-03-02T14:32:01Z'));
    expect(put).toHaveBeenLastCalledWith({
      time: chartTime('2026-03-02T14:32:00Z'),
      open: 6,
      high: 6,
      low: 6,
      close: 6,
    });
    stop();
    putQuote(tickOf('7', '2026-03-02T14:32:02Z'));
    expect(put).toHaveBeenCalledTimes(4);
  });

  it('never_changes_a_bar_that_the_engine_has_closed', () => {
    forgetQuotes();
    const put = vi.fn<(candle: Candle) => void>();
    liveBars('paper', 'EUR-USD', '1 min', closed)(put);
    putQuote(tickOf('9', '2026-03-02T14:30:59Z'));
    expect(put).not.toHaveBeenCalled();
  });

  it('knows_how_long_bars_are', () => {
    expect(['5 secs', '1 min', '15 mins', '4 hours', '1 day'].map(barSeconds)).toEqual([5, 60, 900, 14_400, 86_400]);
  });
});
