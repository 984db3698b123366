import { z } from 'zod';
import type { Config, JsonSchema, SchemaProperty } from '@/api/types';
import { barSeconds } from '@/live/bars';
import { distanceShape } from './Distance';

const positive = z
  .string()
  .trim()
  .regex(/^\d+(\.\d+)?$/, 'Give a number above 0')
  .refine((text) => Number(text) > 0, 'Give a number above 0');

export const operationShape = z.object({
  asset: z.string().min(1, 'Choose what to trade'),
  bar_sizes: z.array(z.string()).min(1, 'Choose at least one').max(8, 'At most eight'),
  primary_bar_size: z.string().min(1),
  strategy_name: z.string().min(1, 'Choose a strategy'),
  strategy_config: z.record(z.string(), z.union([z.string(), z.boolean()])),
  quantity: positive,
  initial_capital: positive,
  stop: distanceShape,
  target: distanceShape,
  crash_recovery_mode: z.enum(['CLOSE_ALL', 'RESUME', 'EMERGENCY_EXIT']),
  emergency_stop_loss_pct: positive.refine((text) => Number(text) <= 1, 'A fraction: 0.05 is 5 %'),
});
export type OperationValues = z.infer<typeof operationShape>;

const textOf = (value: unknown, otherwise: string): string =>
  typeof value === 'string' ? value : typeof value === 'number' ? String(value) : otherwise;

/** What a new operation begins as: the installation's own defaults, and a small bar so that something is seen soon. */
export function startingValues(config: Config): OperationValues {
  const { defaults } = config;
  const mode = defaults['crash_recovery_mode'];
  const strategy = config.strategies.includes('MomentumStrategy') ? 'MomentumStrategy' : (config.strategies[0] ?? '');
  return {
    asset: '',
    bar_sizes: ['1 min'],
    primary_bar_size: '1 min',
    strategy_name: strategy,
    strategy_config: {},
    quantity: '1000',
    initial_capital: '100000',
    stop: { type: textOf(defaults['stop_loss_type'], ''), value: textOf(defaults['stop_loss_value'], '') },
    target: { type: textOf(defaults['take_profit_type'], ''), value: textOf(defaults['take_profit_value'], '') },
    crash_recovery_mode:
      mode === 'RESUME' || mode === 'EMERGENCY_EXIT' || mode === 'CLOSE_ALL'
        ? mode
        : config.account_type === 'LIVE'
          ? 'RESUME'
          : 'CLOSE_ALL',
    emergency_stop_loss_pct: textOf(defaults['emergency_stop_loss_pct'], '0.05'),
  };
}

/** The kind of value a parameter takes; of several that it may be, the first that is not nothing. */
export function typeOf(property: SchemaProperty): SchemaProperty {
  return property.anyOf?.find(({ type }) => type !== 'null') ?? property;
}

/** The parameters that a person gave, each as its schema has it; what is left empty is the strategy's own. */
export function parametersOf(given: OperationValues['strategy_config'], schema: JsonSchema): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    const property = schema.properties?.[name];
    if (!property || value === '') continue;
    const { type } = typeOf(property);
    result[name] = typeof value === 'string' && (type === 'integer' || type === 'number') ? Number(value) : value;
  }
  return result;
}

/** The request's body. Bar sizes go from the primary one on, then from short to long. */
export function requestOf(values: OperationValues, config: Config, schema: JsonSchema): Record<string, unknown> {
  const others = values.bar_sizes.filter((size) => size !== values.primary_bar_size);
  return {
    asset: values.asset,
    account_type: config.account_type,
    bar_sizes: [values.primary_bar_size, ...others.sort((a, b) => barSeconds(a) - barSeconds(b))],
    primary_bar_size: values.primary_bar_size,
    strategy_name: values.strategy_name,
    strategy_config: parametersOf(values.strategy_config, schema),
    quantity: values.quantity,
    initial_capital: values.initial_capital,
    stop_loss_type: values.stop.type || null,
    stop_loss_value: values.stop.type ? values.stop.value : null,
    take_profit_type: values.target.type || null,
    take_profit_value: values.target.type ? values.target.value : null,
    crash_recovery_mode: values.crash_recovery_mode,
    emergency_stop_loss_pct: values.emergency_stop_loss_pct,
  };
}
