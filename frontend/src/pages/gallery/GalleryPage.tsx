import { Activity, Plus, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { Problem } from '@/api/problem';
import { notify } from '@/stores/notices';
import { AccountBadge, Badge, OrderStatusBadge, SideBadge, StatusBadge, type Tone } from '@/ui/Badge';
import { Button, IconButton, type ButtonKind } from '@/ui/Button';
import { Card, Facts, PageTitle, Stat } from '@/ui/Card';
import { DataTable, type Column } from '@/ui/DataTable';
import { Dialog } from '@/ui/Dialog';
import { Field, Input, Select, Switch, Textarea } from '@/ui/Field';
import { Freshness, StreamState } from '@/ui/Freshness';
import { Key, Menu, Tooltip } from '@/ui/Menu';
import { Pnl } from '@/ui/Numbers';
import { Segmented, TabPanel, Tabs } from '@/ui/Segmented';
import { Empty, ErrorNote, Loading, Note } from '@/ui/States';
import { Story } from '@/ui/Story';
import { Confirms } from './Confirms';
import { ENTRIES } from './examples';
import { Line } from './Line';

const kinds: readonly ButtonKind[] = ['primary', 'plain', 'quiet', 'danger', 'dangerQuiet', 'live'];
const tones: readonly Tone[] = ['neutral', 'good', 'bad', 'warn', 'accent', 'paper'];
const operationStates = ['active', 'paused', 'closing', 'closed', 'error'] as const;
const orderStates = [
  'PENDING',
  'PLACED',
  'PARTIALLY_FILLED',
  'FILLED',
  'IN_DOUBT',
  'NEEDS_OPERATOR',
  'CANCELLED',
  'REJECTED',
] as const;

interface Row {
  id: number;
  name: string;
  result: string;
}
const rows: Row[] = Array.from({ length: 10_000 }, (_, id) => ({
  id,
  name: `Row ${id + 1}`,
  result: (Math.sin(id) * 100).toFixed(2),
}));
const columns: Column<Row>[] = [
  { id: 'name', header: 'Name', cell: (row) => row.name },
  { id: 'result', header: 'Result', align: 'right', cell: (row) => <Pnl value={row.result} currency="USD" /> },
];

const refusal = new Problem({
  status: 409,
  code: 'MAX_POSITION_SIZE',
  title: 'Conflict',
  detail: 'the position would be 12000 units; at most 10000 are allowed',
});

/** Every component, in every state it has. */
export default function GalleryPage() {
  return (
    <>
      <PageTitle title="Components" hint="Every one, in every state" />
      <div className="grid items-start gap-3 xl:grid-cols-2">
        <Buttons />
        <Labels />
        <Fields />
        <Numbers />
        <States />
        <Overlays />
        <Card title="Story" hint="journal entries in words">
          <Story entries={ENTRIES} />
        </Card>
        <Card flush title="Table" hint="10,000 rows, of which those in sight are in the page">
          <DataTable
            label="Example rows"
            columns={columns}
            rows={rows}
            rowId={(row) => String(row.id)}
            height="max-h-72"
          />
        </Card>
      </div>
    </>
  );
}

function Buttons() {
  return (
    <Card title="Buttons">
      <div className="flex flex-col gap-3">
        {(['sm', 'md', 'lg'] as const).map((size) => (
          <Line key={size} name={size}>
            {kinds.map((kind) => (
              <Button key={kind} kind={kind} size={size}>
                {kind}
              </Button>
            ))}
          </Line>
        ))}
        <Line name="states">
          <Button icon={<Plus />}>With icon</Button>
          <Button disabled>Disabled</Button>
          <Button kind="primary" busy>
            Busy
          </Button>
          <IconButton label="Remove" icon={<Trash2 />} />
          <IconButton label="Remove, small" size="sm" icon={<Trash2 />} />
        </Line>
      </div>
    </Card>
  );
}

function Labels() {
  return (
    <Card title="Labels">
      <div className="flex flex-col gap-3">
        <Line name="account">
          <AccountBadge type="PAPER" />
          <AccountBadge type="LIVE" />
        </Line>
        <Line name="operation">
          {operationStates.map((status) => (
            <StatusBadge key={status} status={status} />
          ))}
        </Line>
        <Line name="order">
          {orderStates.map((status) => (
            <OrderStatusBadge key={status} status={status} />
          ))}
        </Line>
        <Line name="tones">
          {tones.map((tone) => (
            <Badge key={tone} tone={tone}>
              {tone}
            </Badge>
          ))}
        </Line>
        <Line name="side">
          <SideBadge side="BUY" /> <SideBadge side="SELL" /> <SideBadge side="LONG" /> <SideBadge side="SHORT" />
        </Line>
        <Line name="keys">
          <Key>ctrl</Key>
          <Key>K</Key>
        </Line>
      </div>
    </Card>
  );
}

function Fields() {
  const [on, setOn] = useState(true);
  const [choice, setChoice] = useState<'long' | 'short'>('long');
  return (
    <Card title="Fields">
      <div className="grid gap-3 sm:grid-cols-2">
        <Field label="Text" hint="What is to be known about it">
          {(field) => <Input {...field} defaultValue="1,000" />}
        </Field>
        <Field label="Wrong" error="Give a number above 0">
          {(field) => <Input {...field} defaultValue="-1" />}
        </Field>
        <Field label="Disabled" optional>
          {(field) => <Input {...field} disabled placeholder="nothing" />}
        </Field>
        <Field label="Choice">
          {(field) => (
            <Select {...field}>
              <option>One</option>
              <option>Another</option>
            </Select>
          )}
        </Field>
        <Field label="Longer" className="sm:col-span-2">
          {(field) => <Textarea {...field} />}
        </Field>
        <Switch label="A switch" hint="On or off" checked={on} onChange={setOn} />
        <Segmented
          label="Direction"
          value={choice}
          onChange={setChoice}
          options={[
            { value: 'long', label: 'Long' },
            { value: 'short', label: 'Short' },
          ]}
        />
      </div>
    </Card>
  );
}

function Numbers() {
  const [now] = useState(Date.now);
  return (
    <Card title="Numbers" actions={<StreamState />}>
      <dl className="grid grid-cols-2 gap-4 sm:grid-cols-4">
        <Stat name="Won" hint="with its sign">
          <Pnl value="1234.5" currency="USD" />
        </Stat>
        <Stat name="Lost">
          <Pnl value="-87.25" currency="USD" />
        </Stat>
        <Stat name="Neither">
          <Pnl value="0" />
        </Stat>
        <Stat name="Unknown">
          <Pnl value={null} />
        </Stat>
      </dl>
      <div className="mt-4 flex flex-wrap gap-4">
        <Freshness at={now} />
        <Freshness at={now - 42_000} />
        <Freshness at={null} />
      </div>
      <Facts
        className="mt-4 max-w-xs"
        rows={[
          ['Entry', '1.08250'],
          ['Stop', '1.08110'],
        ]}
      />
    </Card>
  );
}

function States() {
  return (
    <Card title="States">
      <div className="flex flex-col gap-3">
        <Note>Something to know.</Note>
        <Note tone="warn" title="Take care">
          Something to look at.
        </Note>
        <ErrorNote error={refusal} retry={() => notify('info', 'Tried again')} />
        <Loading rows={2} />
        <Empty icon={<Activity />} title="Nothing here yet">
          And what to do about it.
        </Empty>
      </div>
    </Card>
  );
}

function Overlays() {
  const [open, setOpen] = useState<'dialog' | 'sheet' | null>(null);
  const [tab, setTab] = useState('one');
  return (
    <Card title="What comes over the page">
      <div className="flex flex-wrap gap-2">
        <Button onClick={() => setOpen('dialog')}>Dialog</Button>
        <Button onClick={() => setOpen('sheet')}>Sheet</Button>
        <Confirms />
        <Menu
          trigger={<Button>Menu</Button>}
          items={[
            { label: 'First', onSelect: () => notify('info', 'First') },
            { label: 'Remove', danger: true, onSelect: () => notify('bad', 'Removed') },
          ]}
        />
        <Tooltip text="In a few words">
          <Button>Tooltip</Button>
        </Tooltip>
        <Button onClick={() => notify('good', 'Done', 'It went well.')}>Notification</Button>
      </div>
      <div className="mt-4 rounded-md border border-line">
        <Tabs
          label="Example"
          value={tab}
          onChange={setTab}
          tabs={[
            { value: 'one', label: 'One', count: 3 },
            { value: 'two', label: 'Two' },
          ]}
        >
          <TabPanel value="one">
            <p className="p-3">The first.</p>
          </TabPanel>
          <TabPanel value="two">
            <p className="p-3">The second.</p>
          </TabPanel>
        </Tabs>
      </div>
      <Dialog
        kind={open ?? 'dialog'}
        open={open !== null}
        onOpenChange={() => setOpen(null)}
        title="A title"
        description="What it is about"
        footer={<Button onClick={() => setOpen(null)}>Close</Button>}
      >
        <p>What there is to read or to fill in.</p>
      </Dialog>
    </Card>
  );
}
