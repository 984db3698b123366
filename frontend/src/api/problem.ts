/** What the server refused or could not do: its `application/problem+json`, or no answer at all. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly field: string | undefined;
  readonly fields: readonly { field: string; detail: string }[];
  readonly requestId: string | undefined;
  /** Whether it is certain that nothing was done: asked again, it is another request, under another key. */
  readonly isFinal: boolean;

  constructor(facts: ProblemFacts) {
    super(facts.detail);
    this.name = 'Problem';
    this.status = facts.status;
    this.code = facts.code;
    this.title = facts.title;
    this.field = facts.field;
    this.fields = facts.fields ?? [];
    this.requestId = facts.requestId;
    this.isFinal = facts.commandId !== undefined || (facts.status >= 400 && facts.status < 500);
  }
}

interface ProblemFacts {
  status: number;
  code: string;
  title: string;
  detail: string;
  field?: string | undefined;
  fields?: readonly { field: string; detail: string }[];
  requestId?: string | undefined;
  commandId?: string | undefined;
}

export const isProblem = (error: unknown): error is Problem => error instanceof Problem;

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/** An error answer as a Problem, whatever its body holds. */
export async function problemOf(response: Response): Promise<Problem> {
  let body: Record<string, unknown> = {};
  try {
    const parsed: unknown = await response.json();
    if (typeof parsed === 'object' && parsed !== null) body = parsed as Record<string, unknown>;
  } catch {
    // not JSON: a proxy's page, or nothing; the status says enough
  }
  const errors = Array.isArray(body['errors']) ? (body['errors'] as { field?: unknown; detail?: unknown }[]) : [];
  return new Problem({
    status: response.status,
    code: text(body['code']) ?? `HTTP_${response.status}`,
    title: text(body['title']) ?? `Error ${response.status}`,
    detail: text(body['detail']) ?? (response.statusText || 'no reason was given'),
    field: text(body['field']),
    fields: errors.flatMap(({ field, detail }) =>
      typeof field === 'string' && typeof detail === 'string' ? [{ field, detail }] : [],
    ),
    commandId: text(body['command_id']),
    requestId: response.headers.get('x-request-id') ?? undefined,
  });
}

export const unreachable = (): Problem =>
  new Problem({
    status: 0,
    code: 'UNREACHABLE',
    title: 'The server does not answer',
    detail: 'Check the connection. Nothing was changed by this page; what was asked may still have arrived.',
  });
