/** How numbers and times are written. Money and prices arrive as decimal strings and are never computed with here. */

export type Decimal = string;
export type Maybe<T> = T | null | undefined;

export const NONE = '–';

const plain = new Map<string, Intl.NumberFormat>();

function formatter(minimum: number, maximum: number, sign: boolean): Intl.NumberFormat {
  const key = `${minimum} ${maximum} ${sign}`;
  let found = plain.get(key);
  if (!found) {
    found = new Intl.NumberFormat('en-US', {
      minimumFractionDigits: minimum,
      maximumFractionDigits: maximum,
      signDisplay: sign ? 'exceptZero' : 'negative',
    });
    plain.set(key, found);
  }
  return found;
}

const minus = (text: string): string => text.replace('-', '−');

/** A decimal string (or number) as a number, null where there is none. */
export function toNumber(value: Maybe<Decimal | number>): number | null {
  if (value === null || value === undefined || value === '') return null;
  const number = Number(value);
  return Number.isFinite(number) ? number : null;
}

/** Decimal places of an instrument's grid: "0.00005" has 5, "0.25" has 2, "1" has none. */
export function decimalsOf(step: Maybe<Decimal | number>): number {
  if (step === null || step === undefined) return 2;
  const text = String(step);
  const scientific = /e-(\d+)$/i.exec(text);
  if (scientific) return Number(scientific[1]);
  return (text.split('.')[1] ?? '').replace(/0+$/, '').length;
}

/** `1234.5` as `1,234.50`. */
export function money(value: Maybe<Decimal | number>, options: { sign?: boolean; digits?: number } = {}): string {
  const number = toNumber(value);
  const digits = options.digits ?? 2;
  return number === null ? NONE : minus(formatter(digits, digits, options.sign ?? false).format(number));
}

/** A price on its instrument's grid. */
export function price(value: Maybe<Decimal | number>, decimals?: number): string {
  const number = toNumber(value);
  if (number === null) return NONE;
  const digits = decimals ?? Math.min(Math.max(decimalsOf(String(value)), 2), 8);
  return minus(formatter(digits, digits, false).format(number));
}

export function quantity(value: Maybe<Decimal | number>, sign = false): string {
  const number = toNumber(value);
  return number === null ? NONE : minus(formatter(0, 8, sign).format(number));
}

/** A fraction as percent: 0.0123 is `1.23 %`. */
export function percent(value: Maybe<Decimal | number>, options: { sign?: boolean; digits?: number } = {}): string {
  const number = toNumber(value);
  if (number === null) return NONE;
  const digits = options.digits ?? 2;
  return `${minus(formatter(digits, digits, options.sign ?? false).format(number * 100))} %`;
}

export const integer = (value: Maybe<number>): string =>
  value === null || value === undefined ? NONE : minus(formatter(0, 0, false).format(value));

// ---- time: always UTC, as the journal has it -----------------------------------------------------------------------

const clock = new Intl.DateTimeFormat('en-GB', {
  timeZone: 'UTC',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});
const day = new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', day: '2-digit', month: 'short' });
const wholeDay = new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', day: '2-digit', month: 'short', year: 'numeric' });

export const timeOfDay = (value: Maybe<string | number>): string => (value ? clock.format(new Date(value)) : NONE);
export const dateOf = (value: Maybe<string | number>): string => (value ? wholeDay.format(new Date(value)) : NONE);

/** `14:03:22` today, `30 Nov 14:03:22` before. */
export function moment(value: Maybe<string | number>, now = Date.now()): string {
  if (!value) return NONE;
  const at = new Date(value);
  const today = new Date(now).toISOString().slice(0, 10) === at.toISOString().slice(0, 10);
  return today ? clock.format(at) : `${day.format(at)} ${clock.format(at)}`;
}

/** The whole of a moment, for titles: `2026-11-30 14:03:22.123 UTC`. */
export const exactly = (value: Maybe<string | number>): string =>
  value ? new Date(value).toISOString().replace('T', ' ').replace('Z', ' UTC') : NONE;

/** Seconds in words: `4 s`, `3 min`, `2 h 5 min`, `3 d`. */
export function duration(seconds: Maybe<number>): string {
  if (seconds === null || seconds === undefined) return NONE;
  const whole = Math.max(0, Math.round(seconds));
  if (seconds < 10 && seconds % 1 !== 0) return `${seconds.toFixed(1)} s`;
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min${whole < 600 && whole % 60 ? ` ${whole % 60} s` : ''}`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`;
}

/** `ORDER_FILLED` as `Order filled`. */
export function words(code: string): string {
  const text = code.replaceAll('_', ' ').toLowerCase();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export type Direction = 'up' | 'down' | 'flat';

export function direction(value: Maybe<Decimal | number>): Direction {
  const number = toNumber(value) ?? 0;
  return number > 0 ? 'up' : number < 0 ? 'down' : 'flat';
}
