import { useState } from 'react';
import { Problem } from '@/api/problem';
import { Button } from '@/ui/Button';
import { Confirm } from '@/ui/Confirm';

/** The second step on paper, with real money, and refused by the Gatekeeper. Nothing is sent from here. */
export function Confirms() {
  const [asked, setAsked] = useState<'PAPER' | 'LIVE' | null>(null);
  return (
    <>
      <Button onClick={() => setAsked('PAPER')}>Confirm, PAPER</Button>
      <Button onClick={() => setAsked('LIVE')}>Confirm, LIVE</Button>
      {asked && (
        <Confirm
          title="Close the position in EUR-USD"
          what="The position is closed at market, whatever the price is by then. This is an example: nothing is sent."
          facts={[
            ['At market', 'Sell 10,000 EUR-USD'],
            ['Value', 'about 10,825.00 USD, at 1.08250'],
            ['Broker', 'example'],
            ['Market', 'open'],
          ]}
          account={asked}
          asset="EUR-USD"
          action="Close position"
          done="Closed"
          danger
          reason="optional"
          run={() =>
            Promise.reject(
              new Problem({
                status: 409,
                code: 'MARKET_CLOSED',
                title: 'Conflict',
                detail: 'EUR-USD does not trade now',
              }),
            )
          }
          onClose={() => setAsked(null)}
        />
      )}
    </>
  );
}
