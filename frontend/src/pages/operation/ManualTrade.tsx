import { zodResolver } from '@hookform/resolvers/zod';
import { useState } from 'react';
import { Controller, useForm } from 'react-hook-form';
import { z } from 'zod';
import { manualTrade } from '@/api/commands';
import type { Operation } from '@/api/types';
import { price, quantity, toNumber } from '@/lib/format';
import { marketWords } from '@/lib/market';
import { Button } from '@/ui/Button';
import { Confirm } from '@/ui/Confirm';
import { Dialog } from '@/ui/Dialog';
import { Field, Input } from '@/ui/Field';
import { LivePrice } from '@/ui/Freshness';
import { Segmented } from '@/ui/Segmented';
import { gridOf, lastPrice, valueOf } from './facts';

const positive = z
  .string()
  .trim()
  .regex(/^\d+(\.\d+)?$/, 'Give a number above 0')
  .refine((text) => Number(text) > 0, 'Give a number above 0');
const level = z.union([z.literal(''), positive]);
const shape = z.object({
  direction: z.enum(['Long', 'Short']),
  quantity: positive,
  limitPrice: level,
  stopLoss: level,
  targetPrice: level,
});
type Values = z.infer<typeof shape>;

/** Stop and target must lie on the losing and the winning side of the price it is entered at. */
function misplaced(values: Values, last: number | null): Partial<Record<keyof Values, string>> {
  const at = toNumber(values.limitPrice) ?? last;
  const stop = toNumber(values.stopLoss);
  const target = toNumber(values.targetPrice);
  const side = values.direction === 'Long' ? 1 : -1;
  if (at === null) return {};
  return {
    ...(stop !== null && (at - stop) * side <= 0
      ? { stopLoss: `Must be ${side > 0 ? 'below' : 'above'} the entry` }
      : {}),
    ...(target !== null && (target - at) * side <= 0
      ? { targetPrice: `Must be ${side > 0 ? 'above' : 'below'} the entry` }
      : {}),
  };
}

/** A trade by hand: what it is first, then what it means, confirmed. It passes the same Gatekeeper as a strategy's. */
export function ManualTrade({ operation, onClose }: { operation: Operation; onClose: () => void }) {
  const [asked, setAsked] = useState<Values | null>(null);
  const form = useForm<Values>({
    resolver: zodResolver(shape),
    defaultValues: { direction: 'Long', quantity: operation.quantity, limitPrice: '', stopLoss: '', targetPrice: '' },
  });
  const { decimals } = gridOf(operation);
  const { errors } = form.formState;

  if (asked) {
    const buys = asked.direction === 'Long';
    return (
      <Confirm
        title={`${buys ? 'Buy' : 'Sell'} ${operation.symbol}`}
        what="The Gatekeeper checks it against the limits. If it passes, the order goes to the broker at once."
        facts={[
          [
            'Order',
            `${buys ? 'Buy' : 'Sell'} ${quantity(asked.quantity)} ${operation.symbol}, ${asked.limitPrice ? `limit ${asked.limitPrice}` : 'at market'}`,
          ],
          ['Value', valueOf(operation, asked.quantity)],
          ['Stop', asked.stopLoss || "by the operation's settings"],
          ['Target', asked.targetPrice || "by the operation's settings"],
          ['Broker', operation.broker],
          ['Market', marketWords(operation.instrument.hours)],
        ]}
        account={operation.account_type}
        asset={operation.asset}
        action={buys ? 'Buy now' : 'Sell now'}
        done={`The order for ${operation.symbol} is on its way`}
        reason="optional"
        run={({ reason, key }) =>
          manualTrade(
            {
              instrument: operation.asset,
              operation_id: operation.id,
              direction: asked.direction,
              quantity: asked.quantity,
              ...(asked.limitPrice ? { limitPrice: asked.limitPrice } : {}),
              ...(asked.stopLoss ? { stopLoss: asked.stopLoss } : {}),
              ...(asked.targetPrice ? { targetPrice: asked.targetPrice } : {}),
              reason,
            },
            key,
          )
        }
        onClose={onClose}
      />
    );
  }

  const submit = form.handleSubmit((values) => {
    const wrong = misplaced(values, lastPrice(operation));
    for (const [name, message] of Object.entries(wrong)) form.setError(name as keyof Values, { message });
    if (Object.keys(wrong).length === 0) setAsked(values);
  });

  return (
    <Dialog
      open
      onOpenChange={(open) => {
        if (!open) onClose();
      }}
      title={`Trade ${operation.symbol} by hand`}
      description={<LivePrice broker={operation.broker} symbol={operation.symbol} decimals={decimals} />}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" form="manual-trade">
            Review
          </Button>
        </>
      }
    >
      <form id="manual-trade" className="grid gap-3 sm:grid-cols-2" onSubmit={(event) => void submit(event)}>
        <Controller
          control={form.control}
          name="direction"
          render={({ field }) => (
            <Segmented
              label="Direction"
              value={field.value}
              onChange={field.onChange}
              className="sm:col-span-2"
              options={[
                { value: 'Long', label: 'Long: buy' },
                { value: 'Short', label: 'Short: sell' },
              ]}
            />
          )}
        />
        <Field
          label="Quantity"
          hint={`In steps of ${operation.instrument.quantity_step}`}
          error={errors.quantity?.message}
        >
          {(field) => <Input {...field} inputMode="decimal" {...form.register('quantity')} />}
        </Field>
        <Field label="Limit price" optional hint="At market if left empty" error={errors.limitPrice?.message}>
          {(field) => (
            <Input
              {...field}
              inputMode="decimal"
              placeholder={price(lastPrice(operation), decimals)}
              {...form.register('limitPrice')}
            />
          )}
        </Field>
        <Field label="Stop" optional hint="By the operation's settings if left empty" error={errors.stopLoss?.message}>
          {(field) => <Input {...field} inputMode="decimal" {...form.register('stopLoss')} />}
        </Field>
        <Field
          label="Target"
          optional
          hint="By the operation's settings if left empty"
          error={errors.targetPrice?.message}
        >
          {(field) => <Input {...field} inputMode="decimal" {...form.register('targetPrice')} />}
        </Field>
      </form>
    </Dialog>
  );
}
