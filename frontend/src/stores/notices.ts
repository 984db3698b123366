import { create } from 'zustand';

export type NoticeKind = 'info' | 'good' | 'warn' | 'bad';

export interface Notice {
  id: number;
  kind: NoticeKind;
  title: string;
  text?: string | undefined;
}

interface NoticeState {
  notices: Notice[];
  dismiss: (id: number) => void;
}

/** At most this many are shown; older ones go. */
const MOST = 5;
let last = 0;

export const useNotices = create<NoticeState>()((set) => ({
  notices: [],
  dismiss: (id) => set((state) => ({ notices: state.notices.filter((notice) => notice.id !== id) })),
}));

/** Tell something in the corner of the screen. Failures are told where the action was, not here. */
export function notify(kind: NoticeKind, title: string, text?: string): void {
  last += 1;
  const notice = { id: last, kind, title, text };
  useNotices.setState((state) => ({ notices: [...state.notices, notice].slice(-MOST) }));
}
