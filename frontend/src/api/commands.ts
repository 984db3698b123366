import { sendJson, withQuery } from './client';

/** What came of a command: done, or kept for an engine that is away. Refusals are thrown as a Problem. */
export interface CommandAnswer {
  state: 'done' | 'waiting';
  operationId?: string | undefined;
  warning?: string | undefined;
}

interface Raw {
  status?: string;
  command_id?: string;
  result?: { operation_id?: string; warning?: string } | null;
  operation_id?: string;
  warning?: string;
}

async function command(method: string, path: string, key: string, body?: unknown): Promise<CommandAnswer> {
  const answer = await sendJson<Raw | undefined>(method, path, { key, ...(body === undefined ? {} : { body }) });
  const result = answer?.result ?? answer;
  return {
    state: answer?.status === 'pending' ? 'waiting' : 'done',
    operationId: result?.operation_id,
    warning: result?.warning,
  };
}

type About = { reason: string; key: string };

export const pauseOperation = (id: string, { reason, key }: About) =>
  command('POST', `/api/operations/${id}/pause`, key, { reason });
export const resumeOperation = (id: string, { reason, key }: About) =>
  command('POST', `/api/operations/${id}/resume`, key, { reason });
export const closeOperation = (id: string, { reason, key }: About) =>
  command('DELETE', withQuery(`/api/operations/${id}`, { reason }), key);
export const closePosition = (id: string, { reason, key }: About) =>
  command('POST', `/api/positions/${id}/close`, key, { reason });
export const cancelOrder = (id: string, { reason, key }: About) =>
  command('POST', `/api/orders/${id}/cancel`, key, { reason });
export const resolveOrder = (id: string, { reason, key }: About) =>
  command('POST', `/api/orders/${id}/resolve`, key, { resolution: 'not_placed', note: reason });
export const tripKillSwitch = ({ reason, key }: About) => command('POST', '/api/kill-switch', key, { reason });
export const resetKillSwitch = ({ reason, key }: About) => command('DELETE', '/api/kill-switch', key, { note: reason });
export const manualTrade = (trade: Record<string, unknown>, key: string) =>
  command('POST', '/api/manual-trade', key, trade);
export const moveProtection = (id: string, kind: string, at: string, key: string) =>
  command('POST', `/api/operations/${id}/protection`, key, { kind, price: at });
export const addNote = (id: string, text: string, key: string) =>
  command('POST', `/api/operations/${id}/notes`, key, { text });
export const createOperation = (settings: Record<string, unknown>, key: string) =>
  command('POST', '/api/operations', key, settings);
export const resolveDiscrepancy = (resolution: Record<string, unknown>, key: string) =>
  command('POST', '/api/discrepancies/resolve', key, resolution);
export const updateOperation = (id: string, changes: Record<string, unknown>, key: string) =>
  command('PUT', `/api/operations/${id}`, key, changes);
export const changeSettings = (changes: Record<string, unknown>, key: string) =>
  command('PUT', '/api/settings', key, { risk_management: changes });
