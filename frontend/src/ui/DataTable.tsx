import { flexRender, getCoreRowModel, useReactTable, type ColumnDef, type SortingState } from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { ArrowDown, ArrowUp } from 'lucide-react';
import { useEffect, useMemo, useRef, type ReactNode } from 'react';
import { cn } from '@/lib/cn';
import { Loading } from './States';

export interface Column<Row> {
  id: string;
  header: ReactNode;
  cell: (row: Row) => ReactNode;
  align?: 'left' | 'right';
  /** From which width on it is shown; always, where none is given. */
  from?: 'sm' | 'md' | 'lg' | 'xl';
  sortable?: boolean;
  className?: string;
}

interface DataTableProps<Row> {
  label: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  rowId: (row: Row) => string;
  rowClass?: (row: Row) => string | undefined;
  onRowClick?: (row: Row) => void;
  sorting?: SortingState;
  onSort?: (id: string) => void;
  loading?: boolean;
  empty?: ReactNode;
  more?: { has: boolean; loading: boolean; load: () => void };
  /** Height of the scrolling area; null lets the table be as long as it is. */
  height?: string | null;
  rowHeight?: number;
}

const from = {
  sm: 'hidden sm:table-cell',
  md: 'hidden md:table-cell',
  lg: 'hidden lg:table-cell',
  xl: 'hidden xl:table-cell',
};

/** Rows as many as there are: only those in sight are in the page, more are asked of the server when the end is near. */
export function DataTable<Row>(props: DataTableProps<Row>) {
  const { label, columns, rows, rowId, rowClass, onRowClick, sorting, onSort, loading, empty, more } = props;
  const { height = 'max-h-[28rem]', rowHeight = 34 } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const definitions = useMemo<ColumnDef<Row>[]>(
    () =>
      columns.map((column) => ({
        id: column.id,
        header: () => column.header,
        cell: (context) => column.cell(context.row.original),
        enableSorting: column.sortable === true,
      })),
    [columns],
  );
  const data = useMemo(() => [...rows], [rows]);
  const table = useReactTable({
    data,
    columns: definitions,
    getRowId: rowId,
    getCoreRowModel: getCoreRowModel(),
    manualSorting: true,
    state: { sorting: sorting ?? [] },
  });
  const model = table.getRowModel().rows;
  const virtual = useVirtualizer({
    count: model.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 12,
    enabled: height !== null,
  });
  const items = virtual.getVirtualItems();
  const lastSeen = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (more?.has && !more.loading && lastSeen >= model.length - 8) more.load();
  }, [more, lastSeen, model.length]);

  if (loading && rows.length === 0) return <Loading />;
  if (rows.length === 0 && empty !== undefined) return <>{empty}</>;
  const shown = height === null ? model : items.flatMap((item) => model[item.index] ?? []);
  const before = height === null ? 0 : (items[0]?.start ?? 0);
  const after = height === null ? 0 : virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  const byId = new Map(columns.map((column) => [column.id, column]));
  const cellClass = (id: string) => {
    const column = byId.get(id);
    return cn(column?.align === 'right' && 'text-right', column?.from && from[column.from], column?.className);
  };

  return (
    <div
      ref={scroller}
      className={cn('overflow-auto -outline-offset-2', height)}
      tabIndex={0}
      role="group"
      aria-label={label}
    >
      <table className="w-full border-separate border-spacing-0" aria-rowcount={more?.has ? -1 : rows.length}>
        <thead>
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id}>
              {group.headers.map((header) => {
                const sorted = sorting?.find((each) => each.id === header.column.id);
                return (
                  <th
                    key={header.id}
                    scope="col"
                    aria-sort={sorted ? (sorted.desc ? 'descending' : 'ascending') : undefined}
                    className={cn(
                      'sticky top-0 z-10 h-8 border-b border-line bg-surface px-3 text-left text-xs font-medium whitespace-nowrap text-muted',
                      cellClass(header.column.id),
                    )}
                  >
                    {header.column.columnDef.enableSorting && onSort ? (
                      <button
                        type="button"
                        className="inline-flex items-center gap-1 hover:text-text"
                        onClick={() => onSort(header.column.id)}
                      >
                        {flexRender(header.column.columnDef.header, header.getContext())}
                        {sorted && (sorted.desc ? <ArrowDown className="size-3" /> : <ArrowUp className="size-3" />)}
                      </button>
                    ) : (
                      flexRender(header.column.columnDef.header, header.getContext())
                    )}
                  </th>
                );
              })}
            </tr>
          ))}
        </thead>
        <tbody>
          {before > 0 && <Spacer height={before} columns={columns.length} />}
          {shown.map((row) => (
            <tr
              key={row.id}
              className={cn(
                'group transition-colors hover:bg-sunken/70',
                onRowClick && 'cursor-pointer',
                rowClass?.(row.original),
              )}
              onClick={onRowClick && (() => onRowClick(row.original))}
            >
              {row.getVisibleCells().map((cell) => (
                <td
                  key={cell.id}
                  className={cn('h-[34px] border-b border-line/70 px-3 py-1', cellClass(cell.column.id))}
                >
                  {flexRender(cell.column.columnDef.cell, cell.getContext())}
                </td>
              ))}
            </tr>
          ))}
          {after > 0 && <Spacer height={after} columns={columns.length} />}
        </tbody>
      </table>
      {more?.loading && <p className="px-3 py-2 text-xs text-muted">Loading more…</p>}
    </div>
  );
}

function Spacer({ height, columns }: { height: number; columns: number }) {
  return (
    <tr aria-hidden>
      <td colSpan={columns} style={{ height, padding: 0 }} />
    </tr>
  );
}
