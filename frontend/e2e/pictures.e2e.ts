import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { axe, DESKTOP, logIn, openBrowser, PHONE, Watched } from './browser.ts';
import { Api, PASSWORD, Stack, until } from './stack.ts';

/** Where the pictures go; without it pages are looked at by axe alone. */
const FOLDER = process.env['SCREENSHOTS'];

interface Scene {
  name: string;
  path: (operation: string) => string;
  ready: (page: Page) => Promise<void>;
}

const heading = (name: string) => (page: Page) => page.getByRole('heading', { name, exact: true }).first().waitFor();

const scenes: readonly Scene[] = [
  { name: 'dashboard', path: () => '/', ready: heading('Dashboard') },
  {
    name: 'operations',
    path: () => '/operations',
    ready: (page) => page.getByRole('link', { name: 'EUR-USD' }).first().waitFor(),
  },
  {
    name: 'operation',
    path: (id) => `/operations/${id}`,
    ready: (page) => page.getByTestId('candles').locator('canvas').first().waitFor(),
  },
  {
    name: 'operation-signals',
    path: (id) => `/operations/${id}?tab=signals`,
    ready: (page) => page.getByRole('group', { name: 'Signals' }).or(page.getByText('No signal yet')).first().waitFor(),
  },
  {
    name: 'operation-statistics',
    path: (id) => `/operations/${id}?tab=stats`,
    ready: (page) => page.getByText('Expectancy').waitFor(),
  },
  {
    name: 'operation-settings',
    path: (id) => `/operations/${id}?tab=settings`,
    ready: (page) => page.getByText('Fixed at its creation').waitFor(),
  },
  { name: 'create', path: () => '/create', ready: (page) => page.getByRole('radio', { name: /EUR-USD/ }).waitFor() },
  { name: 'journal', path: () => '/journal', ready: (page) => page.getByText(/Verified, entries/).waitFor() },
  { name: 'time-travel', path: () => '/journal?at=12', ready: (page) => page.getByTestId('state-at').waitFor() },
  { name: 'recovery', path: () => '/recovery', ready: (page) => page.getByText('After a crash').first().waitFor() },
  { name: 'backtest', path: () => '/backtest', ready: heading('Backtest') },
  { name: 'settings-brokers', path: () => '/settings', ready: (page) => page.getByText(/By config.yaml/).waitFor() },
  {
    name: 'settings-risk',
    path: () => '/settings?tab=risk',
    ready: (page) => page.getByLabel('Max daily loss').waitFor(),
  },
  {
    name: 'settings-users',
    path: () => '/settings?tab=users',
    ready: (page) => page.getByText('admin (you)').waitFor(),
  },
  { name: 'components', path: () => '/components', ready: heading('Components') },
];

const looks = [
  { name: 'desktop-light', viewport: DESKTOP, dark: false },
  { name: 'desktop-dark', viewport: DESKTOP, dark: true },
  { name: 'phone-light', viewport: PHONE, dark: false, touch: true },
  { name: 'phone-dark', viewport: PHONE, dark: true, touch: true },
];

/** Pictures are taken of all; axe is asked about each theme and each width once. */
const taken = FOLDER === undefined ? looks.filter(({ name }) => /^(desktop-light|phone-dark)$/.test(name)) : looks;

/** Nothing is being loaded any more, and the page is no wider than the window. */
async function settled(page: Page): Promise<void> {
  await until(
    async () => (await page.getByRole('status', { name: 'Loading' }).count()) === 0,
    'everything to be loaded',
  );
  const [inner, outer] = await page.evaluate((): [number, number] => [
    document.documentElement.scrollWidth,
    window.innerWidth,
  ]);
  expect(inner, 'the page scrolls sideways').toBeLessThanOrEqual(outer);
}

describe('every page, light and dark, on a desk and in the hand', () => {
  const stack = new Stack();
  let browser: Browser;
  let operation = '';

  const quick = { fast_period: 3, slow_period: 8, momentum_period: 3, rsi_period: 7, overbought: 90 };

  beforeAll(async () => {
    browser = await openBrowser();
    await stack.start();
    let api = await Api.logIn(stack.address, 'admin', stack.firstPassword);
    await api.call('PUT', '/api/users/admin', { password: PASSWORD });
    api = await Api.logIn(stack.address, 'admin', PASSWORD);
    await api.call('POST', '/api/users', { name: 'vera', role: 'viewer', password: 'only for looking' });
    for (const [asset, quantity, bar_sizes] of [
      ['EUR-USD', '10000', ['5 mins', '1 min', '5 secs']],
      ['ES', '1', ['5 secs']],
      ['SPY', '50', ['15 secs', '5 secs']],
    ] as const) {
      const made = await api.call<{ operation_id: string }>('POST', '/api/operations', {
        ...{
          asset,
          quantity,
          bar_sizes,
          strategy_name: 'MomentumStrategy',
          strategy_config: quick,
          initial_capital: '100000',
        },
      });
      operation ||= made.operation_id;
    }
    const trade = async () => {
      await until(async () => {
        await api.call('POST', '/api/manual-trade', {
          instrument: 'EUR-USD',
          direction: 'Long',
          quantity: '5000',
          operation_id: operation,
        });
        return true;
      }, 'a trade by hand');
      await until(async () => (await open()) !== undefined, 'a position');
    };
    const open = async () => {
      const found = await api.call<{ items: { id: string; operation_id: string }[] }>('GET', '/api/positions');
      return found.items.find((position) => position.operation_id === operation)?.id;
    };
    for (let round = 0; round < 3; round += 1) {
      if ((await open()) === undefined) await trade();
      const id = await open();
      if (id !== undefined)
        await api.call('POST', `/api/positions/${id}/close`, { reason: 'for the pictures' }).catch(() => undefined);
      await until(async () => (await open()) === undefined, 'to be flat');
    }
    await trade();
    await api.call('POST', `/api/operations/${operation}/notes`, {
      text: 'Spread widens before the figures at 14:30.',
    });
    await stack.kill();
    await stack.start();
    api = await Api.logIn(stack.address, 'admin', PASSWORD);
    if ((await open()) === undefined) await trade();
  }, 300_000);
  afterAll(async () => {
    await Promise.allSettled([browser.close(), stack.stop()]);
  });

  it.each(taken)(
    '$name',
    async ({ name, ...options }) => {
      const { page, context, complaints } = await Watched.open(browser, options);
      const take = async (what: string) => {
        if (FOLDER === undefined) return;
        mkdirSync(FOLDER, { recursive: true });
        await page.screenshot({ path: join(FOLDER, `${what}-${name}.png`) });
      };
      await page.goto(stack.address);
      await page.getByRole('button', { name: 'Log in' }).waitFor();
      await take('log-in');
      expect.soft(await axe(page), 'log-in').toEqual([]);
      await logIn(page, stack.address, 'admin', PASSWORD);
      await page.getByRole('heading', { name: 'Dashboard' }).waitFor();
      for (const scene of scenes) {
        await page.goto(`${stack.address}${scene.path(operation)}`);
        await scene.ready(page);
        // The page of components shows what loading looks like, for ever.
        if (scene.name !== 'components') await settled(page);
        expect.soft(await axe(page), scene.name).toEqual([]);
        await take(scene.name);
      }
      await page.goto(`${stack.address}/operations/${operation}`);
      await page
        .getByRole('button', { name: /Close position|Trade/ })
        .first()
        .click();
      await page.getByRole('dialog').waitFor();
      expect.soft(await axe(page), 'confirmation').toEqual([]);
      await take('confirmation');
      expect.soft(complaints).toEqual([]);
      await context.close();
    },
    600_000,
  );
});
