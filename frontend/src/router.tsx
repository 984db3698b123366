import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Link, Outlet } from '@tanstack/react-router';
import { z } from 'zod';
import { Entrance } from './pages/entry/Entrance';
import { Button } from './ui/Button';
import { Empty, ErrorNote, Loading } from './ui/States';

const optionalText = z.string().optional().catch(undefined);

const root = createRootRoute({
  component: Outlet,
  notFoundComponent: () => (
    <Empty title="There is no such page">
      <Link to="/" className="font-medium text-accent">
        To the dashboard
      </Link>
    </Empty>
  ),
});

const app = createRoute({ getParentRoute: () => root, id: 'app', component: Entrance });

const dashboard = createRoute({
  getParentRoute: () => app,
  path: '/',
  component: lazyRouteComponent(() => import('./pages/dashboard/DashboardPage')),
});
const operations = createRoute({
  getParentRoute: () => app,
  path: '/operations',
  validateSearch: z.object({
    status: z.enum(['active', 'paused', 'closing', 'closed', 'error']).optional().catch(undefined),
    asset: optionalText,
    strategy: optionalText,
    sort: optionalText,
  }),
  component: lazyRouteComponent(() => import('./pages/operations/OperationsPage')),
});
const operation = createRoute({
  getParentRoute: () => app,
  path: '/operations/$id',
  validateSearch: z.object({
    tab: z.enum(['orders', 'trades', 'signals', 'stats', 'journal', 'notes', 'settings']).optional().catch(undefined),
  }),
  component: lazyRouteComponent(() => import('./pages/operation/OperationPage')),
});
const create = createRoute({
  getParentRoute: () => app,
  path: '/create',
  component: lazyRouteComponent(() => import('./pages/create/CreatePage')),
});
const journal = createRoute({
  getParentRoute: () => app,
  path: '/journal',
  validateSearch: z.object({
    at: z.coerce.number().int().min(1).optional().catch(undefined),
    type: optionalText,
    operation: optionalText,
  }),
  component: lazyRouteComponent(() => import('./pages/journal/JournalPage')),
});
const recovery = createRoute({
  getParentRoute: () => app,
  path: '/recovery',
  component: lazyRouteComponent(() => import('./pages/recovery/RecoveryPage')),
});
const backtest = createRoute({
  getParentRoute: () => app,
  path: '/backtest',
  component: lazyRouteComponent(() => import('./pages/backtest/BacktestPage')),
});
const settings = createRoute({
  getParentRoute: () => app,
  path: '/settings',
  validateSearch: z.object({
    tab: z.enum(['brokers', 'risk', 'alerts', 'users', 'all']).optional().catch(undefined),
  }),
  component: lazyRouteComponent(() => import('./pages/settings/SettingsPage')),
});
const gallery = createRoute({
  getParentRoute: () => app,
  path: '/components',
  component: lazyRouteComponent(() => import('./pages/gallery/GalleryPage')),
});

export const router = createRouter({
  routeTree: root.addChildren([
    app.addChildren([dashboard, operations, operation, create, journal, recovery, backtest, settings, gallery]),
  ]),
  defaultPreload: 'intent',
  scrollRestoration: false,
  defaultPendingComponent: () => <Loading rows={8} />,
  defaultErrorComponent: ({ error, reset }) => (
    <div className="mx-auto max-w-xl pt-8">
      <ErrorNote error={error} />
      <div className="mt-3 flex gap-2">
        <Button onClick={reset}>Try again</Button>
        <Button kind="quiet" onClick={() => window.location.reload()}>
          Load the page anew
        </Button>
      </div>
    </div>
  ),
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
