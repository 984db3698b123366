import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { changeSettings } from '@/api/commands';
import { config, settings } from '@/api/queries';
import type { Setting } from '@/api/types';
import { words } from '@/lib/format';
import { shown } from '@/lib/shown';
import { useMay } from '@/stores/session';
import { Button } from '@/ui/Button';
import { Confirm } from '@/ui/Confirm';
import { Field, Input, Select } from '@/ui/Field';
import { ErrorNote, Loading, Note } from '@/ui/States';

const SECTION = 'risk_management.';
const textOf = (value: unknown): string => (value === null ? '' : shown(value));

/** What was written, as the setting has it: empty is none, yes and no are not words. */
const valueOf = (text: string, before: unknown): unknown =>
  text.trim() === ''
    ? null
    : typeof before === 'boolean'
      ? text === 'true'
      : typeof before === 'number'
        ? Number(text)
        : text.trim();

/** The Gatekeeper's limits, and what an operation gets where it does not say otherwise. */
export function RiskSettings() {
  const found = useQuery(settings());
  const known = useQuery(config());
  const isAdmin = useMay('admin');
  const client = useQueryClient();
  const [edited, setEdited] = useState<Record<string, string>>({});
  const [asked, setAsked] = useState(false);
  if (found.isPending) return <Loading rows={8} />;
  if (!found.data) return <ErrorNote error={found.error} retry={() => void found.refetch()} className="m-3" />;
  const rows = Object.entries(found.data.settings).filter(([key]) => key.startsWith(SECTION));
  const changed = rows.filter(([key, { value }]) => edited[key] !== undefined && edited[key] !== textOf(value));
  return (
    <form
      className="flex flex-col gap-4 p-3"
      onSubmit={(event) => {
        event.preventDefault();
        if (changed.length > 0) setAsked(true);
      }}
    >
      <Note>
        They hold for the running engine at once, and after every restart. Each change is journaled with what it was
        before.
        {!isAdmin && ' Changing them needs the role admin.'}
      </Note>
      <fieldset disabled={!isAdmin} className="grid gap-x-4 gap-y-3 sm:grid-cols-2 xl:grid-cols-3">
        {rows.map(([key, setting]) => (
          <RiskField
            key={key}
            name={key.slice(SECTION.length)}
            setting={setting}
            text={edited[key] ?? textOf(setting.value)}
            onChange={(text) => setEdited((before) => ({ ...before, [key]: text }))}
          />
        ))}
      </fieldset>
      {isAdmin && (
        <div className="sticky bottom-14 flex items-center gap-2 border-t border-line bg-surface py-3 lg:bottom-0">
          <Button type="submit" kind="primary" disabled={changed.length === 0}>
            {changed.length === 0
              ? 'Nothing changed'
              : `Review ${changed.length} ${changed.length === 1 ? 'change' : 'changes'}`}
          </Button>
          <Button disabled={changed.length === 0} onClick={() => setEdited({})}>
            Undo
          </Button>
        </div>
      )}
      {asked && (
        <Confirm
          title="Change the limits"
          what="The Gatekeeper compares with the new values from the next order on."
          facts={changed.map(([key, { value }]) => [
            words(key.slice(SECTION.length)),
            `${textOf(value) || 'none'} → ${edited[key] === '' ? 'none' : (edited[key] ?? '')}`,
          ])}
          account={known.data?.account_type ?? 'PAPER'}
          asset="LIMITS"
          action="Change"
          done="The limits are changed"
          run={async ({ key: name }) => {
            const changes = Object.fromEntries(
              changed.map(([key, { value }]) => [key.slice(SECTION.length), valueOf(edited[key] ?? '', value)]),
            );
            const answer = await changeSettings(changes, name);
            setEdited({});
            await client.invalidateQueries({ queryKey: ['settings'] });
            return answer;
          }}
          onClose={() => setAsked(false)}
        />
      )}
    </form>
  );
}

interface RiskFieldProps {
  name: string;
  setting: Setting;
  text: string;
  onChange: (text: string) => void;
}

function RiskField({ name, setting, text, onChange }: RiskFieldProps) {
  const choices = typeof setting.value === 'boolean' ? ['true', 'false'] : choicesOf(setting.expected);
  return (
    <Field label={words(name)} hint={`${setting.description} (${setting.expected})`}>
      {(field) =>
        choices.length > 0 ? (
          <Select {...field} value={text} onChange={(event) => onChange(event.target.value)}>
            {setting.value === null && <option value="">none</option>}
            {choices.map((choice) => (
              <option key={choice} value={choice}>
                {choice === 'true' ? 'yes' : choice === 'false' ? 'no' : choice}
              </option>
            ))}
          </Select>
        ) : (
          <Input
            {...field}
            inputMode="decimal"
            placeholder="none"
            value={text}
            onChange={(event) => onChange(event.target.value)}
          />
        )
      }
    </Field>
  );
}

/** "ATR, PERCENTAGE, FIXED or TRAILING" as its words; nothing where it is no such list. */
export function choicesOf(expected: string): string[] {
  const found = expected.match(/\b[A-Z][A-Z_]{2,}\b/g) ?? [];
  return found.length > 1 ? found : [];
}
