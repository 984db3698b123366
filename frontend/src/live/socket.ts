import type { SocketMessage } from '@/api/types';

export type LinkState = 'connecting' | 'live' | 'offline';

export interface SocketOptions {
  /** `/ws/overall`, or an operation's. */
  path: string;
  /** Whether every journal entry is told here: then a number left out is a gap. */
  contiguous: boolean;
  /** The subprotocols that carry a token that is good now; null where the log-in is over. */
  protocols: () => Promise<string[] | null>;
  onMessage: (message: SocketMessage) => void;
  onState: (state: LinkState, since: number) => void;
  /** From which entry on; the last one told takes its place. */
  after?: number;
  make?: (url: string, protocols: string[]) => WebSocket;
}

const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 5_000;
/** Milliseconds: a connection that has not said hello by then is tried anew. */
const HELLO_PATIENCE = 10_000;
const DEFAULT_HEARTBEAT = 5_000;

/**
 * One stream of the server's messages, in order, none missing and none twice. It keeps the number of the last journal
 * entry it was told; after a lost connection, silence or a gap it asks for what comes after that.
 */
export class LiveSocket {
  private socket: WebSocket | null = null;
  private last: number | null;
  private state: LinkState = 'connecting';
  private heartbeat = DEFAULT_HEARTBEAT;
  private pause = FIRST_PAUSE;
  private silence: ReturnType<typeof setTimeout> | undefined;
  private again: ReturnType<typeof setTimeout> | undefined;
  private ended = false;
  /** How often entries were missing and asked for again. */
  gaps = 0;

  constructor(private readonly options: SocketOptions) {
    this.last = options.after ?? null;
  }

  /** The last journal entry that was told. */
  get seq(): number | null {
    return this.last;
  }

  start(): void {
    void this.connect();
    window.addEventListener('online', this.hurry);
    document.addEventListener('visibilitychange', this.hurry);
  }

  stop(): void {
    this.ended = true;
    clearTimeout(this.again);
    clearTimeout(this.silence);
    window.removeEventListener('online', this.hurry);
    document.removeEventListener('visibilitychange', this.hurry);
    this.drop();
  }

  /** The network is back, or the page is looked at again: no need to wait for the next try. */
  private readonly hurry = () => {
    if (this.state === 'live' || this.ended || document.hidden) return;
    clearTimeout(this.again);
    this.pause = FIRST_PAUSE;
    void this.connect();
  };

  private drop(): void {
    const socket = this.socket;
    this.socket = null;
    if (!socket) return;
    socket.onmessage = socket.onclose = socket.onerror = null;
    socket.close();
  }

  private async connect(): Promise<void> {
    this.drop();
    let protocols: string[] | null;
    try {
      protocols = await this.options.protocols();
    } catch {
      this.lost();
      return;
    }
    if (this.hasEnded() || protocols === null) return;
    this.drop();
    const query = this.last === null ? '' : `?after=${this.last}`;
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const make = this.options.make ?? ((url, names) => new WebSocket(url, names));
    const socket = make(`${scheme}//${location.host}${this.options.path}${query}`, protocols);
    this.socket = socket;
    socket.onmessage = (event: MessageEvent<string>) => {
      if (this.socket === socket) this.take(JSON.parse(event.data) as SocketMessage);
    };
    socket.onclose = () => {
      if (this.socket === socket) this.lost();
    };
    this.listen(HELLO_PATIENCE);
  }

  // A method, so that the answer is not taken to be the same before and after an await.
  private hasEnded(): boolean {
    return this.ended;
  }

  private lost(): void {
    if (this.ended) return;
    clearTimeout(this.silence);
    this.drop();
    this.become('offline');
    const wait = this.pause * (0.75 + Math.random() / 2);
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
    clearTimeout(this.again);
    this.again = setTimeout(() => void this.connect(), wait);
  }

  private listen(patience: number): void {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.lost(), patience);
  }

  private become(state: LinkState): void {
    if (this.state === state) return;
    this.state = state;
    this.options.onState(state, Date.now());
  }

  private take(message: SocketMessage): void {
    if (message.type === 'hello') this.heartbeat = message.heartbeat_seconds * 1000;
    this.listen(2 * this.heartbeat);
    if (message.type === 'hello') {
      this.pause = FIRST_PAUSE;
      this.last ??= message.seq;
      this.become('live');
    } else if (message.type === 'entry') {
      if (this.last !== null && message.seq <= this.last) return;
      if (this.options.contiguous && this.last !== null && message.seq !== this.last + 1) {
        this.gap();
        return;
      }
      this.last = message.seq;
    } else if (message.type === 'heartbeat') {
      if (this.options.contiguous && this.last !== null && message.seq > this.last) {
        this.gap();
        return;
      }
      this.last = Math.max(this.last ?? 0, message.seq);
    } else if (message.type === 'bye') {
      this.options.onMessage(message);
      this.lost();
      return;
    }
    this.options.onMessage(message);
  }

  /** Something is missing: asked for again, from the last entry that is certain. */
  private gap(): void {
    this.gaps += 1;
    void this.connect();
  }
}
