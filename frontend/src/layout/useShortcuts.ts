import { useNavigate } from '@tanstack/react-router';
import { useEffect } from 'react';
import { isDark, useUi } from '@/stores/ui';
import { PLACES } from './nav';

/** How long the second key of two may take, in milliseconds. */
const PATIENCE = 1200;

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

/** Keys that work everywhere but where text is being written, or a dialog is open. */
export function useShortcuts(): void {
  const navigate = useNavigate();
  useEffect(() => {
    let first: { key: string; at: number } | null = null;
    const pressed = (event: KeyboardEvent) => {
      const ui = useUi.getState();
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        ui.open('palette', !ui.paletteOpen);
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (document.querySelector('[role="dialog"][data-state="open"]')) return;
      if (first?.key === 'g' && Date.now() - first.at < PATIENCE) {
        const place = PLACES.find(({ keys }) => keys === `g ${event.key}`);
        first = null;
        if (place) void navigate({ to: place.to });
        return;
      }
      first = { key: event.key, at: Date.now() };
      if (event.key === '?') ui.open('help');
      else if (event.key === 'n') void navigate({ to: '/create' });
      else if (event.key === 'a') ui.open('alerts');
      else if (event.key === 'K') ui.open('kill');
      else if (event.key === 't') ui.setTheme(isDark(ui.theme) ? 'light' : 'dark');
    };
    window.addEventListener('keydown', pressed);
    return () => window.removeEventListener('keydown', pressed);
  }, [navigate]);
}
