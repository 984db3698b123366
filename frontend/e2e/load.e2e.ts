import { gzipSync } from 'node:zlib';
import type { Browser, Page, WebSocketRoute } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { logIn, openBrowser, Watched } from './browser.ts';
import { Api, PASSWORD, Stack, until } from './stack.ts';

const JS_BUDGET = 300 * 1024;
const A_SECOND = 60;
const SECONDS = 5;
/** Thirty minutes of updates, as fast as the page takes them. */
const HALF_AN_HOUR = 30 * 60 * A_SECOND;
const MAY_GROW = 12 * 1024 * 1024;

/** What a page costs. Sizes and memory are the same on every machine and are held to a bound; times are told. */
describe('what the pages cost', () => {
  const stack = new Stack();
  let browser: Browser;
  let watched: Watched;
  let page: Page;
  let operation = '';
  let stream: WebSocketRoute | null = null;

  const tick = (count: number) =>
    JSON.stringify({
      ...{
        type: 'tick',
        seq: 0,
        broker: 'paper',
        symbol: 'EUR-USD',
        stale: false,
        priced_at: new Date().toISOString(),
      },
      ...{ price: (1.08 + (count % 100) / 1e5).toFixed(5), bid: '1.08000', ask: '1.08001' },
    });
  const heap = async (): Promise<number> => {
    const session = await watched.context.newCDPSession(page);
    await session.send('HeapProfiler.enable');
    await session.send('HeapProfiler.collectGarbage');
    const { usedSize } = await session.send('Runtime.getHeapUsage');
    await session.detach();
    return usedSize;
  };

  beforeAll(async () => {
    browser = await openBrowser();
    await stack.start();
    let api = await Api.logIn(stack.address, 'admin', stack.firstPassword);
    await api.call('PUT', '/api/users/admin', { password: PASSWORD });
    api = await Api.logIn(stack.address, 'admin', PASSWORD);
    operation = (
      await api.call<{ operation_id: string }>('POST', '/api/operations', {
        ...{
          asset: 'EUR-USD',
          quantity: '1000',
          bar_sizes: ['5 secs'],
          strategy_name: 'MomentumStrategy',
          initial_capital: '100000',
        },
      })
    ).operation_id;
    watched = await Watched.open(browser);
    page = watched.page;
    await page.routeWebSocket(/\/ws\/overall/, (socket) => {
      stream = socket;
      const server = socket.connectToServer();
      server.onMessage((message) => socket.send(message));
    });
  });
  afterAll(async () => {
    await Promise.allSettled([browser.close(), stack.stop()]);
  });

  it('the_dashboards_first_load_is_within_300_kb_of_gzipped_javascript', async () => {
    await logIn(page, stack.address, 'admin', PASSWORD);
    await page.getByRole('heading', { name: 'Dashboard' }).waitFor();
    let bytes = 0;
    page.on('response', (response) => {
      if (!response.url().endsWith('.js')) return;
      void response.body().then((body) => (bytes += gzipSync(body).length));
    });
    const began = performance.now();
    await page.reload();
    await page.getByText('Active operations').waitFor();
    const seconds = (performance.now() - began) / 1000;
    await page.getByText('Live', { exact: true }).waitFor();
    process.stdout.write(
      `dashboard: ${Math.round(bytes / 1024)} KB of gzipped JavaScript, there after ${seconds.toFixed(2)} s\n`,
    );
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThanOrEqual(JS_BUDGET);
    page.removeAllListeners('response');
  });

  it('sixty_updates_a_second_leave_the_operations_page_answering', async () => {
    await page.goto(`${stack.address}/operations/${operation}`);
    await page.getByTestId('candles').locator('canvas').first().waitFor();
    await until(() => stream !== null, 'the stream');
    let sent = 0;
    const timer = setInterval(() => stream?.send(tick(sent++)), 1000 / A_SECOND);
    const delays: number[] = [];
    const end = Date.now() + SECONDS * 1000;
    while (Date.now() < end) {
      const began = performance.now();
      await page.keyboard.press('?');
      await page.getByRole('dialog').waitFor();
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'hidden' });
      delays.push(performance.now() - began);
    }
    clearInterval(timer);
    const middle = delays.sort((a, b) => a - b)[Math.floor(delays.length / 2)] ?? 0;
    process.stdout.write(
      `${sent} updates in ${SECONDS} s: a dialog opens and closes in ${middle.toFixed(0)} ms (median of ${delays.length})\n`,
    );
    expect(delays.length).toBeGreaterThan(0);
  });

  it('memory_is_flat_over_half_an_hour_of_updates', async () => {
    const settle = async (from: number, count: number) => {
      for (let at = 0; at < count; at += 1) {
        stream?.send(tick(from + at));
        if (at % 2000 === 0) await page.evaluate(() => new Promise(requestAnimationFrame));
      }
      await page.evaluate(() => new Promise(requestAnimationFrame));
    };
    await settle(0, 5_000);
    const before = await heap();
    await settle(5_000, HALF_AN_HOUR);
    const after = await heap();
    process.stdout.write(
      `${HALF_AN_HOUR} updates: heap ${(before / 1e6).toFixed(1)} MB before, ${(after / 1e6).toFixed(1)} MB after\n`,
    );
    expect(after - before).toBeLessThan(MAY_GROW);
    expect(watched.complaints).toEqual([]);
  }, 900_000);
});
