import { RadioGroup } from 'radix-ui';
import { useId } from 'react';
import type { CrashRecoveryMode } from '@/api/types';

const MODES: readonly { value: CrashRecoveryMode; title: string; words: string }[] = [
  {
    value: 'CLOSE_ALL',
    title: 'Close everything',
    words:
      'After a crash, its orders are cancelled and its position is closed at market. Safest; the default on paper.',
  },
  {
    value: 'RESUME',
    title: 'Go on',
    words:
      'The position is kept, its stop and target are checked and set again where missing. Closed only beyond the emergency stop.',
  },
  {
    value: 'EMERGENCY_EXIT',
    title: 'Close only what loses too much',
    words: 'Kept unless the unrealised loss is beyond the emergency stop; then closed, and no new risk is taken.',
  },
];

interface RecoveryChoiceProps {
  value: CrashRecoveryMode;
  onChange: (value: CrashRecoveryMode) => void;
}

/** What happens to an open position after a crash, in words. */
export function RecoveryChoice({ value, onChange }: RecoveryChoiceProps) {
  const id = useId();
  return (
    <div>
      <p id={id} className="mb-1 text-xs font-medium text-soft">
        If the engine crashes with a position open
      </p>
      <RadioGroup.Root
        aria-labelledby={id}
        value={value}
        onValueChange={(next) => {
          const mode = MODES.find((each) => each.value === next);
          if (mode) onChange(mode.value);
        }}
        className="flex flex-col gap-1.5"
      >
        {MODES.map((mode) => (
          <label
            key={mode.value}
            htmlFor={`${id}-${mode.value}`}
            className="flex cursor-pointer gap-2.5 rounded-md border border-line px-3 py-2 hover:border-line-strong has-data-[state=checked]:border-accent has-data-[state=checked]:bg-accent-soft"
          >
            <RadioGroup.Item
              id={`${id}-${mode.value}`}
              value={mode.value}
              aria-label={mode.title}
              className="mt-0.5 size-4 shrink-0 rounded-full border border-line-strong bg-surface data-[state=checked]:border-[5px] data-[state=checked]:border-accent"
            />
            <span>
              <span className="font-medium">{mode.title}</span>
              <span className="block text-xs text-soft">{mode.words}</span>
            </span>
          </label>
        ))}
      </RadioGroup.Root>
    </div>
  );
}
