import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Machines are slow and loaded: a condition may take so long, in milliseconds. */
export const PATIENCE = 60_000;
/** Everything is started anew: a database, an exchange, an engine. */
const START_PATIENCE = 180_000;
export const PASSWORD = 'correct horse battery';

/** `live-trading run`: embedded MongoDB, paper exchange, engine and interface, in a directory of its own. */
export class Stack {
  readonly directory = mkdtempSync(join(tmpdir(), 'live-trading-e2e-'));
  address = '';
  firstPassword = '';
  private child: ChildProcess | null = null;
  private said = '';
  private port = 0;

  /** Start it, and wait until it can be asked. The same port is taken again after a stop. */
  async start(): Promise<void> {
    this.said = '';
    this.child = spawn(
      join(ROOT, '.venv/bin/live-trading'),
      [
        ...['run', '--no-demo', '--seed', '7', '--data-dir', this.directory],
        ...[
          '--set',
          `api.port=${this.port}`,
          '--set',
          'api.logins_per_minute=1000',
          '--set',
          'engine.lease_ttl_seconds=2',
        ],
      ],
      {
        cwd: ROOT,
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { ...process.env, LIVE_TRADING_CONFIG: join(ROOT, 'config.yaml') },
      },
    );
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.said = (this.said + chunk.toString()).slice(-200_000);
    });
    await until(
      () => {
        const ended = this.child?.exitCode ?? null;
        if (ended !== null) throw new Error(`the program ended:\n${this.said.slice(-3000)}`);
        this.address = /interface is at (http:\S+)/.exec(this.said)?.[1] ?? '';
        this.firstPassword ||= /the password (\S+)/.exec(this.said)?.[1] ?? '';
        return this.address !== '';
      },
      'the interface to be there',
      START_PATIENCE,
    );
    this.port = Number(new URL(this.address).port);
    await until(
      async () => {
        const health = (await (await fetch(`${this.address}/api/health`)).json()) as { trading: boolean };
        return health.trading;
      },
      'the engine to hold the journal',
      START_PATIENCE,
    );
  }

  /** SIGKILL: it ends where it stands. Its mongod and paper exchange are children with lives of their own. */
  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.end('SIGTERM');
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.child;
    this.child = null;
    if (!child || child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  }
}

/** Wait for a condition, for as long as a loaded machine may need. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  patience = PATIENCE,
): Promise<void> {
  const end = Date.now() + patience;
  let last: unknown = null;
  while (Date.now() < end) {
    try {
      if (await condition()) return;
      last = null;
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('the program ended')) throw error;
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`waited ${patience / 1000} s for ${what}${last instanceof Error ? `: ${last.message}` : ''}`);
}

/** Somebody who talks to the interface without the pages: to set the scene. */
export class Api {
  private constructor(
    private readonly address: string,
    private readonly token: string,
  ) {}

  static async logIn(address: string, name: string, password: string): Promise<Api> {
    const response = await fetch(`${address}/api/login`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ name, password }),
    });
    if (!response.ok) throw new Error(`log-in of ${name}: ${response.status} ${await response.text()}`);
    return new Api(address, ((await response.json()) as { access_token: string }).access_token);
  }

  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(`${this.address}${path}`, {
      method,
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${this.token}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return (response.status === 204 ? undefined : await response.json()) as T;
  }
}
