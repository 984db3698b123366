import { http, HttpResponse } from 'msw';
import { setupServer } from 'msw/node';

/** The interface, as far as tests of components need it. Each test adds what it is about. */
export const server = setupServer();

export const page = (items: unknown[], next_cursor: string | null = null) =>
  HttpResponse.json({ items, next_cursor, seq: 1 });

export const problem = (status: number, code: string, detail: string, more: Record<string, unknown> = {}) =>
  HttpResponse.json(
    { type: `/docs/problems#${code}`, title: 'Conflict', status, code, detail, ...more },
    { status, headers: { 'Content-Type': 'application/problem+json' } },
  );

export { http, HttpResponse };
