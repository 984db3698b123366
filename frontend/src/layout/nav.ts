import {
  Activity,
  BookOpen,
  CandlestickChart,
  LayoutDashboard,
  LifeBuoy,
  Plus,
  Scale,
  Settings,
  type LucideIcon,
} from 'lucide-react';

export interface Place {
  to: string;
  label: string;
  icon: LucideIcon;
  keys: string;
  /** In the bar at the bottom of a phone; the others are behind "More". */
  phone: boolean;
  role?: 'trader' | 'admin';
}

export const PLACES: readonly Place[] = [
  { to: '/', label: 'Dashboard', icon: LayoutDashboard, keys: 'g d', phone: true },
  { to: '/operations', label: 'Operations', icon: CandlestickChart, keys: 'g o', phone: true },
  { to: '/create', label: 'Create', icon: Plus, keys: 'g c', phone: false, role: 'trader' },
  { to: '/journal', label: 'Journal', icon: BookOpen, keys: 'g j', phone: true },
  { to: '/recovery', label: 'Recovery', icon: LifeBuoy, keys: 'g r', phone: true },
  { to: '/backtest', label: 'Backtest', icon: Scale, keys: 'g b', phone: false },
  { to: '/settings', label: 'Settings', icon: Settings, keys: 'g s', phone: false },
];

export const EXTRA: readonly Place[] = [
  { to: '/components', label: 'Components', icon: Activity, keys: 'g k', phone: false },
];

export interface Shortcut {
  keys: string;
  does: string;
}

export const SHORTCUTS: readonly Shortcut[] = [
  ...PLACES.map(({ keys, label }) => ({ keys, does: `Go to ${label}` })),
  { keys: 'ctrl k', does: 'Command palette: find a place, an operation, an action' },
  { keys: 'n', does: 'New operation' },
  { keys: 'a', does: 'Alerts' },
  { keys: 'shift K', does: 'Kill switch' },
  { keys: 't', does: 'Light or dark' },
  { keys: '?', does: 'This sheet' },
  { keys: 'esc', does: 'Close what is open' },
  { keys: '← →', does: 'Journal: one entry back, one on (on the time slider)' },
];
