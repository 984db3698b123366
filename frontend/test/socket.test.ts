import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SocketMessage } from '@/api/types';
import { LiveSocket, type LinkState } from '@/live/socket';
import { entryOf } from './examples';

/** The other end of a connection, in the test's hand. */
class Wire {
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  closed = false;
  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {}
  close(): void {
    this.closed = true;
  }
  tell(message: SocketMessage): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
  hello(seq: number): void {
    this.tell({ type: 'hello', seq, head: seq, heartbeat_seconds: 10 });
  }
  entry(seq: number): void {
    this.tell({ type: 'entry', seq, entry: entryOf(seq) });
  }
  cut(): void {
    this.onclose?.();
  }
}

describe('the live data of everything', () => {
  let wires: Wire[];
  let heard: number[];
  let states: LinkState[];
  let socket: LiveSocket;
  const wire = () => wires.at(-1) ?? expect.fail('there is no connection');
  const turn = () => vi.advanceTimersByTimeAsync(0);

  beforeEach(() => {
    vi.useFakeTimers();
    wires = [];
    heard = [];
    states = [];
    socket = new LiveSocket({
      path: '/ws/overall',
      contiguous: true,
      protocols: () => Promise.resolve(['live-trading', 'bearer.token']),
      onMessage: (message) => {
        if (message.type === 'entry') heard.push(message.seq);
      },
      onState: (state) => states.push(state),
      make: (url, protocols) => {
        const made = new Wire(url, protocols);
        wires.push(made);
        return made as unknown as WebSocket;
      },
    });
    socket.start();
  });
  afterEach(() => {
    socket.stop();
    vi.useRealTimers();
  });

  it('sends_the_token_as_a_subprotocol_and_never_in_the_address', async () => {
    await turn();
    expect(wire().protocols).toEqual(['live-trading', 'bearer.token']);
    expect(wire().url).toMatch(/^ws:\/\/[^/]+\/ws\/overall$/);
  });

  it('asks_for_what_comes_after_the_last_entry_when_the_connection_was_cut', async () => {
    await turn();
    wire().hello(10);
    wire().entry(11);
    wire().entry(12);
    wire().cut();
    expect(states).toEqual(['live', 'offline']);
    await vi.advanceTimersByTimeAsync(1000);
    expect(wires).toHaveLength(2);
    expect(wire().url).toContain('?after=12');
    wire().hello(12);
    wire().entry(13);
    expect(heard).toEqual([11, 12, 13]);
    expect(states).toEqual(['live', 'offline', 'live']);
  });

  it('tells_no_entry_twice', async () => {
    await turn();
    wire().hello(10);
    wire().entry(11);
    wire().entry(11);
    expect(heard).toEqual([11]);
  });

  it('asks_again_from_the_last_certain_entry_when_a_number_is_left_out', async () => {
    await turn();
    wire().hello(10);
    wire().entry(11);
    wire().entry(13);
    await turn();
    expect(heard).toEqual([11]);
    expect(socket.gaps).toBe(1);
    expect(wire().url).toContain('?after=11');
    wire().hello(11);
    for (const seq of [12, 13]) wire().entry(seq);
    expect(heard).toEqual([11, 12, 13]);
  });

  it('notices_by_the_heartbeat_that_an_entry_never_came', async () => {
    await turn();
    wire().hello(10);
    wire().tell({ type: 'heartbeat', seq: 12, time: '2026-03-02T14:30:00Z', head: 12 });
    await turn();
    expect(socket.gaps).toBe(1);
    expect(wire().url).toContain('?after=10');
  });

  it('takes_a_connection_that_is_silent_for_two_heartbeats_for_lost', async () => {
    await turn();
    wire().hello(10);
    await vi.advanceTimersByTimeAsync(19_000);
    expect(states).toEqual(['live']);
    await vi.advanceTimersByTimeAsync(1_500);
    expect(states).toEqual(['live', 'offline']);
  });

  it('waits_longer_each_time_the_server_does_not_answer_and_never_gives_up', async () => {
    await turn();
    for (let time = 0; time < 12; time += 1) {
      wire().cut();
      await vi.advanceTimersByTimeAsync(7_000);
      expect(wires).toHaveLength(time + 2);
    }
    wire().hello(10);
    expect(states.at(-1)).toBe('live');
  });

  it('hears_nothing_of_a_connection_it_has_left', async () => {
    await turn();
    const first = wire();
    first.hello(10);
    first.entry(12);
    await turn();
    first.entry(11);
    expect(heard).toEqual([]);
    expect(first.closed).toBe(true);
  });
});
