import { fileURLToPath } from 'node:url';
import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const api = process.env['API_URL'] ?? 'http://127.0.0.1:8000';

export default defineConfig({
  plugins: [react(), tailwindcss()],
  resolve: {
    alias: {
      '@': source('./src'),
      // Radix locks scrolling by adding a <style> element, which the content security policy refuses.
      'react-remove-scroll': source('./src/lib/removeScroll.tsx'),
    },
  },
  build: { target: 'es2023', sourcemap: false, assetsInlineLimit: 0, chunkSizeWarningLimit: 450 },
  server: {
    host: '127.0.0.1',
    proxy: {
      '/api': { target: api },
      '/health': { target: api },
      '/ws': { target: api, ws: true },
    },
  },
});
