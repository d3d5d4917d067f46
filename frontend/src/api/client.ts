import { settings } from "../settings";
import type { Routes } from "./schema";
import { ended, goesOn } from "./session";

/** A refusal, in the server's words. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** The task in the way, if any. */
    readonly taskId: string | null = null,
    /** What is wrong with which part of the request. */
    readonly faults: readonly Fault[] = [],
  ) {
    super(message);
  }
}

/** A part of a request, such as `["arguments", "lines", 0]`, and what is wrong with it. */
export interface Fault {
  place: readonly (string | number)[];
  message: string;
}

/** One page of a list. */
export interface Page<T> {
  items: T;
  /** Of the next page; null: this was the last. */
  cursor: string | null;
  /** How many there are, such as `10000+`; null where nobody counts. */
  total: string | null;
}

interface Sent<R extends keyof Routes> {
  /** Fills `{name}` and `{task_id}` in the path. */
  path?: Record<string, string>;
  query?: Routes[R]["query"];
  body?: Routes[R]["body"];
  /** The body as JSON: with whole numbers that JavaScript does not hold. */
  json?: string;
  signal?: AbortSignal;
}

/** Ask a route, and have its answer as it is. */
export async function ask<R extends keyof Routes>(
  route: R,
  sent: Sent<R> = {},
): Promise<Routes[R]["answer"]> {
  const answer = await send(route, sent);
  return answer.json();
}

/** Ask a list, and have one page of it. */
export async function askPage<R extends keyof Routes>(
  route: R,
  sent: Sent<R> = {},
): Promise<Page<Routes[R]["answer"]>> {
  const answer = await send(route, sent);
  return {
    items: await answer.json(),
    cursor: nextCursor(answer.headers.get("Link")),
    total: answer.headers.get("X-Total-Count"),
  };
}

/** The cursor within a `Link` header with `rel="next"`. */
export function nextCursor(link: string | null): string | null {
  const found = link?.match(/<([^>]*)>\s*;\s*rel="next"/);
  const query = found?.[1]?.split("?")[1];
  return query ? new URLSearchParams(query).get("cursor") : null;
}

/** The address of a route. */
export function address(
  route: string,
  path: Record<string, string> = {},
  query: Record<string, unknown> = {},
): string {
  const filled = route.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(path[name] ?? ""),
  );
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") params.append(name, String(one));
    }
  }
  const asked = params.toString();
  return `${settings.base}${filled}${asked ? `?${asked}` : ""}`;
}

async function send<R extends keyof Routes>(route: R, sent: Sent<R>): Promise<Response> {
  const [method = "GET", path = ""] = (route as string).split(" ");
  const init: RequestInit = { method, headers: { Accept: "application/json" } };
  if (sent.signal) init.signal = sent.signal;
  const body = sent.json ?? (sent.body === undefined ? undefined : JSON.stringify(sent.body));
  if (body !== undefined) {
    init.body = body;
    init.headers = { ...init.headers, "Content-Type": "application/json" };
  }
  const answer = await reach(address(path, sent.path, sent.query as Record<string, unknown>), init);
  if (answer.ok) {
    goesOn();
    return answer;
  }
  throw await refusal(answer);
}

async function reach(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "The server does not answer.");
  }
}

async function refusal(answer: Response): Promise<ApiError> {
  if (answer.status === 401) ended();
  const told: unknown = await answer.json().catch(() => null);
  const { detail, task_id: taskId } = (told ?? {}) as { detail?: unknown; task_id?: string };
  const words = inWords(detail) ?? answer.statusText;
  return new ApiError(answer.status, words, taskId ?? null, faultsOf(detail));
}

function faultsOf(detail: unknown): Fault[] {
  if (!Array.isArray(detail)) return [];
  return detail.map((one: { loc?: (string | number)[]; msg?: string }) => ({
    place: one.loc?.slice(1) ?? [],
    message: one.msg ?? "",
  }));
}

/** FastAPI lists what is wrong with a body or query; we say it in a sentence. */
function inWords(detail: unknown): string | null {
  if (typeof detail === "string") return detail;
  if (!Array.isArray(detail)) return null;
  return detail
    .map(({ loc = [], msg = "" }: { loc?: unknown[]; msg?: string }) => {
      // Of a list it is the list that has a name.
      const name = loc.filter((one) => typeof one === "string").at(-1) ?? "";
      return `${name}: ${msg}`;
    })
    .join(". ");
}
