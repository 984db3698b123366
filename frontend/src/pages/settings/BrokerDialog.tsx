import { useState } from 'react';
import { addBroker, changeBroker } from '@/api/brokers';
import { isProblem } from '@/api/problem';
import type { Broker } from '@/api/types';
import { Button } from '@/ui/Button';
import { Dialog } from '@/ui/Dialog';
import { Field, Input, Select } from '@/ui/Field';
import { ErrorNote, Note } from '@/ui/States';

interface Values {
  name: string;
  broker_name: Broker['broker_name'];
  account_type: Broker['account_type'];
  host: string;
  port: string;
  client_id: string;
  account_id: string;
  url: string;
  api_key: string;
  confirm_live: string;
}

const valuesOf = (broker: Broker | null): Values => ({
  name: broker?.name ?? '',
  broker_name: broker?.broker_name ?? 'OANDA',
  account_type: broker?.account_type ?? 'PAPER',
  host: broker?.host ?? '127.0.0.1',
  port: String(broker?.port ?? 7497),
  client_id: String(broker?.client_id ?? 1),
  account_id: broker?.account_id ?? '',
  url: broker?.config['url'] ?? '',
  api_key: '',
  confirm_live: '',
});

/** Only what the kind of broker has, and what was written. */
export function brokerRequest(values: Values, isNew: boolean): Record<string, unknown> {
  const { broker_name: kind, account_type, account_id, api_key, confirm_live } = values;
  return {
    ...(isNew ? { name: values.name, broker_name: kind } : {}),
    account_type,
    ...(kind === 'IBKR' ? { host: values.host, port: Number(values.port), client_id: Number(values.client_id) } : {}),
    ...(kind !== 'PAPER' && account_id ? { account_id } : {}),
    ...(kind === 'PAPER' && values.url ? { config: { url: values.url } } : {}),
    ...(api_key ? { api_key } : {}),
    ...(account_type === 'LIVE' && confirm_live ? { confirm_live } : {}),
  };
}

/** A broker's account, to be added or changed. */
export function BrokerDialog({ broker, onClose }: { broker: Broker | null; onClose: () => void }) {
  const [values, setValues] = useState(() => valuesOf(broker));
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const put = (changes: Partial<Values>) => setValues((before) => ({ ...before, ...changes }));
  const wrong = (name: string) => (isProblem(error) && error.field === name ? error.message : undefined);
  const text = (name: keyof Values, label: string, hint?: string, type = 'text') => (
    <Field label={label} error={wrong(name)} {...(hint === undefined ? {} : { hint })}>
      {(field) => (
        <Input
          {...field}
          type={type}
          autoComplete="off"
          value={values[name]}
          onChange={(event) => put({ [name]: event.target.value })}
        />
      )}
    </Field>
  );
  const run = async () => {
    setBusy(true);
    setError(null);
    try {
      const body = brokerRequest(values, broker === null);
      await (broker === null ? addBroker(body) : changeBroker(broker.name, body));
      onClose();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  const { broker_name: kind, account_type } = values;
  return (
    <Dialog
      open
      onOpenChange={(open) => {
        if (!open) onClose();
      }}
      title={broker === null ? 'Add a broker' : `Change ${broker.name}`}
      description="The engine takes it up at its next start"
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" form="broker" kind={account_type === 'LIVE' ? 'live' : 'primary'} busy={busy}>
            {broker === null ? 'Add' : 'Change'}
          </Button>
        </>
      }
    >
      <form
        id="broker"
        className="grid gap-3 sm:grid-cols-2"
        onSubmit={(event) => {
          event.preventDefault();
          void run();
        }}
      >
        {broker === null && (
          <>
            {text('name', 'Name', 'What operations call it: a-z, 0-9, dash')}
            <Field label="Broker">
              {(field) => (
                <Select
                  {...field}
                  value={kind}
                  onChange={(event) => put({ broker_name: event.target.value as Values['broker_name'] })}
                >
                  <option value="OANDA">OANDA</option>
                  <option value="IBKR">Interactive Brokers</option>
                  <option value="PAPER">Paper exchange</option>
                </Select>
              )}
            </Field>
          </>
        )}
        <Field label="Money">
          {(field) => (
            <Select
              {...field}
              value={account_type}
              disabled={kind === 'PAPER'}
              onChange={(event) => put({ account_type: event.target.value as Values['account_type'] })}
            >
              <option value="PAPER">PAPER: not real</option>
              <option value="LIVE">LIVE: real</option>
            </Select>
          )}
        </Field>
        {kind !== 'PAPER' &&
          text('account_id', 'Account', kind === 'OANDA' ? 'Such as 101-001-1234567-001' : 'Such as DU1234567')}
        {kind === 'OANDA' &&
          text(
            'api_key',
            'Personal access token',
            broker?.has_api_key ? 'One is set; leave empty to keep it' : 'Kept encrypted, never shown',
            'password',
          )}
        {kind === 'IBKR' && (
          <>
            {text('host', 'Host', 'Where TWS or IB Gateway listens')}
            {text('port', 'Port', 'TWS: 7497 paper, 7496 live')}
            {text('client_id', 'Client number')}
          </>
        )}
        {kind === 'PAPER' && text('url', 'Address', 'Of a paper exchange that runs')}
        {account_type === 'LIVE' && (
          <div className="sm:col-span-2">
            <Note tone="warn" title="Real money" className="mb-3">
              Orders sent there cost real money from the first one on.
            </Note>
            {text('confirm_live', `Type the account again: ${values.account_id || '…'}`)}
          </div>
        )}
        <ErrorNote error={error} className="sm:col-span-2" />
      </form>
    </Dialog>
  );
}
