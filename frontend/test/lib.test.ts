import { describe, expect, it } from 'vitest';
import { byDay, distribution, drawdown } from '@/charts/series';
import { markersOf } from '@/charts/marks';
import { chartTime } from '@/charts/time';
import { decimalsOf, duration, moment, money, percent, price, words } from '@/lib/format';
import { isMarketOpen } from '@/lib/market';
import { sentence, weightOf } from '@/lib/story';
import { backtestCommand } from '@/pages/backtest/Command';
import { readReport } from '@/pages/backtest/report';
import { averageTrueRange } from '@/pages/create/risk';
import { parametersOf } from '@/pages/create/schema';
import { boundsOf } from '@/pages/create/StrategyPicker';
import { riskToStop } from '@/pages/dashboard/OpenPositions';
import { resultAt } from '@/pages/operation/MoveProtection';
import { recoveriesOf, summaryOf } from '@/pages/recovery/recoveries';
import { choicesOf } from '@/pages/settings/RiskSettings';
import { entryOf, operationOf, positionOf } from './examples';

describe('numbers and times', () => {
  it('are_written_with_their_sign_and_never_as_nothing', () => {
    expect(money('1234.5', { sign: true })).toBe('+1,234.50');
    expect(money('-87.254')).toBe('−87.25');
    expect(money('0', { sign: true })).toBe('0.00');
    expect(money(null)).toBe('–');
    expect(percent('0.0123', { sign: true })).toBe('+1.23 %');
  });
  it('keep_the_instruments_grid', () => {
    expect([decimalsOf('0.00005'), decimalsOf('0.25'), decimalsOf('1'), decimalsOf('1e-7')]).toEqual([5, 2, 0, 7]);
    expect(price('1.0825', 5)).toBe('1.08250');
  });
  it('tell_lengths_in_words', () => {
    expect([4.2, 12, 75, 3700, 90_000].map(duration)).toEqual(['4.2 s', '12 s', '1 min 15 s', '1 h 1 min', '1 d 1 h']);
  });
  it('tell_the_day_only_where_it_is_not_today', () => {
    const now = Date.parse('2026-03-02T20:00:00Z');
    expect(moment('2026-03-02T14:03:22Z', now)).toBe('14:03:22');
    expect(moment('2026-03-01T14:03:22Z', now)).toBe('01 Mar 14:03:22');
  });
  it('make_words_of_codes', () => expect(words('TAKE_PROFIT')).toBe('Take profit'));
});

describe('market hours', () => {
  const fx = { timezone: 'America/New_York', sessions: [['SUN 17:00', 'FRI 17:00']] as const };
  it('are_those_of_the_exchange_whatever_the_season', () => {
    expect(isMarketOpen(fx, new Date('2026-01-09T21:59:00Z'))).toBe(true);
    expect(isMarketOpen(fx, new Date('2026-01-09T22:01:00Z'))).toBe(false);
    expect(isMarketOpen(fx, new Date('2026-07-10T21:01:00Z'))).toBe(false);
    expect(isMarketOpen(fx, new Date('2026-07-12T21:01:00Z'))).toBe(true);
  });
  it('never_end_where_there_is_no_session_and_are_unknown_where_nothing_is_told', () => {
    expect(isMarketOpen({ timezone: 'UTC', sessions: [] })).toBe(true);
    expect(isMarketOpen(undefined)).toBeNull();
  });
});

describe('what is drawn', () => {
  it('falls_from_the_last_height', () => {
    const curve = [100, 120, 90, 130].map((value, index) => ({ time: chartTime(index * 1000), value }));
    expect(drawdown(curve).map(({ value }) => value)).toEqual([0, 0, -30, 0]);
  });
  it('adds_up_by_day', () => {
    const trades = [
      { exit_time: '2026-03-02T10:00:00Z', net_pnl: '5' },
      { exit_time: '2026-03-01T10:00:00Z', net_pnl: '-2' },
      { exit_time: '2026-03-02T11:00:00Z', net_pnl: '1.5' },
    ];
    expect(byDay(trades)).toEqual([
      { name: '03-01', value: -2 },
      { name: '03-02', value: 6.5 },
    ]);
  });
  it('counts_every_result_once_and_mixes_no_loss_with_a_win', () => {
    const results = [-12.5, -3, -0.5, 0.5, 4, 4.5, 19];
    const bins = distribution(results);
    expect(bins.reduce((sum, { value }) => sum + value, 0)).toBe(results.length);
    expect(bins.filter(({ good }) => good === false).reduce((sum, { value }) => sum + value, 0)).toBe(3);
  });
  it('marks_a_trade_at_the_bar_it_happened_in', () => {
    const times = ['2026-03-02T14:30:00Z', '2026-03-02T14:31:00Z'].map((time) => Number(chartTime(time)));
    const position = positionOf({ opened_at: '2026-03-02T14:31:40Z' });
    expect(markersOf([], [], position, times)).toMatchObject([{ time: times[1], kind: 'buy' }]);
    expect(markersOf([], [], positionOf({ opened_at: '2026-03-02T14:00:00Z' }), times)).toEqual([]);
  });
});

describe('risk', () => {
  it('is_what_the_stop_would_cost_from_here', () => {
    expect(riskToStop(positionOf(), operationOf())?.money).toBeCloseTo(-19);
    expect(riskToStop(positionOf({ quantity: '-10000', stop_loss: '1.08400' }), operationOf())?.money).toBeCloseTo(-10);
    expect(riskToStop(positionOf({ stop_loss: null }), operationOf())).toBeNull();
  });
  it('of_a_moved_stop_is_measured_from_the_entry', () => {
    expect(resultAt(operationOf(), '1.08250', 1.0835)).toBeCloseTo(10);
    expect(resultAt(operationOf({ open_quantity: '-10000' }), '1.08250', 1.0835)).toBeCloseTo(-10);
  });
  it('needs_enough_bars_for_an_average_range', () => {
    const bar = { high: '12', low: '10', close: '11' };
    expect(averageTrueRange(Array.from({ length: 14 }, () => bar))).toBeNull();
    expect(averageTrueRange(Array.from({ length: 15 }, () => bar))).toBe(2);
  });
});

describe('a strategy’s parameters', () => {
  const schema = {
    properties: {
      period: { type: 'integer', minimum: 2, maximum: 500 },
      short: { type: 'boolean' },
      name: { anyOf: [{ type: 'null' }, { type: 'string' }] },
    },
  };
  it('are_sent_as_their_schema_has_them_and_left_out_where_empty', () => {
    expect(parametersOf({ period: '8', short: false, name: '', unknown: 'x' }, schema)).toEqual({
      period: 8,
      short: false,
    });
  });
  it('are_bounded_in_words', () => expect(boundsOf(schema.properties.period)).toBe('from 2 to 500'));
  it('offer_choices_where_the_setting_lists_them', () => {
    expect(choicesOf('ATR, PERCENTAGE, FIXED or TRAILING')).toEqual(['ATR', 'PERCENTAGE', 'FIXED', 'TRAILING']);
    expect(choicesOf('more than 0')).toEqual([]);
  });
});

describe('the journal in words', () => {
  it('has_a_sentence_for_an_entry_it_does_not_know', () => {
    expect(sentence({ action_type: 'SOMETHING_NEW', action_data: {} })).toBe('Something new');
  });
  it('says_the_gatekeepers_rule_in_words', () => {
    const entry = {
      action_type: 'SIGNAL_REFUSED',
      action_data: { rule: 'STALE_DATA', detail: 'the last tick is 6.2 s old' },
    };
    expect(sentence(entry)).toBe('Stale data: the last tick is 6.2 s old');
    expect(weightOf('SIGNAL_REFUSED')).toBe('warn');
  });
  it('tells_a_recovery_as_a_story', () => {
    const entries = [
      entryOf(10, { action_type: 'ENGINE_STARTED' }),
      entryOf(11, {
        action_type: 'RECOVERY_STARTED',
        action_data: { after_crash: true, ledger_sequence_number: 9, open_positions: 1, orders_in_doubt: 0 },
      }),
      entryOf(13, {
        action_type: 'RECOVERY_DECIDED',
        action_data: {
          decision: 'CLOSE',
          quantity: '10000',
          symbol: 'EUR-USD',
          reason: 'CLOSE_ALL closes every position',
        },
      }),
      entryOf(14, { action_type: 'RECOVERY_COMPLETED', action_data: { duration_seconds: 0.5, fills_recovered: 1 } }),
      entryOf(20, { action_type: 'ENGINE_STARTED' }),
      entryOf(21, { action_type: 'RECOVERY_STARTED', action_data: { after_crash: false } }),
    ];
    const [second, first] = recoveriesOf([...entries].reverse());
    expect(first && summaryOf(first)).toContain('10,000 EUR-USD was closed: CLOSE_ALL closes every position.');
    expect(first && summaryOf(first)).toContain('1 fill that had been missed');
    expect(second?.ended).toBeNull();
    expect(first?.steps.map(({ sequence_number }) => sequence_number)).toEqual([10, 11, 13, 14]);
  });
});

describe('a backtest', () => {
  it('is_run_as_the_operation_is_set', () => {
    const command = backtestCommand(
      operationOf({ stop_loss_type: 'ATR', stop_loss_value: '1.5', take_profit_type: null, initial_capital: '100000' }),
      'my data.csv',
    );
    expect(command).toContain("--bar-size '1 min'");
    expect(command).toContain('--stop ATR=1.5 --target none');
    expect(command).toContain("--data 'my data.csv'");
  });
  it('report_that_is_none_is_refused_with_what_is_wrong', () => {
    expect(() => readReport('no')).toThrow(/not JSON/);
    expect(() => readReport('{"source": 1}')).toThrow(/no backtest's report: source/);
  });
});
