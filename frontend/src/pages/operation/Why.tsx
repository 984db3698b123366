import { useQuery } from '@tanstack/react-query';
import { tradeWhy } from '@/api/queries';
import { duration, exactly, percent, price, quantity, words } from '@/lib/format';
import { SideBadge } from '@/ui/Badge';
import { Facts } from '@/ui/Card';
import { Dialog } from '@/ui/Dialog';
import { Pnl } from '@/ui/Numbers';
import { ErrorNote, Loading } from '@/ui/States';
import { Story } from '@/ui/Story';

/** Why a trade came about: the signal and what it looked at, the orders, the fills, the exit, as they were journaled. */
export function Why({ tradeId, decimals, onClose }: { tradeId: string; decimals?: number; onClose: () => void }) {
  const found = useQuery(tradeWhy(tradeId));
  const trade = found.data?.trade;
  return (
    <Dialog
      kind="sheet"
      open
      onOpenChange={(open) => {
        if (!open) onClose();
      }}
      title={
        trade ? `Why: ${words(trade.position_type)} ${quantity(trade.quantity)} ${trade.symbol}` : 'Why this trade'
      }
      description="Everything that led to it, in the order it happened"
    >
      {found.isPending && <Loading rows={8} />}
      <ErrorNote error={found.error} retry={() => void found.refetch()} />
      {trade && (
        <>
          <Facts
            className="mb-4 rounded-md bg-sunken px-3 py-2"
            rows={[
              [
                'Result',
                <Pnl
                  key="r"
                  value={trade.net_pnl}
                  currency={trade.currency}
                  pct={trade.net_pnl_pct}
                  className="font-semibold"
                />,
              ],
              ['Side', <SideBadge key="s" side={trade.position_type} />],
              ['In', `${price(trade.entry_price, decimals)} · ${exactly(trade.entry_time).slice(0, 19)}`],
              ['Out', `${price(trade.exit_price, decimals)} · ${exactly(trade.exit_time).slice(0, 19)}`],
              ['Closed by', `${words(trade.exit_purpose)}${trade.exit_reason ? `: ${trade.exit_reason}` : ''}`],
              ['Lasted', duration(trade.duration_seconds)],
              ['Commission', <Pnl key="c" value={-Number(trade.total_commission)} currency={trade.currency} />],
              [
                'Price moved',
                percent((Number(trade.exit_price) - Number(trade.entry_price)) / Number(trade.entry_price), {
                  sign: true,
                  digits: 3,
                }),
              ],
            ]}
          />
          <Story entries={found.data?.entries ?? []} />
        </>
      )}
    </Dialog>
  );
}
