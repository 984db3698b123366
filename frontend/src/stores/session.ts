import { create } from 'zustand';
import { Problem, problemOf, unreachable } from '@/api/problem';
import type { Role, TokenAnswer } from '@/api/types';

/**
 * Who is logged in. The access token is in memory alone; the refresh token, which is good for one use, is in
 * localStorage so that a reload and other tabs go on with the same log-in. Tabs take turns in using it.
 */
interface SessionState {
  status: 'starting' | 'in' | 'out';
  user: string | null;
  role: Role | null;
  why: 'expired' | 'left' | null;
}

const STORE = 'live-trading-login';
/** Seconds before its end at which an access token is renewed. */
const EARLY = 30;

export const useSession = create<SessionState>()(() => ({ status: 'starting', user: null, role: null, why: null }));

let token: string | null = null;
let expiresAt = 0;
let renewing: Promise<boolean> | null = null;

export const accessToken = (): string | null => token;
export const isExpiring = (): boolean => token === null || Date.now() > expiresAt - EARLY * 1000;

function begin(answer: TokenAnswer): void {
  token = answer.access_token;
  expiresAt = Date.now() + answer.expires_in * 1000;
  localStorage.setItem(STORE, answer.refresh_token);
  useSession.setState({ status: 'in', user: answer.name, role: answer.role, why: null });
}

/** The log-in is over: by the person, or because the server no longer takes it. */
export function ended(why: 'expired' | 'left'): void {
  token = null;
  expiresAt = 0;
  localStorage.removeItem(STORE);
  if (useSession.getState().status !== 'out') useSession.setState({ status: 'out', user: null, role: null, why });
}

async function post(path: string, body: unknown): Promise<Response> {
  try {
    return await fetch(path, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
    });
  } catch {
    throw unreachable();
  }
}

export async function logIn(name: string, password: string): Promise<void> {
  token = null;
  const response = await post('/api/login', { name, password });
  if (!response.ok) throw await problemOf(response);
  begin((await response.json()) as TokenAnswer);
}

/** A fresh access token. False where the log-in is over; throws where the server cannot be reached. */
export function renew(): Promise<boolean> {
  renewing ??= takeTurns(refresh).finally(() => {
    renewing = null;
  });
  return renewing;
}

async function refresh(): Promise<boolean> {
  const stored = localStorage.getItem(STORE);
  if (stored === null) return false;
  const response = await post('/api/refresh', { refresh_token: stored });
  if (response.ok) {
    begin((await response.json()) as TokenAnswer);
    return true;
  }
  if (response.status === 401) return false;
  throw await problemOf(response);
}

async function takeTurns(work: () => Promise<boolean>): Promise<boolean> {
  return 'locks' in navigator ? await navigator.locks.request('live-trading-refresh', work) : await work();
}

export async function logOut(): Promise<void> {
  try {
    await post('/api/logout', {});
  } catch (error) {
    if (!(error instanceof Problem)) throw error; // the server is away: this side forgets all the same
  }
  ended('left');
}

/** Go on with the log-in that this browser has, if it has one. Throws where the server cannot be reached. */
export async function resume(): Promise<void> {
  if (!(await renew())) {
    const had = localStorage.getItem(STORE) !== null;
    localStorage.removeItem(STORE);
    useSession.setState({ status: 'out', user: null, role: null, why: had ? 'expired' : null });
  }
}

/** Another tab logged out, or in as somebody else: this one follows. */
export function followOtherTabs(): void {
  window.addEventListener('storage', (event) => {
    if (event.key === STORE && event.newValue === null) ended('left');
  });
}

const rank: Record<Role, number> = { viewer: 0, trader: 1, admin: 2 };

/** Whether the person may do what needs `role`. The server decides; this only hides what it would refuse. */
export function useMay(role: Role): boolean {
  return useSession((state) => state.role !== null && rank[state.role] >= rank[role]);
}
