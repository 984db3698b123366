import { ALERT_TYPES, useAcknowledged } from '@/live/alerts';
import { useLink } from '@/live/link';
import { words } from '@/lib/format';
import { useSession } from '@/stores/session';
import { useUi, type Theme } from '@/stores/ui';
import { Badge } from '@/ui/Badge';
import { Button } from '@/ui/Button';
import { Facts } from '@/ui/Card';
import { Segmented } from '@/ui/Segmented';

/** What becomes an alert, and how the screen looks. Kept in this browser. */
export function AlertSettings() {
  const { theme, setTheme, open } = useUi();
  const { user, role } = useSession();
  const { upTo, acknowledged } = useAcknowledged();
  const head = useLink((link) => link.head);
  const since = useLink((link) => link.state);
  return (
    <div className="grid gap-6 p-3 lg:grid-cols-2">
      <section>
        <h3 className="mb-2 font-semibold">What becomes an alert</h3>
        <p className="mb-2 text-soft">
          These entries of the journal ask for attention: in the corner when they come, and under the bell until
          acknowledged.
        </p>
        <ul className="flex flex-wrap gap-1.5">
          {ALERT_TYPES.map((type) => (
            <li key={type}>
              <Badge>{words(type)}</Badge>
            </li>
          ))}
        </ul>
        <p className="mt-3 text-muted">
          Acknowledged up to entry {upTo}
          {acknowledged.length > 0 ? `, and ${acknowledged.length} after it` : ''}.
        </p>
        <Button className="mt-2" onClick={() => open('alerts')}>
          Show alerts
        </Button>
      </section>
      <section>
        <h3 className="mb-2 font-semibold">Screen</h3>
        <Segmented<Theme>
          label="Theme"
          value={theme}
          onChange={setTheme}
          options={[
            { value: 'system', label: "The system's" },
            { value: 'light', label: 'Light' },
            { value: 'dark', label: 'Dark' },
          ]}
        />
        <Button className="ml-2" onClick={() => open('help')}>
          Keyboard
        </Button>
        <h3 className="mt-5 mb-2 font-semibold">This log-in</h3>
        <Facts
          className="max-w-sm"
          rows={[
            ['User', user ?? '–'],
            ['Role', role ?? '–'],
            ['Data stream', since],
            ['Journal', `entry ${head}`],
          ]}
        />
      </section>
    </div>
  );
}
