import { Controller, useFormContext, useWatch } from 'react-hook-form';
import type { SchemaProperty, StrategyInfo } from '@/api/types';
import { words } from '@/lib/format';
import { shown } from '@/lib/shown';
import { Field, Input, Select, Switch } from '@/ui/Field';
import { typeOf, type OperationValues } from './schema';

/** Which strategy, and its parameters in a form made from its schema. What is left empty is the strategy's own. */
export function StrategyPicker({
  strategies,
  showParameters,
}: {
  strategies: readonly StrategyInfo[];
  showParameters: boolean;
}) {
  const form = useFormContext<OperationValues>();
  const name = useWatch({ control: form.control, name: 'strategy_name' });
  const strategy = strategies.find((each) => each.name === name);
  return (
    <div className="flex flex-col gap-3">
      <Field label="Strategy" className="max-w-md">
        {(field) => (
          <Select
            {...field}
            value={name}
            onChange={(event) => {
              form.setValue('strategy_name', event.target.value);
              form.setValue('strategy_config', {});
            }}
          >
            {strategies.map((each) => (
              <option key={each.name}>{each.name}</option>
            ))}
          </Select>
        )}
      </Field>
      {strategy && <p className="max-w-3xl whitespace-pre-line text-soft">{strategy.about.replaceAll('``', '')}</p>}
      {showParameters && strategy?.parameters.properties && (
        <div className="grid gap-3 sm:grid-cols-2 lg:grid-cols-3">
          {Object.entries(strategy.parameters.properties).map(([parameter, property]) => (
            <Parameter
              key={`${name}.${parameter}`}
              name={parameter}
              property={property}
              required={strategy.parameters.required?.includes(parameter) ?? false}
            />
          ))}
        </div>
      )}
    </div>
  );
}

const textOf = (value: unknown): string => (value === undefined || value === null ? '' : shown(value));

/** What a number may be, in words. */
export function boundsOf(property: SchemaProperty): string {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = property;
  const low =
    minimum !== undefined ? `from ${minimum}` : exclusiveMinimum !== undefined ? `above ${exclusiveMinimum}` : '';
  const high =
    maximum !== undefined ? `to ${maximum}` : exclusiveMaximum !== undefined ? `below ${exclusiveMaximum}` : '';
  return [low, high].filter(Boolean).join(' ');
}

function Parameter({ name, property, required }: { name: string; property: SchemaProperty; required: boolean }) {
  const form = useFormContext<OperationValues>();
  const kind = typeOf(property);
  const path = `strategy_config.${name}` as const;
  const bounds = boundsOf(kind);
  const hint = `${property.description ?? ''}${bounds ? ` (${bounds})` : ''}`;
  if (kind.type === 'boolean') {
    return (
      <Controller
        control={form.control}
        name={path}
        render={({ field }) => (
          <Switch
            label={words(name)}
            hint={hint}
            checked={typeof field.value === 'boolean' ? field.value : property.default === true}
            onChange={field.onChange}
          />
        )}
      />
    );
  }
  const numeric = kind.type === 'integer' || kind.type === 'number';
  return (
    <Field label={words(name)} hint={hint} optional={!required}>
      {(field) =>
        kind.enum ? (
          <Select {...field} defaultValue="" {...form.register(path)}>
            <option value="">{textOf(property.default) || 'as it is'}</option>
            {kind.enum.map((each) => (
              <option key={textOf(each)}>{textOf(each)}</option>
            ))}
          </Select>
        ) : (
          <Input
            {...field}
            inputMode={numeric ? 'decimal' : 'text'}
            placeholder={textOf(property.default)}
            required={required}
            {...form.register(path)}
          />
        )
      }
    </Field>
  );
}
