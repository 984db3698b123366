import { useInfiniteQuery } from '@tanstack/react-query';
import { operationSignals } from '@/api/queries';
import type { OperationDetail, Signal } from '@/api/types';
import { exactly, moment, price, words } from '@/lib/format';
import { RULES } from '@/lib/rules';
import { Badge } from '@/ui/Badge';
import { DataTable, type Column } from '@/ui/DataTable';
import { moreOf, rowsOf } from '@/ui/More';
import { Empty, ErrorNote } from '@/ui/States';
import { Inputs } from '@/ui/Story';
import { gridOf } from './facts';

/** What the strategy (or a person) asked for, with what it looked at, and what the Gatekeeper said. */
export function SignalsTab({ operation }: { operation: OperationDetail }) {
  const found = useInfiniteQuery(operationSignals(operation.id));
  const { decimals } = gridOf(operation);
  const columns: Column<Signal>[] = [
    {
      id: 'time',
      header: 'Given',
      className: 'align-top',
      cell: (signal) => (
        <time title={exactly(signal.timestamp)} className="num text-soft">
          {moment(signal.timestamp)}
        </time>
      ),
    },
    {
      id: 'signal',
      header: 'Signal',
      className: 'align-top',
      cell: (signal) => (
        <span className="whitespace-nowrap">
          {words(signal.signal)} <span className="num text-muted">{price(signal.price, decimals)}</span>
        </span>
      ),
    },
    {
      id: 'reason',
      header: 'Why',
      className: 'w-full',
      cell: (signal) => (
        <div className="min-w-48 py-0.5">
          {signal.reason}
          <Inputs values={signal.inputs} label="What it looked at" />
        </div>
      ),
    },
    {
      id: 'refused',
      header: 'Gatekeeper',
      className: 'align-top',
      cell: (signal) =>
        signal.refused ? (
          <div className="min-w-40 py-0.5">
            <Badge tone="warn">{RULES[signal.refused.rule]?.title ?? words(signal.refused.rule)}</Badge>
            <p className="mt-0.5 text-xs text-soft">{signal.refused.detail}</p>
          </div>
        ) : (
          <Badge tone="good">Passed</Badge>
        ),
    },
  ];
  return (
    <>
      <ErrorNote error={found.error} retry={() => void found.refetch()} className="m-3" />
      <DataTable
        label="Signals"
        columns={columns}
        rows={rowsOf(found)}
        rowId={(signal) => String(signal.sequence_number)}
        loading={found.isPending}
        more={moreOf(found)}
        height={null}
        empty={
          <Empty title="No signal yet">
            The strategy is asked each time a {operation.primary_bar_size} bar closes.
          </Empty>
        }
      />
    </>
  );
}
