import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { isProblem } from './api/problem';
import { router } from './router';
import { resume, useSession } from './stores/session';
import { Button } from './ui/Button';
import { TooltipProvider } from './ui/Menu';
import { Toaster } from './ui/Toaster';
import { LoginPage } from './pages/entry/LoginPage';

/** Only what may pass is tried again: an answer that says no stays a no. */
const mayPass = (error: unknown): boolean => !isProblem(error) || error.status === 0 || error.status >= 500;

export const makeClient = () =>
  new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 10_000,
        retry: (count, error) => count < 3 && mayPass(error),
        retryDelay: (count) => Math.min(500 * 2 ** count, 5_000),
        refetchOnWindowFocus: true,
      },
    },
  });

export function App() {
  const [client] = useState(makeClient);
  const { status } = useSession();
  useEffect(() => {
    if (status === 'out') client.clear(); // what one person saw is not the next one's to see
  }, [status, client]);
  return (
    <QueryClientProvider client={client}>
      <TooltipProvider>
        {status === 'starting' ? <Starting /> : status === 'out' ? <LoginPage /> : <RouterProvider router={router} />}
        <Toaster />
      </TooltipProvider>
    </QueryClientProvider>
  );
}

/** Milliseconds between two tries while the server does not answer. */
const AGAIN = 2_000;

/** Whether this browser is logged in is being found out; a server that is away is waited for. */
function Starting() {
  const [failed, setFailed] = useState(false);
  const [tries, setTries] = useState(0);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    void resume().catch(() => {
      setFailed(true);
      timer = setTimeout(() => setTries((count) => count + 1), AGAIN);
    });
    return () => clearTimeout(timer);
  }, [tries]);
  return (
    <main className="flex min-h-dvh flex-col items-center justify-center gap-3 p-6 text-center">
      <h1 className="sr-only">live-trading</h1>
      <img src="/favicon.svg" alt="" className="size-12" />
      {failed ? (
        <>
          <p className="font-medium">The server does not answer</p>
          <p className="text-muted">
            This page goes on by itself when it does. Stops and targets rest at the broker meanwhile.
          </p>
          <Button onClick={() => setTries((count) => count + 1)}>Try now</Button>
        </>
      ) : (
        <p role="status" className="text-muted">
          Connecting…
        </p>
      )}
    </main>
  );
}
