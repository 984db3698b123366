import { create } from 'zustand';
import { persist } from 'zustand/middleware';

export type Theme = 'system' | 'light' | 'dark';

interface UiState {
  theme: Theme;
  navCollapsed: boolean;
  paletteOpen: boolean;
  helpOpen: boolean;
  alertsOpen: boolean;
  killOpen: boolean;
  /** The first start's steps are under way, or were left for good. */
  inWizard: boolean;
  wizardSkipped: boolean;
  setTheme: (theme: Theme) => void;
  toggleNav: () => void;
  open: (what: Panel, value?: boolean) => void;
}

type Panel = 'palette' | 'help' | 'alerts' | 'kill';

/** What the screen itself remembers. Nothing here comes from the server. */
export const useUi = create<UiState>()(
  persist(
    (set) => ({
      theme: 'system',
      navCollapsed: false,
      paletteOpen: false,
      helpOpen: false,
      alertsOpen: false,
      killOpen: false,
      inWizard: false,
      wizardSkipped: false,
      setTheme: (theme) => {
        applyTheme(theme);
        set({ theme });
      },
      toggleNav: () => set((state) => ({ navCollapsed: !state.navCollapsed })),
      open: (what, value = true) => set({ [`${what}Open`]: value }),
    }),
    {
      name: 'live-trading-ui',
      partialize: ({ theme, navCollapsed, wizardSkipped }) => ({ theme, navCollapsed, wizardSkipped }),
    },
  ),
);

const darkness = () => window.matchMedia('(prefers-color-scheme: dark)');

/** Whether `theme` is dark now. */
export const isDark = (theme: Theme): boolean => theme === 'dark' || (theme === 'system' && darkness().matches);

export function applyTheme(theme: Theme): void {
  document.documentElement.dataset['theme'] = isDark(theme) ? 'dark' : 'light';
}

/** Follow the system's theme for as long as the person has not chosen one. */
export function followSystemTheme(): void {
  applyTheme(useUi.getState().theme);
  darkness().addEventListener('change', () => applyTheme(useUi.getState().theme));
}
