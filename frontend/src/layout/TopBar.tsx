import { useQuery } from '@tanstack/react-query';
import { Bell, LogOut, Monitor, Moon, OctagonX, Search, Sun, UserRound } from 'lucide-react';
import { overall } from '@/api/queries';
import { useSystem } from '@/api/system';
import { cn } from '@/lib/cn';
import { logOut, useMay, useSession } from '@/stores/session';
import { useUi, type Theme } from '@/stores/ui';
import { useUnacknowledged } from './useAlerts';
import { AccountBadge } from '@/ui/Badge';
import { Button, IconButton } from '@/ui/Button';
import { StreamState } from '@/ui/Freshness';
import { Key, Menu } from '@/ui/Menu';
import { Pnl } from '@/ui/Numbers';

const themes: Record<Theme, { next: Theme; icon: typeof Sun; label: string }> = {
  system: { next: 'light', icon: Monitor, label: "Theme: the system's. Change to light" },
  light: { next: 'dark', icon: Sun, label: 'Theme: light. Change to dark' },
  dark: { next: 'system', icon: Moon, label: "Theme: dark. Change to the system's" },
};

/** What is always in sight: whose money, how it stands, whether it is live, and how to stop it. */
export function TopBar() {
  const { theme, setTheme, open } = useUi();
  const { user, role } = useSession();
  const system = useSystem();
  const mayTrade = useMay('trader');
  const unread = useUnacknowledged();
  const ThemeIcon = themes[theme].icon;
  const live = system.account === 'LIVE';
  return (
    <header
      className={cn(
        'sticky top-0 z-30 flex h-12 items-center gap-2 border-b border-line bg-surface px-3 lg:gap-3',
        live && 'border-t-3 border-t-live',
      )}
    >
      {system.account !== null && <AccountBadge type={system.account} className="h-6 px-2 text-xs" />}
      <Today />
      <StreamState className="hidden sm:inline-flex" />
      <div className="ml-auto flex items-center gap-1">
        <button
          type="button"
          onClick={() => open('palette')}
          className="mr-1 hidden h-8 items-center gap-2 rounded-md border border-line bg-bg px-2 text-muted hover:border-line-strong md:inline-flex"
        >
          <Search className="size-4" aria-hidden /> <span className="pr-6">Find…</span> <Key>ctrl</Key>
          <Key>K</Key>
        </button>
        <IconButton label="Find" className="md:hidden" icon={<Search />} onClick={() => open('palette')} />
        <span className="relative">
          <IconButton
            label={unread === 0 ? 'Alerts' : `Alerts: ${unread} to acknowledge`}
            icon={<Bell />}
            onClick={() => open('alerts')}
          />
          {unread > 0 && (
            <span
              aria-hidden
              className="pointer-events-none absolute -top-0.5 -right-0.5 flex h-4 min-w-4 items-center justify-center rounded-full bg-danger px-1 text-[0.625rem] font-semibold text-on-danger"
            >
              {unread > 99 ? '99+' : unread}
            </span>
          )}
        </span>
        <IconButton
          label={themes[theme].label}
          className="hidden sm:inline-flex"
          icon={<ThemeIcon />}
          onClick={() => setTheme(themes[theme].next)}
        />
        <Menu
          trigger={<IconButton label={`Logged in as ${user ?? ''}`} icon={<UserRound />} />}
          header={
            <>
              <span className="block font-medium text-text">{user}</span>
              {role}
            </>
          }
          items={[
            { label: themes[theme].label, icon: <ThemeIcon />, onSelect: () => setTheme(themes[theme].next) },
            { label: 'Log out', icon: <LogOut />, onSelect: () => void logOut() },
          ]}
        />
        {mayTrade && (
          <Button
            kind={system.killSwitch === null ? 'plain' : 'danger'}
            className={cn(
              'ml-1',
              system.killSwitch === null && 'border-danger/60 text-down hover:border-danger hover:bg-down-soft',
            )}
            icon={<OctagonX />}
            aria-label={system.killSwitch === null ? 'Kill switch' : 'Kill switch: tripped'}
            onClick={() => open('kill')}
          >
            <span className="hidden sm:inline">{system.killSwitch === null ? 'Kill switch' : 'Tripped'}</span>
          </Button>
        )}
      </div>
    </header>
  );
}

function Today() {
  const { data } = useQuery(overall());
  const currencies = Object.entries(data?.by_currency ?? {});
  if (currencies.length === 0) return null;
  return (
    <div className="hidden items-center gap-3 md:flex" aria-label="Profit and loss today">
      <span className="text-xs text-muted">Today</span>
      {currencies.map(([currency, figures]) => (
        <Pnl key={currency} value={figures.pnl_today} currency={currency} className="font-semibold" />
      ))}
    </div>
  );
}
