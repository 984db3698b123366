import { useQuery } from '@tanstack/react-query';
import { Search } from 'lucide-react';
import { useDeferredValue, useState } from 'react';
import { instruments } from '@/api/queries';
import type { InstrumentInfo } from '@/api/types';
import { cn } from '@/lib/cn';
import { isMarketOpen } from '@/lib/market';
import { Badge } from '@/ui/Badge';
import { Field, Input } from '@/ui/Field';
import { ErrorNote, Loading } from '@/ui/States';

interface AssetSearchProps {
  value: string;
  onChoose: (instrument: InstrumentInfo) => void;
  error?: string | undefined;
}

/** Find what to trade by a part of its name, class or currency. */
export function AssetSearch({ value, onChoose, error }: AssetSearchProps) {
  const [text, setText] = useState('');
  const found = useQuery(instruments(useDeferredValue(text)));
  const items = found.data?.items ?? [];
  return (
    <div className="flex min-w-0 flex-col gap-2">
      <Field label="Asset" error={error} hint={value ? `Chosen: ${value}` : 'Choose one of them'}>
        {(field) => (
          <span className="relative block">
            <Search aria-hidden className="absolute top-2 left-2.5 size-4 text-muted" />
            <Input
              {...field}
              className="pl-8"
              placeholder="Search, such as EUR or future"
              value={text}
              onChange={(event) => setText(event.target.value)}
              onKeyDown={(event) => {
                if (event.key !== 'Enter') return;
                event.preventDefault();
                if (items[0]) onChoose(items[0]);
              }}
            />
          </span>
        )}
      </Field>
      <ErrorNote error={found.error} retry={() => void found.refetch()} />
      {found.isPending ? (
        <Loading rows={3} />
      ) : (
        <div role="radiogroup" aria-label="Assets" className="max-h-48 overflow-y-auto rounded-md border border-line">
          {items.map((instrument) => {
            const open = isMarketOpen(instrument.hours);
            return (
              <button
                key={instrument.symbol}
                type="button"
                role="radio"
                aria-checked={instrument.symbol === value}
                onClick={() => onChoose(instrument)}
                className={cn(
                  'flex h-9 w-full items-center gap-2 border-b border-line px-2.5 text-left -outline-offset-2 last:border-b-0 hover:bg-sunken',
                  instrument.symbol === value && 'bg-accent-soft hover:bg-accent-soft',
                )}
              >
                <b className="font-semibold">{instrument.symbol}</b>
                <span className="text-xs text-muted">
                  {instrument.asset_class} · {instrument.currency}
                </span>
                <span className="ml-auto">
                  {open !== null && <Badge tone={open ? 'good' : 'neutral'}>{open ? 'Open' : 'Closed'}</Badge>}
                </span>
              </button>
            );
          })}
          {items.length === 0 && <p className="p-3 text-muted">Nothing is called that.</p>}
        </div>
      )}
    </div>
  );
}
