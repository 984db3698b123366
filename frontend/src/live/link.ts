import { create } from 'zustand';
import type { JournalEntry } from '@/api/types';
import type { LinkState } from './socket';

/** Entries kept for what follows the journal live; older ones are asked of the server. */
export const TAIL = 500;

interface LinkStore {
  state: LinkState;
  /** Since when it is so, by this machine's clock. */
  since: number;
  /** The server's clock less this machine's, in milliseconds. */
  skew: number;
  head: number;
  /** The entry up to which reads are up to date. */
  readModels: number;
  /** The newest entries, oldest first. */
  tail: JournalEntry[];
  /** Why the server closed the last connection. */
  bye: string | null;
}

export const useLink = create<LinkStore>()(() => ({
  state: 'connecting',
  since: Date.now(),
  skew: 0,
  head: 0,
  readModels: 0,
  tail: [],
  bye: null,
}));

export const serverNow = (): number => Date.now() + useLink.getState().skew;
