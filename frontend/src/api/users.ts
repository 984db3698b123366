import { sendJson } from './client';
import type { Role, User } from './types';

interface Change {
  role?: Role;
  password?: string;
  disabled?: boolean;
  revoke?: boolean;
}

export const changeUser = (name: string, change: Change) =>
  sendJson<User>('PUT', `/api/users/${name}`, { body: change });
export const addUser = (user: { name: string; role: Role; password: string }) =>
  sendJson<User>('POST', '/api/users', { body: user });
export const removeUser = (name: string) => sendJson<undefined>('DELETE', `/api/users/${name}`);
