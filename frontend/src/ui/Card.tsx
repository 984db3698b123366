import type { ReactNode } from 'react';
import { cn } from '@/lib/cn';

interface CardProps {
  title?: ReactNode;
  hint?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  className?: string;
  /** No padding: for tables and charts, which have their own. */
  flush?: boolean;
  label?: string;
}

/** A titled area of a page. */
export function Card({ title, hint, actions, children, className, flush, label }: CardProps) {
  const name = label ?? (typeof title === 'string' ? title : undefined);
  return (
    <section
      aria-label={name}
      className={cn('flex min-w-0 flex-col overflow-hidden rounded-lg border border-line bg-surface', className)}
    >
      {(title ?? actions) !== undefined && (
        <header className="flex min-h-10 flex-wrap items-center gap-x-3 gap-y-1 border-b border-line px-3 py-1.5">
          {title !== undefined && <h2 className="text-[0.8125rem] font-semibold">{title}</h2>}
          {hint !== undefined && <span className="text-xs text-muted">{hint}</span>}
          {actions !== undefined && <div className="ml-auto flex flex-wrap items-center gap-1.5">{actions}</div>}
        </header>
      )}
      <div className={cn('min-h-0 min-w-0 flex-1', !flush && 'p-3')}>{children}</div>
    </section>
  );
}

/** One figure with its name. */
export function Stat({ name, children, hint, className }: StatProps) {
  return (
    <div className={cn('min-w-0', className)}>
      <dt className="truncate text-xs text-muted">{name}</dt>
      <dd className="num mt-0.5 truncate text-[0.9375rem] leading-5 font-semibold">{children}</dd>
      {hint !== undefined && <dd className="mt-0.5 truncate text-xs text-muted">{hint}</dd>}
    </div>
  );
}

interface StatProps {
  name: ReactNode;
  children: ReactNode;
  hint?: ReactNode;
  className?: string;
}

/** Names and values, one a line. */
export function Facts({ rows, className }: { rows: readonly (readonly [ReactNode, ReactNode])[]; className?: string }) {
  return (
    <dl className={cn('grid grid-cols-[minmax(0,auto)_minmax(0,1fr)] gap-x-4 gap-y-1.5', className)}>
      {rows.map(([name, value], index) => (
        <div key={index} className="contents">
          <dt className="text-muted">{name}</dt>
          <dd className="min-w-0 text-right break-words">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function PageTitle({ title, hint, children }: { title: ReactNode; hint?: ReactNode; children?: ReactNode }) {
  return (
    <div className="mb-3 flex min-h-8 flex-wrap items-center gap-x-3 gap-y-2">
      <h1 className="text-lg leading-6 font-semibold tracking-tight">{title}</h1>
      {hint !== undefined && <span className="text-muted">{hint}</span>}
      {children !== undefined && <div className="ml-auto flex flex-wrap items-center gap-2">{children}</div>}
    </div>
  );
}
