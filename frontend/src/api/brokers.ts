import { sendJson } from './client';
import type { Broker, BrokerTest } from './types';

export const addBroker = (broker: Record<string, unknown>) =>
  sendJson<Broker>('POST', '/api/brokers', { body: broker });
export const changeBroker = (name: string, change: Record<string, unknown>) =>
  sendJson<Broker>('PUT', `/api/brokers/${name}`, { body: change });
export const removeBroker = (name: string) => sendJson<undefined>('DELETE', `/api/brokers/${name}`);
export const testBroker = (name: string) => sendJson<BrokerTest>('POST', `/api/brokers/${name}/test`);
