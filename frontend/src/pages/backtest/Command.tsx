import { Copy } from 'lucide-react';
import { useState } from 'react';
import type { Operation } from '@/api/types';
import { notify } from '@/stores/notices';
import { Button } from '@/ui/Button';
import { Card } from '@/ui/Card';
import { Field, Input, Select } from '@/ui/Field';

const quoted = (text: string): string => (/^[\w./=:-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

/** The command that runs an operation's strategy, as it is set, over recorded data. */
export function backtestCommand(operation: Operation | undefined, data: string): string {
  const words = ['.venv/bin/live-trading', '--json', 'backtest'];
  if (operation) {
    words.push('--strategy', operation.strategy_name, '--asset', operation.asset);
    const others = operation.bar_sizes.filter((size) => size !== operation.primary_bar_size);
    for (const size of [operation.primary_bar_size, ...others]) words.push('--bar-size', size);
    words.push('--quantity', operation.quantity, '--capital', operation.initial_capital);
    words.push(
      '--stop',
      operation.stop_loss_type === null ? 'none' : `${operation.stop_loss_type}=${operation.stop_loss_value ?? ''}`,
    );
    words.push(
      '--target',
      operation.take_profit_type === null
        ? 'none'
        : `${operation.take_profit_type}=${operation.take_profit_value ?? ''}`,
    );
    for (const [name, value] of Object.entries(operation.strategy_config))
      words.push('-p', `${name}=${JSON.stringify(value)}`);
  } else {
    words.push('--strategy', 'MomentumStrategy', '--bar-size', '5 mins');
  }
  words.push('--data', data || 'DATA.parquet');
  return `${words.map(quoted).join(' ')} > report.json`;
}

export function Command({ operations }: { operations: readonly Operation[] }) {
  const [id, setId] = useState('');
  const [data, setData] = useState('');
  const command = backtestCommand(
    operations.find((each) => each.id === id),
    data,
  );
  return (
    <Card title="Run" hint="with the engine that trades live, on the machine that has the data">
      <div className="grid gap-3 sm:grid-cols-2">
        <Field label="As which operation" hint="Its strategy, parameters, bars, stop and target">
          {(field) => (
            <Select {...field} value={id} onChange={(event) => setId(event.target.value)}>
              <option value="">None: choose yourself</option>
              {operations.map((operation) => (
                <option key={operation.id} value={operation.id}>
                  {operation.symbol} · {operation.strategy_name} · {operation.id.slice(-6)}
                </option>
              ))}
            </Select>
          )}
        </Field>
        <Field label="Data" hint="Ticks or bars: .parquet, .csv, a zip of Lean">
          {(field) => (
            <Input
              {...field}
              placeholder="DATA.parquet"
              value={data}
              onChange={(event) => setData(event.target.value)}
            />
          )}
        </Field>
      </div>
      <div className="mt-3 flex items-start gap-2">
        <pre tabIndex={0} className="min-w-0 flex-1 overflow-x-auto rounded-md bg-sunken p-2.5 text-xs">
          {command}
        </pre>
        <Button
          icon={<Copy />}
          onClick={() =>
            void navigator.clipboard.writeText(command).then(
              () => notify('good', 'Copied'),
              () => notify('warn', 'Not copied', 'The browser did not allow it: select the text and copy it.'),
            )
          }
        >
          Copy
        </Button>
      </div>
    </Card>
  );
}
