import { zodResolver } from '@hookform/resolvers/zod';
import { useState } from 'react';
import { Controller, useForm } from 'react-hook-form';
import { z } from 'zod';
import { updateOperation } from '@/api/commands';
import type { Operation } from '@/api/types';
import { exactly, money, words } from '@/lib/format';
import { useMay } from '@/stores/session';
import { Button } from '@/ui/Button';
import { Facts } from '@/ui/Card';
import { Confirm } from '@/ui/Confirm';
import { shown } from '@/lib/shown';
import { Field, Input } from '@/ui/Field';
import { RecoveryChoice } from '../create/RecoveryChoice';
import { distanceShape, Distance, STOPS, TARGETS } from '../create/Distance';

const shape = z.object({
  quantity: z
    .string()
    .trim()
    .regex(/^\d+(\.\d+)?$/, 'Give a number above 0'),
  stop: distanceShape,
  target: distanceShape,
  crash_recovery_mode: z.enum(['CLOSE_ALL', 'RESUME', 'EMERGENCY_EXIT']),
  emergency_stop_loss_pct: z.string().regex(/^\d+(\.\d+)?$/, 'Give a fraction: 0.05 is 5 %'),
});
type Values = z.infer<typeof shape>;

const valuesOf = (operation: Operation): Values => ({
  quantity: operation.quantity,
  stop: { type: operation.stop_loss_type ?? '', value: operation.stop_loss_value ?? '' },
  target: { type: operation.take_profit_type ?? '', value: operation.take_profit_value ?? '' },
  crash_recovery_mode: operation.crash_recovery_mode,
  emergency_stop_loss_pct: operation.emergency_stop_loss_pct,
});

/** Only what is different from how it is now. */
function changesOf(operation: Operation, values: Values): Record<string, unknown> {
  const wanted: Record<string, unknown> = {
    quantity: values.quantity,
    stop_loss_type: values.stop.type || null,
    stop_loss_value: values.stop.type ? values.stop.value : null,
    take_profit_type: values.target.type || null,
    take_profit_value: values.target.type ? values.target.value : null,
    crash_recovery_mode: values.crash_recovery_mode,
    emergency_stop_loss_pct: values.emergency_stop_loss_pct,
  };
  const now = operation as unknown as Record<string, unknown>;
  return Object.fromEntries(Object.entries(wanted).filter(([name, value]) => value !== now[name]));
}

/** What an operation was made with, and what of it may be changed. */
export function SettingsTab({ operation }: { operation: Operation }) {
  const mayTrade = useMay('trader');
  const [asked, setAsked] = useState<Record<string, unknown> | null>(null);
  const form = useForm<Values>({ resolver: zodResolver(shape), values: valuesOf(operation) });
  const { errors, isDirty } = form.formState;
  const editable = mayTrade && operation.status !== 'closed' && operation.status !== 'closing';
  const submit = form.handleSubmit((values) => {
    const changes = changesOf(operation, values);
    if (Object.keys(changes).length > 0) setAsked(changes);
  });
  return (
    <div className="grid gap-6 p-3 lg:grid-cols-2">
      <form className="flex flex-col gap-3" onSubmit={(event) => void submit(event)}>
        <fieldset disabled={!editable} className="contents">
          <Field
            label="Quantity"
            hint={`Units of each entry, in steps of ${operation.instrument.quantity_step}`}
            error={errors.quantity?.message}
          >
            {(field) => <Input {...field} inputMode="decimal" {...form.register('quantity')} />}
          </Field>
          <Controller
            control={form.control}
            name="stop"
            render={({ field }) => (
              <Distance
                label="Stop"
                kinds={STOPS}
                value={field.value}
                onChange={field.onChange}
                error={errors.stop?.value?.message}
              />
            )}
          />
          <Controller
            control={form.control}
            name="target"
            render={({ field }) => (
              <Distance
                label="Target"
                kinds={TARGETS}
                value={field.value}
                onChange={field.onChange}
                error={errors.target?.value?.message}
              />
            )}
          />
          <Controller
            control={form.control}
            name="crash_recovery_mode"
            render={({ field }) => <RecoveryChoice value={field.value} onChange={field.onChange} />}
          />
          <Field
            label="Emergency stop"
            hint="Unrealised loss over the entry value at which recovery closes: 0.05 is 5 %"
            error={errors.emergency_stop_loss_pct?.message}
          >
            {(field) => <Input {...field} inputMode="decimal" {...form.register('emergency_stop_loss_pct')} />}
          </Field>
        </fieldset>
        {editable && (
          <div className="flex gap-2">
            <Button type="submit" kind="primary" disabled={!isDirty}>
              Review changes
            </Button>
            <Button disabled={!isDirty} onClick={() => form.reset()}>
              Undo
            </Button>
          </div>
        )}
      </form>
      <div>
        <h3 className="mb-2 font-semibold">Fixed at its creation</h3>
        <Facts
          rows={[
            ['Asset', operation.asset],
            ['Broker', `${operation.broker}, ${operation.account_type}`],
            ['Strategy', operation.strategy_name],
            ['Bars', operation.bar_sizes.join(', ')],
            ['Initial capital', `${money(operation.initial_capital)} ${operation.currency}`],
            ['Tick size', operation.instrument.tick_size],
            ['Money per point and unit', operation.instrument.multiplier],
            ['Created', exactly(operation.created_at)],
            [
              'Id',
              <code key="i" className="text-xs">
                {operation.id}
              </code>,
            ],
          ]}
        />
        <h3 className="mt-4 mb-2 font-semibold">The strategy’s parameters</h3>
        <Facts rows={Object.entries(operation.strategy_config).map(([name, value]) => [words(name), shown(value)])} />
        {Object.keys(operation.strategy_config).length === 0 && (
          <p className="text-muted">All as the strategy has them by itself.</p>
        )}
      </div>
      {asked && (
        <Confirm
          title={`Change ${operation.symbol}`}
          what="It holds from the next signal on; an open position keeps the stop and target it has."
          facts={Object.entries(asked).map(([name, value]) => [
            words(name),
            `${shown((operation as unknown as Record<string, unknown>)[name])} → ${shown(value)}`,
          ])}
          account={operation.account_type}
          asset={operation.asset}
          action="Change"
          done="Settings changed"
          run={({ key }) => updateOperation(operation.id, asked, key)}
          onClose={() => setAsked(null)}
        />
      )}
    </div>
  );
}
