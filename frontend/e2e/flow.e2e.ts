import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { axe, logIn, openBrowser, Watched } from './browser.ts';
import { Api, PASSWORD, Stack, until } from './stack.ts';

/** One person's day, in order: each part goes on where the one before it ended. */
describe('the web pages on the real stack', () => {
  const stack = new Stack();
  let browser: Browser;
  let watched: Watched;
  let page: Page;

  beforeAll(async () => {
    browser = await openBrowser();
    await stack.start();
    watched = await Watched.open(browser);
    page = watched.page;
  });
  afterAll(async () => {
    await Promise.allSettled([browser.close(), stack.stop()]);
  });

  const button = (name: string | RegExp) => page.getByRole('button', { name, exact: typeof name === 'string' });
  const dialog = () => page.getByRole('dialog');
  /** Take the second step. What a loaded machine has refused for a moment (stale prices) is asked again. */
  const confirm = async (name: string) => {
    await until(async () => {
      if (!(await dialog().isVisible())) return true;
      const step = dialog().getByRole('button', { name, exact: true });
      const alert = dialog().getByRole('alert');
      const refused = (await alert.count()) > 0 ? await alert.innerText({ timeout: 1000 }) : '';
      if (await step.isEnabled({ timeout: 1000 })) await step.click({ timeout: 5000 });
      if (refused !== '') throw new Error(refused);
      return false;
    }, `${name} to be done`);
  };
  const entries = async (type: string): Promise<number> => {
    const api = await Api.logIn(stack.address, 'admin', PASSWORD);
    const found = await api.call<{ items: unknown[] }>('GET', `/api/journal?type=${type}&limit=1000`);
    return found.items.length;
  };

  it('a_new_user_gets_from_the_wizard_to_a_trading_operation_with_a_live_chart_in_under_a_minute', async () => {
    const began = performance.now();
    await logIn(page, stack.address, 'admin', stack.firstPassword);
    await page.getByLabel('New password').fill(PASSWORD);
    await page.getByLabel('Once more').fill(PASSWORD);
    await button('Change password').click();
    await button('Go on').click();
    await page.getByRole('radio', { name: /EUR-USD/ }).click();
    await button('5 secs').click();
    // It acts on long bars, so that nothing but this test trades; short ones are there to be looked at.
    await button('8 hours').click();
    await button('1 min').click();
    await page.getByLabel('Acts when this one closes').selectOption('8 hours');
    await page.getByLabel('Stop', { exact: true }).selectOption('PERCENTAGE');
    await button(/Start trading on paper/).click();
    await dialog().getByTitle('Paper account: no real money').waitFor();
    await confirm('Start');
    await page.waitForURL(/\/operations\/[0-9a-f]{24}/);
    await page.getByTestId('candles').locator('canvas').first().waitFor();
    await page.getByText('live', { exact: true }).first().waitFor();
    const seconds = (performance.now() - began) / 1000;
    process.stdout.write(`wizard to a live chart: ${seconds.toFixed(1)} s\n`);
    expect(seconds).toBeLessThan(60);
  });

  it('a_trade_by_hand_is_reviewed_confirmed_filled_and_seen_without_a_reload', async () => {
    await button('Trade').click();
    await dialog().getByLabel('Quantity').fill('5000');
    await button('Review').click();
    await dialog()
      .getByText(/Buy 5,000 EUR-USD, at market/)
      .waitFor();
    await dialog()
      .getByText(/about .* USD, at/)
      .waitFor();
    await confirm('Buy now');
    await page.getByRole('button', { name: 'Move the stop' }).waitFor();
    await page.getByText('If the engine crashed now').waitFor();
  });

  it('a_stop_is_moved_after_a_look_at_what_that_means', async () => {
    await button('Move the stop').click();
    const field = dialog().getByLabel('New price');
    const to = (Number(await field.inputValue()) - 0.0005).toFixed(5);
    await field.fill(to);
    await button('Review').click();
    await dialog().getByText('Result there').waitFor();
    await confirm('Move stop');
    await page.getByRole('region', { name: 'Position' }).getByText(to).waitFor();
    expect(await entries('ORDER_MODIFY_REQUESTED')).toBeGreaterThan(0);
  });

  it('an_operation_is_paused_and_resumed', async () => {
    await button('Pause').click();
    await dialog()
      .getByLabel(/Reason/)
      .fill('to see whether it stops');
    await confirm('Pause');
    await page.getByText('Paused', { exact: true }).first().waitFor();
    await button('Resume').click();
    await confirm('Resume');
    await button('Pause').waitFor();
  });

  it('a_position_is_closed_and_its_trade_tells_why', async () => {
    await button('Close position').click();
    await dialog().getByText('Value').waitFor();
    await confirm('Close position');
    await page.getByText(/^Flat\./).waitFor();
    await page.getByRole('tab', { name: /Trades/ }).click();
    await page
      .getByRole('button', { name: /Why this trade/ })
      .first()
      .click();
    await dialog()
      .getByText(/Bought 5,000 EUR-USD/)
      .waitFor();
    await page.keyboard.press('Escape');
  });

  it('the_kill_switch_is_at_hand_and_its_refusal_is_told_in_words_where_the_trade_was_asked', async () => {
    await button('Kill switch').click();
    await confirm('Trip it');
    await page.getByText('Kill switch tripped', { exact: true }).waitFor();
    await button('Trade').click();
    await button('Review').click();
    await dialog().getByRole('button', { name: 'Buy now' }).click();
    await dialog().getByRole('alert').getByText('Kill switch', { exact: true }).waitFor();
    await dialog().getByRole('button', { name: 'Cancel' }).click();
    await button('Kill switch: tripped').click();
    await dialog()
      .getByLabel(/What was the cause/)
      .fill('it was a test');
    await confirm('Reset it');
    await page.getByText('Kill switch tripped', { exact: true }).waitFor({ state: 'hidden' });
  });

  it('the_time_slider_shows_the_state_as_it_was_entry_by_entry', async () => {
    await page.goto(`${stack.address}/journal`);
    await page.getByText(/Verified, entries/).waitFor();
    await button('Travel in time').click();
    const at = () => page.getByTestId('state-at').getAttribute('data-at');
    await button('First entry').click();
    await until(async () => (await at()) === '1', 'the state as of entry 1');
    await page.getByText('No operation yet').waitFor();
    await page.getByRole('slider').press('ArrowRight');
    await until(async () => (await at()) === '2', 'the state as of entry 2');
    await button('Last entry').click();
    await page.getByRole('region', { name: 'Operations then' }).last().getByText('EUR-USD').waitFor();
    expect(page.url()).toMatch(/at=\d+/);
  });

  it('everything_is_reached_by_keyboard', async () => {
    await page.goto(stack.address);
    await page.getByRole('heading', { name: 'Dashboard' }).waitFor();
    await page.keyboard.press('?');
    await dialog().getByText('Go to Operations').waitFor();
    await page.keyboard.press('Escape');
    await dialog().waitFor({ state: 'hidden' });
    await page.keyboard.press('g');
    await page.keyboard.press('o');
    await page.getByRole('heading', { name: 'Operations', exact: true }).waitFor();
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox').fill('recovery');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Recovery', exact: true }).waitFor();
  });

  it('real_money_asks_to_type_the_asset', async () => {
    await page.goto(`${stack.address}/components`);
    await button('Confirm, LIVE').click();
    const act = dialog().getByRole('button', { name: 'Close position' });
    expect(await act.isDisabled()).toBe(true);
    await dialog()
      .getByLabel(/Real money/)
      .fill('EUR-USD');
    expect(await act.isEnabled()).toBe(true);
    expect(await axe(page)).toEqual([]);
    await page.keyboard.press('Escape');
  });

  it('a_viewer_sees_everything_and_no_button_that_acts', async () => {
    const api = await Api.logIn(stack.address, 'admin', PASSWORD);
    await api.call('POST', '/api/users', { name: 'vera', role: 'viewer', password: 'only for looking' });
    const viewer = await Watched.open(browser);
    await logIn(viewer.page, stack.address, 'vera', 'only for looking');
    await viewer.page.getByRole('heading', { name: 'Dashboard' }).waitFor();
    await viewer.page.goto(`${stack.address}/operations`);
    await viewer.page.getByRole('link', { name: 'EUR-USD' }).click();
    await viewer.page.getByTestId('candles').waitFor();
    for (const name of ['Pause', 'Trade', 'Kill switch', 'New operation', 'Close position']) {
      expect(await viewer.page.getByRole('button', { name, exact: true }).count(), name).toBe(0);
    }
    // Their log-in is ended from elsewhere: the page says so by itself.
    await api.call('PUT', '/api/users/vera', { revoke: true });
    await viewer.page.getByText('Your log-in has ended').waitFor();
    expect(viewer.complaints).toEqual([]);
    await viewer.close();
  });

  it('an_engine_that_is_killed_is_said_to_be_away_and_comes_back_without_a_reload', async () => {
    await page.goto(stack.address);
    await page.getByRole('heading', { name: 'Dashboard' }).waitFor();
    await page.evaluate(() => Object.assign(window, { sameDocument: true }));
    await stack.kill();
    await page.getByText(/Data stream offline · \d+ s/).waitFor();
    await stack.start();
    await page.getByText(/Data stream offline/).waitFor({ state: 'hidden' });
    await page.getByText('Live', { exact: true }).first().waitFor();
    expect(await page.evaluate(() => 'sameDocument' in window)).toBe(true);
    await page.keyboard.press('g');
    await page.keyboard.press('r');
    await page.getByText('After a crash').first().waitFor();
    await page
      .getByText(/Trading went on after/)
      .first()
      .waitFor();
  });

  it('logging_out_ends_the_log_in_and_forgets_what_was_seen', async () => {
    await page.getByRole('button', { name: /Logged in as admin/ }).click();
    await page.getByRole('menuitem', { name: 'Log out' }).click();
    await page.getByText('You are logged out').waitFor();
    await page.reload();
    await button('Log in').waitFor();
    expect(await axe(page)).toEqual([]);
  });

  it('the_browser_complained_of_nothing_in_all_of_this', () => {
    expect(watched.complaints).toEqual([]);
  });
});
