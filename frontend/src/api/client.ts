import { accessToken, ended, renew } from '@/stores/session';
import { problemOf, unreachable } from './problem';
import type { Health } from './types';

type Query = Record<string, string | number | boolean | null | undefined | readonly string[]>;

interface Options {
  query?: Query;
  body?: unknown;
  key?: string;
  signal?: AbortSignal;
  /** Answers of log-in itself: no token is sent, and a 401 means what it says. */
  anonymous?: boolean;
}

export function withQuery(path: string, query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === '') continue;
    if (Array.isArray(value)) for (const each of value as readonly string[]) parameters.append(name, each);
    else parameters.append(name, String(value));
  }
  const text = parameters.toString();
  return text === '' ? path : `${path}?${text}`;
}

async function send(method: string, path: string, options: Options): Promise<Response> {
  const headers = new Headers({ Accept: 'application/json' });
  if (options.body !== undefined) headers.set('Content-Type', 'application/json');
  if (options.key !== undefined) headers.set('Idempotency-Key', options.key);
  const token = options.anonymous ? null : accessToken();
  if (token !== null) headers.set('Authorization', `Bearer ${token}`);
  try {
    return await fetch(withQuery(path, options.query), {
      method,
      headers,
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw unreachable();
  }
}

/** One request. An expired log-in is renewed once and the request sent again under the same idempotency key. */
export async function request(method: string, path: string, options: Options = {}): Promise<Response> {
  let response = await send(method, path, options);
  if (response.status === 401 && options.anonymous !== true) {
    if (await renew()) response = await send(method, path, options);
    if (response.status === 401) ended('expired');
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

export async function getJson<T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> {
  const response = await request('GET', path, {
    ...(query === undefined ? {} : { query }),
    ...(signal === undefined ? {} : { signal }),
  });
  return (await response.json()) as T;
}

/** How things are. The server says so with 503, too: that it is not ready is an answer here, not a failure. */
export async function getHealth(signal: AbortSignal): Promise<Health> {
  const response = await send('GET', '/api/health', { signal, anonymous: true });
  const isHealth = response.headers.get('content-type')?.startsWith('application/json') ?? false;
  if (!response.ok && !isHealth) throw await problemOf(response);
  return (await response.json()) as Health;
}

export async function sendJson<T>(method: string, path: string, options: Options = {}): Promise<T> {
  const response = await request(method, path, options);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

/** A fresh name for something asked of the engine: asked twice under it, it is done once. */
export const freshKey = (): string => crypto.randomUUID();
