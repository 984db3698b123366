/** Whether a market trades, by the weekly schedule that the instrument carries. Holidays are the server's to know. */
export interface TradingHours {
  timezone: string;
  sessions: readonly (readonly [string, string])[];
  calendar?: string | null;
}

const DAYS = ['MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT', 'SUN'];
const SHORT: Readonly<Record<string, string>> = {
  Mon: 'MON',
  Tue: 'TUE',
  Wed: 'WED',
  Thu: 'THU',
  Fri: 'FRI',
  Sat: 'SAT',
  Sun: 'SUN',
};
const WEEK = 7 * 86_400;

function secondOfWeek(text: string): number {
  const [day = 'MON', clock = '00:00'] = text.split(' ');
  const [hour = 0, minute = 0] = clock.split(':').map(Number);
  return DAYS.indexOf(day) * 86_400 + hour * 3600 + minute * 60;
}

function localSecond(timezone: string, at: Date): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(at);
  const part = (type: string) => parts.find((each) => each.type === type)?.value ?? '0';
  return (
    DAYS.indexOf(SHORT[part('weekday')] ?? 'MON') * 86_400 +
    Number(part('hour')) * 3600 +
    Number(part('minute')) * 60 +
    Number(part('second'))
  );
}

/** `null` where nothing is known of its hours. */
export function isMarketOpen(hours: TradingHours | null | undefined, at: Date = new Date()): boolean | null {
  if (!hours) return null;
  if (hours.sessions.length === 0) return true;
  const now = localSecond(hours.timezone, at);
  return hours.sessions.some(([opening, closing]) => {
    const start = secondOfWeek(opening);
    const length = (secondOfWeek(closing) - start + WEEK) % WEEK || WEEK;
    return (now - start + WEEK) % WEEK < length;
  });
}

export function marketWords(hours: TradingHours | null | undefined, at?: Date): string {
  const open = isMarketOpen(hours, at);
  if (open === null) return 'hours unknown';
  const holidays = hours?.calendar ? ', holidays aside' : '';
  return open
    ? `open${hours?.sessions.length === 0 ? ', it never closes' : holidays}`
    : 'closed: orders wait for its opening';
}
