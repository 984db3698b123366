import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { settings } from '@/api/queries';
import type { Setting } from '@/api/types';
import { shown } from '@/lib/shown';
import { DataTable, type Column } from '@/ui/DataTable';
import { Input } from '@/ui/Field';
import { Empty, ErrorNote } from '@/ui/States';

type Row = Setting & { key: string };

const columns: Column<Row>[] = [
  { id: 'key', header: 'Setting', cell: (row) => <code className="text-xs">{row.key}</code> },
  {
    id: 'value',
    header: 'Value',
    cell: (row) => (
      <span className="num font-medium">
        {shown(row.value)} <span className="font-normal text-muted">{row.value === null ? '' : row.unit}</span>
      </span>
    ),
  },
  {
    id: 'about',
    header: 'Meaning',
    from: 'md',
    className: 'w-1/2',
    cell: (row) => <span className="text-soft">{row.description}</span>,
  },
  { id: 'origin', header: 'From', from: 'lg', cell: (row) => <span className="text-muted">{row.origin}</span> },
];

/** Every setting, with where it comes from. */
export function AllSettings() {
  const found = useQuery(settings());
  const [text, setText] = useState('');
  const rows = Object.entries(found.data?.settings ?? {})
    .map(([key, setting]): Row => ({ key, ...setting }))
    .filter(({ key, description }) => `${key} ${description}`.toLowerCase().includes(text.toLowerCase()));
  return (
    <>
      <div className="border-b border-line p-3">
        <Input
          aria-label="Find a setting"
          placeholder="Find a setting"
          className="max-w-sm"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </div>
      <ErrorNote error={found.error} retry={() => void found.refetch()} className="m-3" />
      <DataTable
        label="Settings"
        columns={columns}
        rows={rows}
        rowId={(row) => row.key}
        loading={found.isPending}
        height={null}
        empty={<Empty title="No such setting" />}
      />
    </>
  );
}
