import { beforeEach, describe, expect, it } from 'vitest';
import { pauseOperation } from '@/api/commands';
import { getJson, withQuery } from '@/api/client';
import { isProblem } from '@/api/problem';
import { logIn, renew, resume, useSession } from '@/stores/session';
import { http, HttpResponse, problem, server } from './server';

const tokens = (access: string, refresh: string) =>
  HttpResponse.json({
    access_token: access,
    refresh_token: refresh,
    token_type: 'bearer',
    expires_in: 900,
    refresh_expires_at: '',
    name: 'anna',
    role: 'trader',
  });

describe('a log-in', () => {
  beforeEach(async () => {
    server.use(http.post('/api/login', () => tokens('first', 'r1')));
    await logIn('anna', 'secret');
  });

  it('that_has_expired_is_renewed_and_the_request_sent_again_under_its_key', async () => {
    const seen: (string | null)[] = [];
    server.use(
      http.post('/api/operations/a/pause', ({ request }) => {
        seen.push(request.headers.get('idempotency-key'));
        const good = request.headers.get('authorization') === 'Bearer second';
        return good ? HttpResponse.json({ status: 'done', result: {} }) : problem(401, 'TOKEN_EXPIRED', 'refresh it');
      }),
      http.post('/api/refresh', () => tokens('second', 'r2')),
    );
    await expect(pauseOperation('a', { reason: '', key: 'k' })).resolves.toMatchObject({ state: 'done' });
    expect(seen).toEqual(['k', 'k']);
  });

  it('uses_each_refresh_token_once_however_many_ask', async () => {
    const used: string[] = [];
    server.use(
      http.post('/api/refresh', async ({ request }) => {
        used.push(((await request.json()) as { refresh_token: string }).refresh_token);
        return tokens('next', `r${used.length + 1}`);
      }),
    );
    await Promise.all([renew(), renew(), renew()]);
    await renew();
    expect(used).toEqual(['r1', 'r2']);
  });

  it('that_was_revoked_ends_and_says_so', async () => {
    server.use(
      http.get('/api/profile', () => problem(401, 'TOKEN_REVOKED', 'log in again')),
      http.post('/api/refresh', () => problem(401, 'TOKEN_INVALID', 'log in')),
    );
    await expect(getJson('/api/profile')).rejects.toMatchObject({ code: 'TOKEN_REVOKED' });
    expect(useSession.getState()).toMatchObject({ status: 'out', why: 'expired' });
  });

  it('outlives_a_server_that_is_away', async () => {
    server.use(http.post('/api/refresh', () => HttpResponse.error()));
    await expect(resume()).rejects.toMatchObject({ code: 'UNREACHABLE' });
    expect(useSession.getState().status).toBe('in');
  });
});

describe('an answer', () => {
  it('that_comes_later_is_told_as_kept_for_the_engine', async () => {
    server.use(
      http.post('/api/operations/a/pause', () =>
        HttpResponse.json({ status: 'pending', command_id: 'c' }, { status: 202 }),
      ),
    );
    await expect(pauseOperation('a', { reason: '', key: 'k' })).resolves.toMatchObject({ state: 'waiting' });
  });

  it('that_refuses_names_code_field_and_words', async () => {
    server.use(
      http.get('/api/x', () => problem(422, 'INVALID_INPUT', 'limit: must be at most 1000', { field: 'limit' })),
    );
    const error: unknown = await getJson('/api/x').catch((failure: unknown) => failure);
    expect(isProblem(error) && [error.code, error.field, error.message]).toEqual([
      'INVALID_INPUT',
      'limit',
      'limit: must be at most 1000',
    ]);
  });

  it('that_is_a_proxys_page_is_an_error_all_the_same', async () => {
    server.use(http.get('/api/x', () => HttpResponse.text('<h1>Bad gateway</h1>', { status: 502 })));
    await expect(getJson('/api/x')).rejects.toMatchObject({ status: 502, code: 'HTTP_502' });
  });

  it('is_asked_for_with_what_was_given_and_nothing_else', () => {
    expect(withQuery('/api/journal', { type: ['A', 'B'], limit: 5, cursor: undefined, actor: '' })).toBe(
      '/api/journal?type=A&type=B&limit=5',
    );
  });
});
