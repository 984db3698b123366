import { useQuery } from '@tanstack/react-query';
import { health, profile, state } from './queries';
import type { AccountType, State } from './types';

export interface SystemState {
  engine: 'trading' | 'recovering' | 'away' | 'unknown';
  engineDetail: string;
  account: AccountType | null;
  killSwitch: State['kill_switch'];
  breakerUntil: string | null;
}

/** How the whole stands, from what is known of it: unknown is not "well". */
export function useSystem(): SystemState {
  const known = useQuery(health());
  const folded = useQuery(state());
  const me = useQuery(profile());
  const engine = known.data?.dependencies.find(({ name }) => name === 'engine');
  const recovering = folded.data?.engine === 'recovering';
  return {
    engine: known.data === undefined ? 'unknown' : !known.data.trading ? 'away' : recovering ? 'recovering' : 'trading',
    engineDetail: engine?.detail ?? 'it does not hold the journal',
    account: me.data?.account_type ?? null,
    killSwitch: folded.data?.kill_switch ?? null,
    breakerUntil: folded.data?.circuit_breaker_open_until ?? null,
  };
}
