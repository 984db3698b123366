import { MoveVertical } from 'lucide-react';
import { useQuery } from '@tanstack/react-query';
import { recoverPreview } from '@/api/queries';
import type { OperationDetail, Position } from '@/api/types';
import { exactly, money, moment, percent, price, quantity, words } from '@/lib/format';
import { useMay } from '@/stores/session';
import { SideBadge } from '@/ui/Badge';
import { Button } from '@/ui/Button';
import { Card, Facts } from '@/ui/Card';
import { Freshness } from '@/ui/Freshness';
import { Pnl } from '@/ui/Numbers';
import { resultAt, type Move } from './MoveProtection';
import { gridOf } from './facts';

export function PositionCard({ operation, position, onMove }: PositionCardProps) {
  const mayTrade = useMay('trader');
  const { decimals } = gridOf(operation);
  const level = (kind: Move['kind'], value: string | null) => {
    const result = value === null ? null : resultAt(operation, position?.entry_price ?? null, Number(value));
    return (
      <span className="inline-flex items-center gap-1.5">
        <span className="num">{price(value, decimals)}</span>
        {result !== null && <Pnl value={result} className="text-xs" />}
        {mayTrade && value !== null && (
          <Button
            size="sm"
            kind="quiet"
            icon={<MoveVertical />}
            className="px-1"
            aria-label={`Move the ${kind === 'STOP_LOSS' ? 'stop' : 'target'}`}
            title="Move it"
            onClick={() => onMove({ kind, from: value, to: null })}
          />
        )}
      </span>
    );
  };
  return (
    <Card title="Position" actions={position && <Freshness at={position.priced_at} />} className="self-start">
      {position === null ? (
        <p className="text-muted">
          Flat.{' '}
          {operation.status === 'active'
            ? 'The strategy enters when it sees reason to.'
            : 'Nothing is entered as it is.'}
        </p>
      ) : (
        <>
          <p className="text-2xl leading-8 font-semibold tracking-tight">
            <Pnl value={position.unrealized_pnl} />{' '}
            <span className="text-sm font-normal text-muted">
              {operation.currency} · {percent(position.unrealized_pnl_pct, { sign: true })}
            </span>
          </p>
          <Facts
            className="mt-3"
            rows={[
              [
                'Holds',
                <span key="q">
                  <SideBadge side={position.position_type} /> <span className="num">{quantity(position.quantity)}</span>
                </span>,
              ],
              [
                'Entered at',
                <span key="e" className="num">
                  {price(position.entry_price, decimals)}
                </span>,
              ],
              [
                'Now',
                <span key="n" className="num">
                  {price(position.current_price, decimals)}
                </span>,
              ],
              ['Stop', level('STOP_LOSS', position.stop_loss)],
              ['Target', level('TAKE_PROFIT', position.take_profit)],
              [
                'Since',
                <time key="t" title={exactly(position.opened_at)}>
                  {moment(position.opened_at)}
                </time>,
              ],
            ]}
          />
          {position.stop_loss === null && <p className="mt-2 text-warn">No stop guards this position.</p>}
        </>
      )}
      <h3 className="mt-4 mb-1.5 border-t border-line pt-3 font-semibold">Operation</h3>
      <Facts
        rows={[
          [
            'Realised',
            <Pnl key="r" value={operation.total_pnl} currency={operation.currency} pct={operation.total_pnl_pct} />,
          ],
          [
            'Capital',
            <span key="c" className="num">{`${money(operation.current_capital)} ${operation.currency}`}</span>,
          ],
          ['Trades', `${operation.trade_count}: ${operation.winning_trades} won, ${operation.losing_trades} lost`],
          ['Refused', operation.refusal_count],
          [
            'Bars',
            operation.bar_sizes
              .map((size) => (size === operation.primary_bar_size ? `${size} (primary)` : size))
              .join(', '),
          ],
        ]}
      />
      {position !== null && <IfItCrashed operation={operation} />}
    </Card>
  );
}

/** What recovery would do with the position if the engine died now. */
function IfItCrashed({ operation }: { operation: OperationDetail }) {
  const preview = useQuery(recoverPreview(operation.id, operation.sequence_number));
  return (
    <>
      <h3 className="mt-4 mb-1.5 border-t border-line pt-3 font-semibold">If the engine crashed now</h3>
      {preview.data === undefined ? (
        <p className="text-muted">{preview.isPending ? 'Working it out…' : 'It cannot be told just now.'}</p>
      ) : (
        <p>
          <b>{preview.data.decision === null ? 'Nothing' : words(preview.data.decision)}</b>{' '}
          <span className="text-muted">({words(preview.data.mode).toLowerCase()})</span>
          <span className="block text-soft">{preview.data.reason}</span>
        </p>
      )}
    </>
  );
}

interface PositionCardProps {
  operation: OperationDetail;
  position: Position | null;
  onMove: (move: Move) => void;
}
