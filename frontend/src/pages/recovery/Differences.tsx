import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { resolveDiscrepancy } from '@/api/commands';
import { activeOperations, state } from '@/api/queries';
import type { Discrepancy } from '@/api/types';
import { quantity } from '@/lib/format';
import { useMay } from '@/stores/session';
import { Button } from '@/ui/Button';
import { Card } from '@/ui/Card';
import { Confirm } from '@/ui/Confirm';

type Resolution = 'ignore' | 'adopt' | 'flatten';

const choices: Record<Resolution, { label: string; what: string; action: string }> = {
  ignore: {
    label: "Somebody else's",
    what: 'The difference is taken as not ours, from now on. Nothing is sent.',
    action: 'Leave it alone',
  },
  adopt: {
    label: 'Adopt',
    what: 'The operation takes the difference as its own, booked at the last price. Nothing is sent.',
    action: 'Adopt it',
  },
  flatten: {
    label: 'Close it',
    what: 'The operation takes the difference and closes it at market.',
    action: 'Close it at market',
  },
};

/** Positions that differ at the broker: held until a person says what the difference is. */
export function Differences() {
  const found = useQuery(state());
  const operations = useQuery(activeOperations());
  const mayTrade = useMay('trader');
  const [asked, setAsked] = useState<{ difference: Discrepancy; resolution: Resolution } | null>(null);
  const differences = found.data?.discrepancies ?? [];
  if (differences.length === 0) return null;
  const theirs = (difference: Discrepancy) =>
    operations.data?.items.filter(
      ({ broker, symbol, status }) =>
        broker === difference.broker && symbol === difference.symbol && status !== 'closed',
    ) ?? [];
  return (
    <Card title="Positions that differ at the broker" hint="operations on them are held">
      <ul className="flex flex-col gap-3">
        {differences.map((difference) => (
          <li key={`${difference.broker}|${difference.symbol}`} className="flex flex-wrap items-center gap-3">
            <span>
              <b>{difference.symbol}</b> at {difference.broker}: {quantity(difference.ledger_quantity)} here,{' '}
              <b>{quantity(difference.broker_quantity)}</b> there
            </span>
            {mayTrade && (
              <span className="ml-auto flex gap-2">
                {(Object.keys(choices) as Resolution[]).map((resolution) => (
                  <Button
                    key={resolution}
                    size="sm"
                    kind={resolution === 'flatten' ? 'danger' : 'plain'}
                    disabled={resolution !== 'ignore' && theirs(difference).length === 0}
                    onClick={() => setAsked({ difference, resolution })}
                  >
                    {choices[resolution].label}
                  </Button>
                ))}
              </span>
            )}
          </li>
        ))}
      </ul>
      {asked && (
        <Confirm
          title={`${asked.difference.symbol}: ${choices[asked.resolution].label.toLowerCase()}`}
          what={choices[asked.resolution].what}
          facts={[
            ['Here', quantity(asked.difference.ledger_quantity)],
            ['At the broker', quantity(asked.difference.broker_quantity)],
            [
              'Difference',
              quantity(Number(asked.difference.broker_quantity) - Number(asked.difference.ledger_quantity), true),
            ],
            ['Broker', asked.difference.broker],
          ]}
          account={theirs(asked.difference)[0]?.account_type ?? 'PAPER'}
          asset={asked.difference.symbol}
          action={choices[asked.resolution].action}
          done="The difference is settled"
          danger={asked.resolution === 'flatten'}
          reason="optional"
          run={({ reason, key }) =>
            resolveDiscrepancy(
              {
                broker: asked.difference.broker,
                symbol: asked.difference.symbol,
                resolution: asked.resolution,
                note: reason,
                ...(asked.resolution === 'ignore' ? {} : { operation_id: theirs(asked.difference)[0]?.id }),
              },
              key,
            )
          }
          onClose={() => setAsked(null)}
        />
      )}
    </Card>
  );
}
