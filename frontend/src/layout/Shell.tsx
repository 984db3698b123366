import { useQueryClient } from '@tanstack/react-query';
import { Link, Outlet } from '@tanstack/react-router';
import { MoreHorizontal, PanelLeftClose, PanelLeftOpen } from 'lucide-react';
import { useEffect } from 'react';
import { cn } from '@/lib/cn';
import { followEverything } from '@/live/feed';
import { useMay } from '@/stores/session';
import { useUi } from '@/stores/ui';
import { IconButton } from '@/ui/Button';
import { AlertsSheet } from './AlertsSheet';
import { Banners } from './Banners';
import { CommandPalette } from './CommandPalette';
import { HelpSheet } from './HelpSheet';
import { KillSwitch } from './KillSwitch';
import { PLACES } from './nav';
import { TopBar } from './TopBar';
import { useShortcuts } from './useShortcuts';

/** What is around every page once somebody is logged in. */
export function Shell() {
  const client = useQueryClient();
  useEffect(() => followEverything(client), [client]);
  useShortcuts();
  return (
    <div className="flex min-h-dvh">
      <a
        href="#main"
        className="fixed top-1 left-1 z-60 -translate-y-16 rounded-md bg-accent px-3 py-1.5 text-on-accent focus:translate-y-0"
      >
        Skip to the page
      </a>
      <SideBar />
      <div className="flex min-w-0 flex-1 flex-col">
        <TopBar />
        <Banners />
        <main id="main" tabIndex={-1} className="min-w-0 flex-1 p-3 pb-20 outline-none lg:p-4 lg:pb-6">
          <Outlet />
        </main>
      </div>
      <PhoneBar />
      <CommandPalette />
      <HelpSheet />
      <AlertsSheet />
      <KillSwitch />
    </div>
  );
}

function SideBar() {
  const { navCollapsed, toggleNav } = useUi();
  const mayTrade = useMay('trader');
  return (
    <nav
      aria-label="Places"
      className={cn(
        'sticky top-0 hidden h-dvh shrink-0 flex-col border-r border-line bg-surface p-2 lg:flex',
        navCollapsed ? 'w-13' : 'w-46',
      )}
    >
      <div className="flex h-9 items-center gap-2 px-1.5 pb-1">
        <img src="/favicon.svg" alt="" className="size-6" />
        {!navCollapsed && <span className="font-semibold tracking-tight">live-trading</span>}
      </div>
      <ul className="mt-2 flex flex-1 flex-col gap-0.5">
        {PLACES.filter((place) => place.role === undefined || mayTrade).map(({ to, label, icon: Icon }) => (
          <li key={to}>
            <Link
              to={to}
              activeOptions={{ exact: to === '/' }}
              title={navCollapsed ? label : undefined}
              aria-label={label}
              className="flex h-8.5 items-center gap-2.5 rounded-md px-2.5 font-medium text-soft hover:bg-sunken hover:text-text aria-[current=page]:bg-accent-soft aria-[current=page]:text-accent"
            >
              <Icon className="size-4 shrink-0" aria-hidden />
              {!navCollapsed && label}
            </Link>
          </li>
        ))}
      </ul>
      <IconButton
        label={navCollapsed ? 'Show names' : 'Icons only'}
        icon={navCollapsed ? <PanelLeftOpen /> : <PanelLeftClose />}
        onClick={toggleNav}
      />
    </nav>
  );
}

function PhoneBar() {
  const open = useUi((ui) => ui.open);
  return (
    <nav
      aria-label="Places"
      className="fixed inset-x-0 bottom-0 z-30 grid grid-cols-5 border-t border-line bg-surface pb-[env(safe-area-inset-bottom)] lg:hidden"
    >
      {PLACES.filter(({ phone }) => phone).map(({ to, label, icon: Icon }) => (
        <Link
          key={to}
          to={to}
          activeOptions={{ exact: to === '/' }}
          className="flex h-14 flex-col items-center justify-center gap-0.5 text-2xs text-muted aria-[current=page]:text-accent"
        >
          <Icon className="size-5" aria-hidden />
          {label}
        </Link>
      ))}
      <button
        type="button"
        onClick={() => open('palette')}
        className="flex h-14 flex-col items-center justify-center gap-0.5 text-2xs text-muted"
      >
        <MoreHorizontal className="size-5" aria-hidden />
        More
      </button>
    </nav>
  );
}
