import { zodResolver } from '@hookform/resolvers/zod';
import { useNavigate } from '@tanstack/react-router';
import { Rocket } from 'lucide-react';
import { useState } from 'react';
import { Controller, FormProvider, useForm, useWatch } from 'react-hook-form';
import { createOperation } from '@/api/commands';
import { isProblem } from '@/api/problem';
import type { Config, InstrumentInfo, StrategyInfo } from '@/api/types';
import { quantity } from '@/lib/format';
import { marketWords } from '@/lib/market';
import { Button } from '@/ui/Button';
import { Card } from '@/ui/Card';
import { Confirm } from '@/ui/Confirm';
import { Field, Input } from '@/ui/Field';
import { AssetSearch } from './AssetSearch';
import { BarSizes } from './BarSizes';
import { Distance, STOPS, TARGETS } from './Distance';
import { Preview } from './Preview';
import { RecoveryChoice } from './RecoveryChoice';
import { operationShape, requestOf, startingValues, type OperationValues } from './schema';
import { StrategyPicker } from './StrategyPicker';

interface OperationFormProps {
  config: Config;
  strategies: readonly StrategyInfo[];
  /** The first operation: only what it cannot do without. */
  simple: boolean;
  onCreated?: ((id: string) => void) | undefined;
}

export function OperationForm({ config, strategies, simple, onCreated }: OperationFormProps) {
  const navigate = useNavigate();
  const form = useForm<OperationValues>({
    resolver: zodResolver(operationShape),
    defaultValues: startingValues(config),
  });
  const [instrument, setInstrument] = useState<InstrumentInfo | null>(null);
  const [asked, setAsked] = useState<OperationValues | null>(null);
  const values = useWatch({ control: form.control }) as OperationValues;
  const { errors } = form.formState;
  const strategy = strategies.find(({ name }) => name === values.strategy_name);

  const choose = (chosen: InstrumentInfo) => {
    setInstrument(chosen);
    form.setValue('asset', chosen.symbol, { shouldValidate: true });
    form.setValue('quantity', chosen.asset_class === 'FX' ? '10000' : chosen.asset_class === 'STOCK' ? '50' : '1');
  };

  const risk = (
    <Card title="Risk">
      <div className="grid gap-3 sm:grid-cols-2">
        <Field
          label="Quantity"
          hint={instrument ? `Units of each entry, in steps of ${instrument.quantity_step}` : 'Units of each entry'}
          error={errors.quantity?.message}
        >
          {(field) => <Input {...field} inputMode="decimal" {...form.register('quantity')} />}
        </Field>
        <Field
          label="Capital"
          hint={`In ${instrument?.currency ?? "the asset's currency"}; results are measured by it`}
          error={errors.initial_capital?.message}
        >
          {(field) => <Input {...field} inputMode="decimal" {...form.register('initial_capital')} />}
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
      </div>
    </Card>
  );

  return (
    <FormProvider {...form}>
      <form
        className="grid items-start gap-3 xl:grid-cols-[minmax(0,1fr)_24rem]"
        onSubmit={(event) => void form.handleSubmit(setAsked)(event)}
      >
        <div className="flex min-w-0 flex-col gap-3">
          <Card title="What">
            <div className="grid gap-4 md:grid-cols-2">
              <AssetSearch value={values.asset} onChoose={choose} error={errors.asset?.message} />
              <BarSizes sizes={config.timeframes} error={errors.bar_sizes?.message} />
            </div>
          </Card>
          <Card title="Strategy">
            <StrategyPicker strategies={strategies} showParameters={!simple} />
          </Card>
          {risk}
          {!simple && (
            <Card title="Recovery">
              <div className="flex flex-col gap-3">
                <Controller
                  control={form.control}
                  name="crash_recovery_mode"
                  render={({ field }) => <RecoveryChoice value={field.value} onChange={field.onChange} />}
                />
                <Field
                  label="Emergency stop"
                  hint="Unrealised loss over the entry value at which recovery closes: 0.05 is 5 %"
                  error={errors.emergency_stop_loss_pct?.message}
                  className="max-w-xs"
                >
                  {(field) => <Input {...field} inputMode="decimal" {...form.register('emergency_stop_loss_pct')} />}
                </Field>
              </div>
            </Card>
          )}
        </div>
        <div className="flex flex-col gap-3 xl:sticky xl:top-16">
          <Preview values={values} instrument={instrument} config={config} />
          <Button type="submit" kind={config.account_type === 'LIVE' ? 'live' : 'primary'} size="lg" icon={<Rocket />}>
            Start trading on {config.account_type === 'LIVE' ? 'LIVE' : 'paper'}
          </Button>
        </div>
      </form>
      {asked && (
        <Confirm
          title={`Start ${asked.strategy_name} on ${asked.asset}`}
          what="From the next closed bar on, the strategy may enter the market by itself."
          facts={[
            ['Each entry', `${quantity(asked.quantity)} ${asked.asset}`],
            ['Capital', `${quantity(asked.initial_capital)} ${instrument?.currency ?? ''}`],
            ['Broker', config.broker],
            ['Market', marketWords(instrument?.hours)],
          ]}
          account={config.account_type}
          asset={asked.asset}
          action="Start"
          done={`${asked.asset} is being traded`}
          run={async ({ key }) => {
            try {
              const answer = await createOperation(requestOf(asked, config, strategy?.parameters ?? {}), key);
              if (onCreated) onCreated(answer.operationId ?? '');
              else if (answer.operationId) void navigate({ to: '/operations/$id', params: { id: answer.operationId } });
              else void navigate({ to: '/operations' });
              return answer;
            } catch (error) {
              if (isProblem(error) && error.field && error.field in asked) {
                form.setError(error.field as keyof OperationValues, { message: error.message });
              }
              throw error;
            }
          }}
          onClose={() => setAsked(null)}
        />
      )}
    </FormProvider>
  );
}
