import { z } from 'zod';
import { Field, Input, Select } from '@/ui/Field';

/** A stop's or a target's distance: by which measure, and how much of it. No type: none. */
export const distanceShape = z
  .object({ type: z.string(), value: z.string().trim() })
  .refine(({ type, value }) => type === '' || (/^\d+(\.\d+)?$/.test(value) && Number(value) > 0), {
    path: ['value'],
    error: 'Give a number above 0',
  });
export type DistanceValue = z.infer<typeof distanceShape>;

interface Kind {
  value: string;
  label: string;
  hint: string;
  start: string;
}

const ATR: Kind = {
  value: 'ATR',
  label: 'Times the average true range',
  hint: '1.5 is one and a half of how far prices range',
  start: '1.5',
};
const PERCENTAGE: Kind = { value: 'PERCENTAGE', label: 'Part of the price', hint: '0.02 is 2 %', start: '0.02' };
const FIXED: Kind = { value: 'FIXED', label: 'Distance in price', hint: 'In units of the price', start: '1' };

export const STOPS: readonly Kind[] = [
  ATR,
  PERCENTAGE,
  FIXED,
  {
    value: 'TRAILING',
    label: 'Trails the price',
    hint: 'As a part of the price: 0.02 follows 2 % behind',
    start: '0.02',
  },
];
export const TARGETS: readonly Kind[] = [
  {
    value: 'RISK_REWARD',
    label: "Times the stop's distance",
    hint: '2 earns twice what the stop would lose',
    start: '2',
  },
  ATR,
  PERCENTAGE,
  FIXED,
];

interface DistanceProps {
  label: string;
  kinds: readonly Kind[];
  value: DistanceValue;
  onChange: (value: DistanceValue) => void;
  error?: string | undefined;
}

export function Distance({ label, kinds, value, onChange, error }: DistanceProps) {
  const kind = kinds.find((each) => each.value === value.type);
  return (
    <div className="grid grid-cols-[minmax(0,1fr)_7rem] items-start gap-2">
      <Field label={label} hint={kind ? kind.hint : `No ${label.toLowerCase()} is set`}>
        {(field) => (
          <Select
            {...field}
            value={value.type}
            onChange={(event) => {
              const next = kinds.find((each) => each.value === event.target.value);
              onChange({ type: next?.value ?? '', value: next?.start ?? '' });
            }}
          >
            {kinds.map((each) => (
              <option key={each.value} value={each.value}>
                {each.label}
              </option>
            ))}
            <option value="">None</option>
          </Select>
        )}
      </Field>
      {kind && (
        <Field label={`${label}: how much`} error={error}>
          {(field) => (
            <Input
              {...field}
              inputMode="decimal"
              value={value.value}
              onChange={(event) => onChange({ ...value, value: event.target.value })}
            />
          )}
        </Field>
      )}
    </div>
  );
}
