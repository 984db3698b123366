import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { OctagonX, ServerCrash, ShieldQuestion, WifiOff } from 'lucide-react';
import type { ReactNode } from 'react';
import { overall } from '@/api/queries';
import { useSystem } from '@/api/system';
import { cn } from '@/lib/cn';
import { duration } from '@/lib/format';
import { useNow } from '@/lib/useNow';
import { useLink } from '@/live/link';
import { useUi } from '@/stores/ui';

/** What a person must know before anything on the page is believed. The gravest first, all of them shown. */
export function Banners() {
  const { state, since, bye } = useLink();
  const now = useNow();
  const system = useSystem();
  const figures = useQuery(overall());
  const open = useUi((ui) => ui.open);
  const waiting = figures.data?.orders_waiting_for_operator ?? 0;
  return (
    <div aria-live="polite">
      {state === 'offline' && (
        <Banner tone="bad" icon={<WifiOff />}>
          <b>Data stream offline · {duration(Math.floor(Math.max(0, now - since) / 1000))}</b>
          <span>Numbers stand as they were then. It connects again by itself{bye === null ? '.' : `: ${bye}`}</span>
        </Banner>
      )}
      {system.engine === 'away' && (
        <Banner tone="bad" icon={<ServerCrash />}>
          <b>No engine is trading</b>
          <span>
            {system.engineDetail}. Stops and targets rest at the broker; what you ask for is kept until it is back.
          </span>
        </Banner>
      )}
      {system.engine === 'recovering' && (
        <Banner tone="warn" icon={<ServerCrash />}>
          <b>The engine is recovering</b>
          <span>It compares its journal with the broker. Nothing trades until it is done.</span>
          <Link to="/recovery" className="font-medium underline">
            Follow it
          </Link>
        </Banner>
      )}
      {system.killSwitch !== null && (
        <Banner tone="bad" icon={<OctagonX />}>
          <b>Kill switch tripped</b>
          <span>{system.killSwitch.reason}. No operation takes new risk.</span>
          <button type="button" className="font-medium underline" onClick={() => open('kill')}>
            Look at it
          </button>
        </Banner>
      )}
      {waiting > 0 && (
        <Banner tone="warn" icon={<ShieldQuestion />}>
          <b>{waiting === 1 ? 'An order waits' : `${waiting} orders wait`} for your decision</b>
          <Link to="/recovery" className="font-medium underline">
            See the evidence
          </Link>
        </Banner>
      )}
    </div>
  );
}

const tones = { bad: 'bg-down-soft [&>svg]:text-down', warn: 'bg-warn-soft [&>svg]:text-warn' };

function Banner({ tone, icon, children }: { tone: keyof typeof tones; icon: ReactNode; children: ReactNode }) {
  return (
    <div
      className={cn(
        'flex flex-wrap items-center gap-x-2 gap-y-0.5 border-b border-line px-4 py-1.5 text-text [&>svg]:size-4 [&>svg]:shrink-0',
        tones[tone],
      )}
    >
      {icon}
      {children}
    </div>
  );
}
