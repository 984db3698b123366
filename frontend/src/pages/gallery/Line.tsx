import type { ReactNode } from 'react';

/** Variants of one thing, with what they vary by. */
export function Line({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="flex items-start gap-2">
      <span className="mt-1 w-20 shrink-0 text-xs text-muted">{name}</span>
      <div className="flex flex-wrap items-center gap-2">{children}</div>
    </div>
  );
}
