import { useFormContext, useWatch } from 'react-hook-form';
import { cn } from '@/lib/cn';
import { barSeconds } from '@/live/bars';
import { Field, Select } from '@/ui/Field';
import type { OperationValues } from './schema';

/** Which bars the strategy sees, and which of them it acts on. */
export function BarSizes({ sizes, error }: { sizes: readonly string[]; error?: string | undefined }) {
  const form = useFormContext<OperationValues>();
  const chosen = useWatch({ control: form.control, name: 'bar_sizes' });
  const primary = useWatch({ control: form.control, name: 'primary_bar_size' });
  const toggle = (size: string) => {
    const next = chosen.includes(size) ? chosen.filter((each) => each !== size) : [...chosen, size];
    next.sort((a, b) => barSeconds(a) - barSeconds(b));
    form.setValue('bar_sizes', next, { shouldValidate: true });
    if (!next.includes(primary)) form.setValue('primary_bar_size', next[0] ?? '');
  };
  return (
    <div className="flex min-w-0 flex-col gap-3">
      <fieldset>
        <legend className="mb-1 text-xs font-medium text-soft">Bar sizes</legend>
        <div className="flex flex-wrap gap-1">
          {sizes.map((size) => {
            const on = chosen.includes(size);
            return (
              <button
                key={size}
                type="button"
                aria-pressed={on}
                onClick={() => toggle(size)}
                className={cn(
                  'h-7 rounded-md border px-2 text-xs',
                  on
                    ? 'border-accent bg-accent-soft font-medium text-accent'
                    : 'border-line text-soft hover:border-line-strong',
                )}
              >
                {size}
              </button>
            );
          })}
        </div>
        {error !== undefined && <p className="mt-1 text-xs text-down">{error}</p>}
      </fieldset>
      <Field label="Acts when this one closes" hint="The strategy is asked at each of its closes" className="max-w-56">
        {(field) => (
          <Select
            {...field}
            value={primary}
            onChange={(event) => form.setValue('primary_bar_size', event.target.value)}
          >
            {chosen.map((size) => (
              <option key={size}>{size}</option>
            ))}
          </Select>
        )}
      </Field>
    </div>
  );
}
