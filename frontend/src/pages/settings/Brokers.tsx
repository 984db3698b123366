import { useQuery } from '@tanstack/react-query';
import { config, health, settings } from '@/api/queries';
import type { Setting } from '@/api/types';
import { words } from '@/lib/format';
import { AccountBadge, Badge } from '@/ui/Badge';
import { Facts } from '@/ui/Card';
import { ErrorNote, Loading, Note } from '@/ui/States';
import { shown } from './AllSettings';

/** The part of the settings that a broker's section holds. */
const sectionOf = (all: Record<string, Setting>, name: string): [string, Setting][] =>
  Object.entries(all)
    .filter(([key]) => key.startsWith(`broker.${name}.`))
    .map(([key, setting]) => [key.slice(`broker.${name}.`.length), setting]);

const NAMES: readonly { name: string; title: string }[] = [
  { name: 'paper', title: 'Paper exchange' },
  { name: 'ibkr', title: 'Interactive Brokers' },
  { name: 'oanda', title: 'OANDA' },
];

/** Where orders go, how it is reached, and whether it answers. */
export function Brokers() {
  const known = useQuery(config());
  const found = useQuery(settings());
  const state = useQuery(health());
  if (known.isPending || found.isPending) return <Loading rows={6} />;
  if (!known.data || !found.data) return <ErrorNote error={known.error ?? found.error} className="m-3" />;
  const chosen = known.data.broker.toLowerCase();
  const engine = state.data?.dependencies.find(({ name }) => name === 'engine');
  return (
    <div className="flex flex-col gap-3 p-3">
      <Note>
        The broker is chosen in config.yaml (broker.type), and read when the engine starts. Secrets are taken from the
        environment and never shown.
      </Note>
      <div className="grid gap-3 lg:grid-cols-3">
        {NAMES.map(({ name, title }) => (
          <section key={name} aria-label={title} className="rounded-md border border-line p-3">
            <h3 className="mb-2 flex flex-wrap items-center gap-2 font-semibold">
              {title}
              {name === chosen && (
                <>
                  <AccountBadge type={known.data.account_type} />
                  <Badge tone={engine?.ok === true ? 'good' : 'warn'}>{engine?.ok === true ? 'In use' : 'Chosen; no engine'}</Badge>
                </>
              )}
            </h3>
            <Facts
              rows={sectionOf(found.data.settings, name).map(([key, setting]) => [
                <span key="k" title={setting.description}>
                  {words(key)}
                </span>,
                <span key="v" className="num">
                  {shown(setting.value)}
                </span>,
              ])}
            />
          </section>
        ))}
      </div>
    </div>
  );
}
