import type { QueryClient } from '@tanstack/react-query';
import type { MarkMessage, SocketMessage } from '@/api/types';
import { accessToken, ended, isExpiring, renew } from '@/stores/session';
import { alertOn } from './alerts';
import { TAIL, useLink } from './link';
import { Freshener, patchMarks } from './patch';
import { forgetQuotes, putQuote } from './quotes';
import { LiveSocket } from './socket';

/** How often values of the moment reach the screen, in milliseconds. */
const FRAME = 100;
/** A read that showed no change yet is looked at again so often, while entries wait for it. */
const SYSTEM_EVERY = 15_000;

/** A socket was refused with the token that there is. */
let mustRenew = false;
const UNAUTHORIZED = 4401;

/** The subprotocols of a socket: the interface's name, and the token, which is never part of an address. */
export async function socketProtocols(): Promise<string[] | null> {
  if ((mustRenew || isExpiring()) && !(await renew())) {
    ended('expired');
    return null;
  }
  mustRenew = false;
  const token = accessToken();
  return token === null ? null : ['live-trading', `bearer.${token}`];
}

/** Follow everything, for as long as somebody is logged in. Returns how to stop. */
export function followEverything(client: QueryClient): () => void {
  const freshener = new Freshener(client);
  const marks = new Map<string, MarkMessage>();
  let frame: ReturnType<typeof setTimeout> | undefined;
  let wasOffline = false;

  const flush = () => {
    frame = undefined;
    patchMarks(client, marks);
    marks.clear();
  };

  const take = (message: SocketMessage) => {
    switch (message.type) {
      case 'hello':
        useLink.setState({ head: message.head, bye: null });
        if (wasOffline) void client.invalidateQueries();
        wasOffline = false;
        return;
      case 'entry':
        freshener.note(message.entry);
        alertOn(message.entry);
        useLink.setState(({ tail, head }) => ({
          tail: [...tail.slice(1 - TAIL), message.entry],
          head: Math.max(head, message.seq),
        }));
        return;
      case 'read_models':
        freshener.reached(message.read_models);
        useLink.setState({ readModels: message.read_models });
        return;
      case 'tick':
        putQuote(message);
        return;
      case 'mark':
        marks.set(message.position_id, message);
        frame ??= setTimeout(flush, FRAME);
        return;
      case 'heartbeat':
        useLink.setState({ head: message.head, skew: Date.parse(message.time) - Date.now() });
        return;
      case 'bye':
        mustRenew ||= message.status === UNAUTHORIZED;
        useLink.setState({ bye: message.detail });
        return;
      case 'bar':
        return;
    }
  };

  const socket = new LiveSocket({
    path: '/ws/overall',
    contiguous: true,
    protocols: socketProtocols,
    onMessage: take,
    onState: (state, since) => {
      if (state === 'offline') wasOffline = true;
      useLink.setState({ state, since });
    },
  });
  socket.start();
  const looking = setInterval(() => void client.invalidateQueries({ queryKey: ['system'] }), SYSTEM_EVERY);
  return () => {
    clearTimeout(frame);
    clearInterval(looking);
    socket.stop();
    forgetQuotes();
    useLink.setState({ state: 'connecting', since: Date.now(), tail: [], head: 0, readModels: 0 });
  };
}
