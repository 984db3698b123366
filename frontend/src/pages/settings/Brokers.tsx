import { useQuery, useQueryClient } from '@tanstack/react-query';
import { MoreHorizontal, Pencil, Plug, PlugZap, Plus, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { changeBroker, removeBroker, testBroker } from '@/api/brokers';
import { brokers, config, health } from '@/api/queries';
import type { Broker, BrokerTest } from '@/api/types';
import { exactly, moment } from '@/lib/format';
import { notify } from '@/stores/notices';
import { useMay } from '@/stores/session';
import { AccountBadge, Badge } from '@/ui/Badge';
import { Button, IconButton } from '@/ui/Button';
import { Confirm } from '@/ui/Confirm';
import { DataTable, type Column } from '@/ui/DataTable';
import { Menu } from '@/ui/Menu';
import { Empty, ErrorNote, Note } from '@/ui/States';
import { BrokerDialog } from './BrokerDialog';

type Asked = { kind: 'add' } | { kind: 'change' | 'remove'; broker: Broker };

/** Where orders go, how each account is reached, and whether it answers. */
export function Brokers() {
  const found = useQuery(brokers());
  const isAdmin = useMay('admin');
  const client = useQueryClient();
  const [asked, setAsked] = useState<Asked | null>(null);
  const [tests, setTests] = useState<ReadonlyMap<string, BrokerTest | 'running'>>(new Map());
  const [error, setError] = useState<unknown>(null);
  const again = () => client.invalidateQueries({ queryKey: ['brokers'] });

  const told = (name: string, what: BrokerTest | 'running' | null) =>
    setTests((before) => {
      const next = new Map(before);
      if (what === null) next.delete(name);
      else next.set(name, what);
      return next;
    });
  const test = async (name: string) => {
    setError(null);
    told(name, 'running');
    try {
      told(name, await testBroker(name));
    } catch (failure) {
      told(name, null);
      setError(failure);
    }
  };
  const toggle = async (broker: Broker) => {
    setError(null);
    try {
      await changeBroker(broker.name, { is_active: !broker.is_active });
      notify('good', `${broker.name} is ${broker.is_active ? 'left out' : 'taken in'} from the next start on`);
    } catch (failure) {
      setError(failure);
    }
    await again();
  };

  const columns: Column<Broker>[] = [
    {
      id: 'name',
      header: 'Name',
      cell: (broker) => (
        <span className="flex items-center gap-2">
          <b className="font-semibold">{broker.name}</b> <AccountBadge type={broker.account_type} />
        </span>
      ),
    },
    { id: 'kind', header: 'Broker', cell: (broker) => broker.broker_name },
    { id: 'account', header: 'Account', from: 'sm', cell: (broker) => broker.account_id ?? '–' },
    {
      id: 'reached',
      header: 'Reached at',
      from: 'lg',
      cell: (broker) => (
        <span className="text-muted">
          {broker.host === null ? (Object.values(broker.config)[0] ?? '–') : `${broker.host}:${broker.port ?? ''}`}
        </span>
      ),
    },
    { id: 'secret', header: 'Secret', from: 'md', cell: (broker) => (broker.has_api_key ? 'set' : 'none') },
    {
      id: 'active',
      header: 'Used',
      cell: (broker) => <Badge tone={broker.is_active ? 'good' : 'neutral'}>{broker.is_active ? 'Yes' : 'No'}</Badge>,
    },
    {
      id: 'test',
      header: 'Connection',
      cell: (broker) => <TestResult result={tests.get(broker.name)} />,
    },
    {
      id: 'changed',
      header: 'Changed',
      from: 'xl',
      cell: (broker) => (
        <time
          className="text-muted"
          title={exactly(broker.changed_at)}
        >{`${moment(broker.changed_at)} by ${broker.changed_by.replace('user:', '')}`}</time>
      ),
    },
    {
      id: 'act',
      header: <span className="sr-only">Actions</span>,
      align: 'right',
      cell: (broker) =>
        isAdmin && (
          <span className="inline-flex gap-1">
            <Button
              size="sm"
              icon={<PlugZap />}
              busy={tests.get(broker.name) === 'running'}
              onClick={() => void test(broker.name)}
              aria-label={`Test ${broker.name}`}
            >
              Test
            </Button>
            <Menu
              trigger={<IconButton size="sm" label={`More on ${broker.name}`} icon={<MoreHorizontal />} />}
              items={[
                { label: 'Change', icon: <Pencil />, onSelect: () => setAsked({ kind: 'change', broker }) },
                { label: broker.is_active ? 'Do not use' : 'Use', icon: <Plug />, onSelect: () => void toggle(broker) },
                {
                  label: 'Remove',
                  icon: <Trash2 />,
                  danger: true,
                  onSelect: () => setAsked({ kind: 'remove', broker }),
                },
              ]}
            />
          </span>
        ),
    },
  ];
  const close = () => {
    setAsked(null);
    void again();
  };
  return (
    <>
      <div className="flex flex-wrap items-center gap-3 border-b border-line p-3">
        {isAdmin && (
          <Button kind="primary" icon={<Plus />} onClick={() => setAsked({ kind: 'add' })}>
            Add a broker
          </Button>
        )}
        <span className="text-muted">
          The engine takes changes up at its next start. Secrets are kept encrypted and never shown.
        </span>
      </div>
      <Configured />
      <ErrorNote error={error ?? found.error} className="mx-3 mb-3" />
      <DataTable
        label="Brokers"
        columns={columns}
        rows={found.data?.items ?? []}
        rowId={(broker) => broker.name}
        loading={found.isPending}
        height={null}
        empty={
          <Empty icon={<Plug />} title="No other broker is set up here">
            Add one to trade on an account of Interactive Brokers or OANDA.
          </Empty>
        }
      />
      {asked?.kind === 'remove' ? (
        <Confirm
          title={`Remove ${asked.broker.name}`}
          what="The configuration and its secret are forgotten. Refused while an open operation names it."
          facts={[
            ['Broker', asked.broker.broker_name],
            ['Account', asked.broker.account_id ?? 'none'],
          ]}
          account={asked.broker.account_type}
          asset={asked.broker.name}
          action="Remove"
          done={`${asked.broker.name} is removed`}
          danger
          run={async () => {
            await removeBroker(asked.broker.name);
            return { state: 'done' };
          }}
          onClose={close}
        />
      ) : (
        asked && <BrokerDialog broker={asked.kind === 'change' ? asked.broker : null} onClose={close} />
      )}
    </>
  );
}

/** The broker of the configuration file. */
function Configured() {
  const known = useQuery(config());
  const state = useQuery(health());
  if (!known.data) return null;
  const trading = state.data?.trading;
  return (
    <Note className="m-3">
      <span className="flex flex-wrap items-center gap-2">
        By config.yaml, orders go to <b>{known.data.broker}</b> <AccountBadge type={known.data.account_type} />
        {trading !== undefined && (
          <Badge tone={trading ? 'good' : 'warn'}>{trading ? 'An engine trades' : 'No engine'}</Badge>
        )}
      </span>
    </Note>
  );
}

function TestResult({ result }: { result: BrokerTest | 'running' | undefined }) {
  if (result === undefined) return <span className="text-muted">not tested</span>;
  if (result === 'running') return <span className="text-muted">asking…</span>;
  return (
    <span title={result.detail} className="flex min-w-0 items-center gap-2">
      <Badge tone={result.ok ? 'good' : 'bad'}>
        {result.ok ? `Answers, ${result.seconds.toFixed(1)} s` : 'No answer'}
      </Badge>
      <span className="line-clamp-1 max-w-72 text-xs text-soft">{result.detail}</span>
    </span>
  );
}
