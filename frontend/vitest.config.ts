import { defineConfig, mergeConfig } from 'vitest/config';
import vite from './vite.config.ts';

const common = { globals: false, restoreMocks: true };

export default mergeConfig(
  vite,
  defineConfig({
    test: {
      projects: [
        {
          extends: true,
          test: {
            ...common,
            name: 'unit',
            environment: 'jsdom',
            include: ['test/**/*.test.{ts,tsx}'],
            setupFiles: ['test/setup.ts'],
            testTimeout: 60_000,
          },
        },
        {
          extends: true,
          test: {
            ...common,
            name: 'e2e',
            environment: 'node',
            include: ['e2e/**/*.e2e.ts'],
            fileParallelism: false,
            testTimeout: 120_000,
            hookTimeout: 300_000,
          },
        },
      ],
    },
  }),
);
