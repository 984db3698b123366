import { QueryClientProvider } from '@tanstack/react-query';
import { createMemoryHistory, createRootRoute, createRouter, RouterProvider } from '@tanstack/react-router';
import { act, render, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import type { ReactElement } from 'react';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { makeClient } from '@/App';
import { Problem } from '@/api/problem';
import { LoginPage } from '@/pages/entry/LoginPage';
import { OperationActions } from '@/pages/operation/OperationActions';
import { useLink } from '@/live/link';
import { forgetQuotes, putQuote } from '@/live/quotes';
import { useSession } from '@/stores/session';
import { Confirm, type ConfirmProps } from '@/ui/Confirm';
import { DataTable } from '@/ui/DataTable';
import { LivePrice, StreamState } from '@/ui/Freshness';
import { ErrorNote } from '@/ui/States';
import { operationOf, tickOf } from './examples';
import { http, HttpResponse, problem, server } from './server';

function show(element: ReactElement) {
  const router = createRouter({
    routeTree: createRootRoute({ component: () => element }),
    history: createMemoryHistory(),
  });
  return render(
    <QueryClientProvider client={makeClient()}>
      <RouterProvider router={router as never} />
    </QueryClientProvider>,
  );
}

const confirm = (props: Partial<ConfirmProps>, onClose = vi.fn()) => (
  <Confirm
    title="Close the position"
    what="It is closed at market."
    facts={[['Value', 'about 10,825.00 USD']]}
    account="PAPER"
    asset="EUR-USD"
    action="Close position"
    done="Closed"
    run={() => Promise.resolve({ state: 'done' })}
    onClose={onClose}
    {...props}
  />
);

describe('a dangerous action', () => {
  it('with_real_money_asks_to_type_the_asset_first', async () => {
    const run = vi.fn(() => Promise.resolve({ state: 'done' as const }));
    show(confirm({ account: 'LIVE', run }));
    const action = await screen.findByRole('button', { name: 'Close position' });
    expect(action).toBeDisabled();
    const user = userEvent.setup();
    await user.type(screen.getByLabelText(/Type EUR-USD/), 'GBP-USD');
    expect(action).toBeDisabled();
    await user.clear(screen.getByLabelText(/Type EUR-USD/));
    await user.type(screen.getByLabelText(/Type EUR-USD/), 'eur-usd{Enter}');
    await waitFor(() => expect(run).toHaveBeenCalledTimes(1));
  });

  it('is_asked_again_under_the_same_key_when_the_answer_was_lost', async () => {
    const keys: string[] = [];
    const run = vi.fn(({ key }: { key: string }) => {
      keys.push(key);
      return keys.length === 1
        ? Promise.reject(new Error('the answer was lost'))
        : Promise.resolve({ state: 'done' as const });
    });
    const onClose = vi.fn();
    show(confirm({ run }, onClose));
    const user = userEvent.setup();
    await user.click(await screen.findByRole('button', { name: 'Close position' }));
    expect(await screen.findByRole('alert')).toHaveTextContent('the answer was lost');
    await user.click(screen.getByRole('button', { name: 'Close position' }));
    await waitFor(() => expect(onClose).toHaveBeenCalled());
    expect(keys[0]).toBe(keys[1]);
  });

  it('that_was_refused_is_asked_anew_under_another_key', async () => {
    const keys: string[] = [];
    const refusal = new Problem({
      status: 409,
      code: 'STALE_DATA',
      title: 'Conflict',
      detail: 'the last tick is 6.2 s old',
    });
    const run = ({ key }: { key: string }) => {
      keys.push(key);
      return keys.length === 1 ? Promise.reject(refusal) : Promise.resolve({ state: 'done' as const });
    };
    show(confirm({ run }));
    const user = userEvent.setup();
    await user.click(await screen.findByRole('button', { name: 'Close position' }));
    expect(await screen.findByRole('alert')).toHaveTextContent('Stale data');
    await user.click(screen.getByRole('button', { name: 'Close position' }));
    await waitFor(() => expect(keys).toHaveLength(2));
    expect(keys[0]).not.toBe(keys[1]);
  });

  it('shows_the_gatekeepers_refusal_in_words_where_it_was_asked', async () => {
    const refusal = new Problem({
      status: 409,
      code: 'MAX_EXPOSURE',
      title: 'Conflict',
      detail: 'exposure (all) would be 9 USD; the limit is 8',
    });
    show(confirm({ run: () => Promise.reject(refusal) }));
    await userEvent.setup().click(await screen.findByRole('button', { name: 'Close position' }));
    const dialog = within(screen.getByRole('dialog'));
    const alert = await dialog.findByRole('alert');
    expect(alert).toHaveTextContent('Exposure limit');
    expect(alert).toHaveTextContent('the limit is 8');
  });

  it('does_not_go_without_a_reason_where_one_is_required', async () => {
    show(confirm({ reason: 'required' }));
    const action = await screen.findByRole('button', { name: 'Close position' });
    expect(action).toBeDisabled();
    await userEvent.setup().type(screen.getByLabelText(/Reason/), 'it is over');
    expect(action).toBeEnabled();
  });

  it('says_quantity_value_broker_and_market_before_a_position_is_closed', async () => {
    useSession.setState({ status: 'in', user: 'anna', role: 'trader' });
    forgetQuotes();
    putQuote(tickOf('1.08300', new Date().toISOString()));
    show(<OperationActions operation={operationOf()} />);
    await userEvent.setup().click(await screen.findByRole('button', { name: 'Close position' }));
    const dialog = within(await screen.findByRole('dialog'));
    expect(dialog.getByText('Sell 10,000 EUR-USD')).toBeVisible();
    expect(dialog.getByText('about 10,830.00 USD, at 1.08300')).toBeVisible();
    expect(dialog.getByText('paper')).toBeVisible();
    expect(dialog.getByText('open, it never closes')).toBeVisible();
    expect(dialog.getByText('PAPER')).toBeVisible();
  });
});

describe('roles', () => {
  it('a_viewer_sees_no_button_that_acts', async () => {
    useSession.setState({ status: 'in', user: 'vera', role: 'viewer' });
    show(
      <>
        <p>here</p>
        <OperationActions operation={operationOf()} />
      </>,
    );
    await screen.findByText('here');
    expect(screen.queryAllByRole('button')).toEqual([]);
  });
});

describe('freshness', () => {
  beforeEach(() => {
    forgetQuotes();
    useLink.setState({ state: 'live', since: Date.now() });
  });

  it('a_price_is_struck_through_while_the_stream_is_offline', async () => {
    putQuote(tickOf('1.08300', new Date().toISOString()));
    show(<LivePrice broker="paper" symbol="EUR-USD" decimals={5} />);
    expect(await screen.findByText('1.08300')).not.toHaveClass('line-through');
    act(() => useLink.setState({ state: 'offline', since: Date.now() - 12_000 }));
    expect(screen.getByText('1.08300')).toHaveClass('line-through');
    expect(screen.getByText(/offline · 1[1-9] s/)).toBeVisible();
  });

  it('a_new_price_takes_the_place_of_the_old_one', async () => {
    putQuote(tickOf('1.08300', new Date().toISOString()));
    show(<LivePrice broker="paper" symbol="EUR-USD" decimals={5} />);
    await screen.findByText('1.08300');
    act(() => putQuote(tickOf('1.08310', new Date().toISOString())));
    expect(screen.getByText('1.08310')).toBeVisible();
  });

  it('the_stream_says_for_how_long_it_is_offline', async () => {
    useLink.setState({ state: 'offline', since: Date.now() - 12_000 });
    show(<StreamState />);
    expect(await screen.findByText(/Offline · 1[1-9] s/)).toBeVisible();
  });
});

describe('logging in', () => {
  it('shows_what_is_wrong_where_it_was_written', async () => {
    useSession.setState({ status: 'out', user: null, role: null, why: 'expired' });
    server.use(http.post('/api/login', () => problem(401, 'WRONG_CREDENTIALS', 'the name or the password is wrong')));
    show(<LoginPage />);
    const user = userEvent.setup();
    expect(await screen.findByText(/log-in has ended/)).toBeVisible();
    await user.type(screen.getByLabelText('Name'), 'admin');
    await user.type(screen.getByLabelText('Password'), 'wrong{Enter}');
    expect(await screen.findByRole('alert')).toHaveTextContent('the name or the password is wrong');
    expect(useSession.getState().status).toBe('out');
  });

  it('goes_on_with_the_role_that_the_server_tells', async () => {
    server.use(
      http.post('/api/login', () =>
        HttpResponse.json({
          access_token: 'a',
          refresh_token: 's.r',
          token_type: 'bearer',
          expires_in: 900,
          refresh_expires_at: '',
          name: 'vera',
          role: 'viewer',
        }),
      ),
    );
    show(<LoginPage />);
    const user = userEvent.setup();
    await user.type(await screen.findByLabelText('Name'), 'vera');
    await user.type(screen.getByLabelText('Password'), 'right{Enter}');
    await waitFor(() => expect(useSession.getState()).toMatchObject({ status: 'in', user: 'vera', role: 'viewer' }));
  });
});

describe('a table', () => {
  const rows = Array.from({ length: 10_000 }, (_, id) => ({ id }));
  it('of_ten_thousand_rows_puts_only_those_in_sight_into_the_page', () => {
    render(
      <DataTable
        label="Rows"
        columns={[{ id: 'id', header: 'Id', cell: (row: { id: number }) => row.id }]}
        rows={rows}
        rowId={(row) => String(row.id)}
      />,
    );
    expect(screen.getByRole('group', { name: 'Rows' }).querySelectorAll('tbody tr').length).toBeLessThan(100);
  });
  it('says_that_there_is_nothing_and_what_to_do', () => {
    render(<DataTable label="Rows" columns={[]} rows={[]} rowId={String} empty={<p>Nothing yet</p>} />);
    expect(screen.getByText('Nothing yet')).toBeVisible();
  });
});

describe('an error', () => {
  it('of_a_program_is_told_as_itself_and_can_be_tried_again', async () => {
    const retry = vi.fn();
    render(<ErrorNote error={new Error('no answer')} retry={retry} />);
    expect(screen.getByRole('alert')).toHaveTextContent('no answer');
    await userEvent.setup().click(screen.getByRole('button', { name: 'Try again' }));
    expect(retry).toHaveBeenCalled();
  });
});
