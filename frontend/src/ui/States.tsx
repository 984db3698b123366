import { AlertTriangle, CircleAlert, Info, RotateCw } from 'lucide-react';
import type { ReactNode } from 'react';
import { isProblem } from '@/api/problem';
import { cn } from '@/lib/cn';
import { refusalTitle, RULES } from '@/lib/rules';
import { Button } from './Button';

/** Nothing there, and what to do about it. */
export function Empty({ title, children, icon }: { title: string; children?: ReactNode; icon?: ReactNode }) {
  return (
    <div className="flex flex-col items-center gap-2 px-6 py-10 text-center text-muted [&_svg]:size-5">
      {icon}
      <p className="font-medium text-soft">{title}</p>
      {children !== undefined && <div className="max-w-md">{children}</div>}
    </div>
  );
}

export function Skeleton({ className }: { className?: string }) {
  return <div aria-hidden className={cn('animate-pulse rounded bg-sunken', className)} />;
}

export function Loading({ rows = 4 }: { rows?: number }) {
  return (
    <div role="status" aria-label="Loading" className="flex flex-col gap-2 p-3">
      {Array.from({ length: rows }, (_, index) => (
        <Skeleton key={index} className="h-5" />
      ))}
    </div>
  );
}

type NoteTone = 'info' | 'warn' | 'bad';

const noteTones: Record<NoteTone, string> = {
  info: 'bg-accent-soft text-text [&>svg]:text-accent',
  warn: 'bg-warn-soft text-text [&>svg]:text-warn',
  bad: 'bg-down-soft text-text [&>svg]:text-down',
};
const noteIcons = { info: Info, warn: AlertTriangle, bad: CircleAlert };

export function Note({ tone = 'info', title, children, className, role }: NoteProps) {
  const Icon = noteIcons[tone];
  return (
    <div role={role} className={cn('flex gap-2 rounded-md px-3 py-2', noteTones[tone], className)}>
      <Icon className="mt-0.5 size-4 shrink-0" aria-hidden />
      <div className="min-w-0 flex-1 break-words">
        {title !== undefined && <p className="font-medium">{title}</p>}
        {children}
      </div>
    </div>
  );
}

interface NoteProps {
  tone?: NoteTone;
  title?: ReactNode;
  children?: ReactNode;
  className?: string;
  role?: 'alert' | 'status';
}

/** Why something failed or was refused, in words, where it was asked for. */
export function ErrorNote({ error, retry, className }: { error: unknown; retry?: () => void; className?: string }) {
  if (error === null || error === undefined) return null;
  const code = isProblem(error) ? error.code : undefined;
  const rule = code === undefined ? undefined : RULES[code];
  const title = (code && refusalTitle(code)) ?? (isProblem(error) ? error.title : 'That did not work');
  const detail = error instanceof Error ? error.message : 'an error without a message';
  return (
    <Note tone="bad" role="alert" title={title} {...(className === undefined ? {} : { className })}>
      {detail !== title && <p>{detail}</p>}
      {rule && <p className="text-soft">{`${rule.means} ${rule.remedy}`}</p>}
      {isProblem(error) && error.requestId !== undefined && (
        <p className="text-xs text-muted">Request {error.requestId}</p>
      )}
      {retry && (
        <Button size="sm" className="mt-2" onClick={retry} icon={<RotateCw />}>
          Try again
        </Button>
      )}
    </Note>
  );
}
