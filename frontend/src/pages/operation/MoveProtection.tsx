import { useState } from 'react';
import { moveProtection } from '@/api/commands';
import type { Operation } from '@/api/types';
import { money, percent, price, quantity, toNumber } from '@/lib/format';
import { marketWords } from '@/lib/market';
import { Button } from '@/ui/Button';
import { Confirm } from '@/ui/Confirm';
import { Dialog } from '@/ui/Dialog';
import { Field, Input } from '@/ui/Field';
import { gridOf, lastPrice } from './facts';

export interface Move {
  kind: 'STOP_LOSS' | 'TAKE_PROFIT';
  from: string | null;
  /** Where it was dragged to; asked for where null. */
  to: number | null;
}

/** What the position would bring at a price, before commissions. */
export function resultAt(operation: Operation, entryPrice: string | null, at: number): number | null {
  const entry = toNumber(entryPrice);
  const open = toNumber(operation.open_quantity) ?? 0;
  return entry === null ? null : (at - entry) * open * (toNumber(operation.instrument.multiplier) ?? 1);
}

/** Moves a stop or a target: by the line that was dragged, or by a price that is written. Confirmed either way. */
export function MoveProtection({ operation, entryPrice, move, onClose }: MoveProps) {
  const { decimals } = gridOf(operation);
  const [to, setTo] = useState(move.to);
  const [text, setText] = useState(move.from ?? '');
  const name = move.kind === 'STOP_LOSS' ? 'stop' : 'target';
  const close = () => onClose();
  if (to === null) {
    const number = toNumber(text);
    return (
      <Dialog
        open
        onOpenChange={(open) => {
          if (!open) close();
        }}
        title={`Move the ${name} of ${operation.symbol}`}
        description="Or drag its line in the chart"
        footer={
          <>
            <Button onClick={close}>Cancel</Button>
            <Button kind="primary" type="submit" form="move" disabled={number === null || number <= 0}>
              Review
            </Button>
          </>
        }
      >
        <form
          id="move"
          onSubmit={(event) => {
            event.preventDefault();
            if (number !== null && number > 0) setTo(number);
          }}
        >
          <Field label="New price" hint={`In steps of ${operation.instrument.tick_size}`}>
            {(field) => (
              <Input {...field} inputMode="decimal" value={text} onChange={(event) => setText(event.target.value)} />
            )}
          </Field>
        </form>
      </Dialog>
    );
  }
  const result = resultAt(operation, entryPrice, to);
  const last = lastPrice(operation);
  return (
    <Confirm
      title={`Move the ${name} of ${operation.symbol}`}
      what={`The order at the broker is changed. Until the broker confirms, the ${name} stands where it was.`}
      facts={[
        ['From', price(move.from, decimals)],
        ['To', price(to, decimals)],
        ['Distance from the last price', last === null ? 'unknown' : percent((to - last) / last, { sign: true })],
        ['Result there', result === null ? 'unknown' : `${money(result, { sign: true })} ${operation.currency}`],
        ['Guards', `${quantity(operation.open_quantity)} ${operation.symbol}`],
        ['Broker', operation.broker],
        ['Market', marketWords(operation.instrument.hours)],
      ]}
      account={operation.account_type}
      asset={operation.asset}
      action={`Move ${name}`}
      done={`The ${name} is moved to ${price(to, decimals)}`}
      run={({ key }) => moveProtection(operation.id, move.kind, to.toFixed(decimals), key)}
      onClose={close}
    />
  );
}

interface MoveProps {
  operation: Operation;
  entryPrice: string | null;
  move: Move;
  onClose: () => void;
}
