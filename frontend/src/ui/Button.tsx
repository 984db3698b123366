import { Loader2 } from 'lucide-react';
import type { ComponentPropsWithRef, ReactNode } from 'react';
import { cn } from '@/lib/cn';

export type ButtonKind = 'primary' | 'plain' | 'quiet' | 'danger' | 'dangerQuiet' | 'live';

const kinds: Record<ButtonKind, string> = {
  primary: 'bg-accent text-on-accent border-transparent hover:brightness-110',
  plain: 'bg-surface text-text border-line hover:border-line-strong hover:bg-sunken',
  quiet: 'bg-transparent text-soft border-transparent hover:bg-sunken hover:text-text',
  danger: 'bg-danger text-on-danger border-transparent hover:brightness-110',
  dangerQuiet: 'bg-transparent text-down border-transparent hover:bg-down-soft',
  live: 'bg-live text-on-live border-transparent hover:brightness-110',
};

export interface ButtonProps extends ComponentPropsWithRef<'button'> {
  kind?: ButtonKind;
  size?: 'sm' | 'md' | 'lg';
  busy?: boolean;
  icon?: ReactNode;
}

const sizes = {
  sm: 'h-7 px-2 text-xs gap-1',
  md: 'h-8 px-3 text-[0.8125rem] gap-1.5',
  lg: 'h-10 px-4 text-sm gap-2',
};

/** `busy` shows that it is being done, and keeps it from being done twice. */
export function Button({
  kind = 'plain',
  size = 'md',
  busy,
  icon,
  className,
  children,
  disabled,
  ...rest
}: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      disabled={disabled === true || busy === true}
      aria-busy={busy === true || undefined}
      className={cn(
        'inline-flex shrink-0 items-center justify-center rounded-md border font-medium whitespace-nowrap transition-colors select-none disabled:opacity-55 [&_svg]:size-4 [&_svg]:shrink-0',
        kinds[kind],
        sizes[size],
        className,
      )}
    >
      {busy ? <Loader2 className="animate-spin" aria-hidden /> : icon}
      {children}
    </button>
  );
}

/** A button that is only an icon; `label` is what it is called. */
export function IconButton({ label, size = 'md', className, ...rest }: ButtonProps & { label: string }) {
  return (
    <Button
      kind="quiet"
      size={size}
      aria-label={label}
      title={label}
      className={cn(size === 'sm' ? 'w-7 px-0' : 'w-8 px-0', className)}
      {...rest}
    />
  );
}
