import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { history } from '@/api/queries';
import type { Config, InstrumentInfo } from '@/api/types';
import { decimalsOf, money, percent, price, toNumber } from '@/lib/format';
import { marketWords } from '@/lib/market';
import { AccountBadge } from '@/ui/Badge';
import { Card, Facts } from '@/ui/Card';
import { Note } from '@/ui/States';
import { riskOf } from './risk';
import type { OperationValues } from './schema';

interface PreviewProps {
  values: OperationValues;
  instrument: InstrumentInfo | null;
  config: Config;
}

/** What an entry would put at risk, at the prices that this installation has seen last. */
export function Preview({ values, instrument, config }: PreviewProps) {
  const found = useQuery({ ...history(values.asset, values.primary_bar_size), enabled: values.asset !== '' });
  const bars = useMemo(() => found.data?.items ?? [], [found.data]);
  const risk = useMemo(() => riskOf(values, instrument, bars), [values, instrument, bars]);
  const decimals = instrument ? decimalsOf(instrument.tick_size) : undefined;
  const currency = instrument?.currency ?? '';
  const capital = toNumber(values.initial_capital);
  const part = risk.loss !== null && capital ? risk.loss / capital : null;
  return (
    <Card title="What an entry puts at risk" actions={<AccountBadge type={config.account_type} />}>
      {instrument === null ? (
        <p className="text-muted">Choose an asset to see it.</p>
      ) : (
        <>
          <Facts
            rows={[
              ['Broker', config.broker],
              ['Market', marketWords(instrument.hours)],
              ['Last price seen', risk.price === null ? 'none yet' : price(risk.price, decimals)],
              ['Value of an entry', risk.value === null ? 'when a price is there' : `${money(risk.value)} ${currency}`],
              [
                'Stop, from the price',
                risk.stop === null
                  ? values.stop.type
                    ? 'when enough bars are there'
                    : 'none'
                  : price(risk.stop, decimals),
              ],
              ['Lost at the stop', risk.loss === null ? '–' : `${money(risk.loss)} ${currency}`],
              ['Of the capital', part === null ? '–' : percent(part)],
              ['Won at the target', risk.gain === null ? '–' : `${money(risk.gain)} ${currency}`],
            ]}
          />
          {part !== null && part > 0.02 && (
            <Note tone="warn" className="mt-3">
              One stop would cost more than 2 % of the capital. That alone may trip the kill switch.
            </Note>
          )}
          {values.stop.type === '' && (
            <Note tone="warn" className="mt-3">
              Without a stop nothing limits the loss while the engine is away.
            </Note>
          )}
          <p className="mt-3 text-xs text-muted">
            Commissions and slippage come on top. To try the strategy on recorded data first, see Backtest.
          </p>
        </>
      )}
    </Card>
  );
}
