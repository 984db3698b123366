import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { Bell, Keyboard, LogOut, Moon, OctagonX, Search, type LucideIcon } from 'lucide-react';
import { Dialog as Radix } from 'radix-ui';
import { useMemo, useRef, useState } from 'react';
import { paletteOperations } from '@/api/queries';
import { cn } from '@/lib/cn';
import { logOut, useMay } from '@/stores/session';
import { isDark, useUi } from '@/stores/ui';
import { AccountBadge } from '@/ui/Badge';
import { EXTRA, PLACES } from './nav';

interface Command {
  id: string;
  label: string;
  hint?: string;
  account?: string;
  icon?: LucideIcon;
  run: () => void;
}

export function CommandPalette() {
  const { paletteOpen, open } = useUi();
  return (
    <Radix.Root open={paletteOpen} onOpenChange={(value) => open('palette', value)}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-40 bg-black/45" />
        <Radix.Content
          aria-describedby={undefined}
          className="fixed top-[10vh] left-1/2 z-50 flex max-h-[70dvh] w-[min(36rem,calc(100vw-1.5rem))] -translate-x-1/2 flex-col overflow-hidden rounded-xl border border-line bg-raised shadow-(--shadow) outline-none"
        >
          <Radix.Title className="sr-only">Command palette</Radix.Title>
          <Palette close={() => open('palette', false)} />
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

function useCommands(close: () => void): Command[] {
  const navigate = useNavigate();
  const { theme, setTheme, open } = useUi();
  const mayTrade = useMay('trader');
  const operations = useQuery(paletteOperations());
  return useMemo(() => {
    const go = (run: () => void) => () => {
      close();
      run();
    };
    return [
      ...[...PLACES, ...EXTRA]
        .filter((place) => place.role === undefined || mayTrade)
        .map((place) => ({
          id: place.to,
          label: place.label,
          hint: place.keys,
          icon: place.icon,
          run: go(() => void navigate({ to: place.to })),
        })),
      ...(operations.data?.items ?? []).map((operation) => ({
        id: operation.id,
        label: `${operation.symbol} · ${operation.strategy_name}`,
        hint: operation.status,
        account: operation.account_type,
        run: go(() => void navigate({ to: '/operations/$id', params: { id: operation.id } })),
      })),
      { id: 'kill', label: 'Kill switch', hint: 'shift K', icon: OctagonX, run: go(() => open('kill')) },
      { id: 'alerts', label: 'Alerts', hint: 'a', icon: Bell, run: go(() => open('alerts')) },
      {
        id: 'theme',
        label: isDark(theme) ? 'Light theme' : 'Dark theme',
        hint: 't',
        icon: Moon,
        run: go(() => setTheme(isDark(theme) ? 'light' : 'dark')),
      },
      { id: 'help', label: 'Keyboard shortcuts', hint: '?', icon: Keyboard, run: go(() => open('help')) },
      { id: 'logout', label: 'Log out', icon: LogOut, run: go(() => void logOut()) },
    ];
  }, [close, mayTrade, navigate, open, operations.data, setTheme, theme]);
}

function Palette({ close }: { close: () => void }) {
  const commands = useCommands(close);
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const found = commands.filter(({ label, hint }) =>
    text
      .toLowerCase()
      .split(/\s+/)
      .every((word) => `${label} ${hint ?? ''}`.toLowerCase().includes(word)),
  );
  const chosen = Math.min(at, Math.max(found.length - 1, 0));
  const move = (to: number) => {
    const next = (to + found.length) % Math.max(found.length, 1);
    setAt(next);
    list.current?.children[next]?.scrollIntoView({ block: 'nearest' });
  };

  return (
    <>
      <div className="flex items-center gap-2 border-b border-line px-3">
        <Search className="size-4 text-muted" aria-hidden />
        <input
          role="combobox"
          aria-expanded
          aria-controls="palette-list"
          aria-activedescendant={found[chosen] ? `palette-${found[chosen].id}` : undefined}
          aria-label="Find a place, an operation, an action"
          placeholder="Find a place, an operation, an action"
          value={text}
          onChange={(event) => {
            setText(event.target.value);
            setAt(0);
          }}
          onKeyDown={(event) => {
            if (event.key === 'ArrowDown') move(chosen + 1);
            else if (event.key === 'ArrowUp') move(chosen - 1);
            else if (event.key === 'Enter') found[chosen]?.run();
            else return;
            event.preventDefault();
          }}
          className="h-11 flex-1 bg-transparent text-sm outline-none placeholder:text-muted"
        />
      </div>
      <div ref={list} id="palette-list" role="listbox" aria-label="Commands" className="overflow-y-auto p-1">
        {found.map((command, index) => (
          // eslint-disable-next-line jsx-a11y/click-events-have-key-events -- the combobox has the keys
          <div
            key={command.id}
            id={`palette-${command.id}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === chosen}
            onClick={command.run}
            onMouseMove={() => setAt(index)}
            className={cn(
              'flex h-9 cursor-pointer items-center gap-2.5 rounded-md px-2',
              index === chosen && 'bg-sunken',
            )}
          >
            {command.icon ? <command.icon className="size-4 text-muted" aria-hidden /> : <span className="size-4" />}
            <span className="min-w-0 flex-1 truncate">{command.label}</span>
            {command.account !== undefined && <AccountBadge type={command.account} />}
            {command.hint !== undefined && <span className="text-xs text-muted">{command.hint}</span>}
          </div>
        ))}
      </div>
      {found.length === 0 && <p className="px-4 pb-5 text-center text-muted">Nothing is called that.</p>}
    </>
  );
}
