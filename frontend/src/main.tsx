import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import * as z from 'zod';
import './app.css';
import { App } from './App';
import { followOtherTabs } from './stores/session';
import { followSystemTheme } from './stores/ui';

// zod would otherwise try whether it may compile code, which the content security policy refuses, loudly.
z.config({ jitless: true });
followSystemTheme();
followOtherTabs();

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
