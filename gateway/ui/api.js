// The way to the gateway. Owns: the guest identity, idempotency keys, safe repeats, the server's clock.

/** An answer that says no. `problem` is the RFC 9457 body. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? `HTTP ${status}`);
    this.status = status;
    this.problem = problem;
    this.code = problem.code ?? "unreachable";
  }
}

const REPEATS_MAX = 3;
/** Worth asking again at once. "unavailable" is not: the gateway has tried for seconds, and nothing happened. */
const REPEATED = new Set(["unreachable", "outcome_unknown", "request_in_flight", "overloaded", "deadline"]);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** What to add to this machine's clock to get the shard's. */
let offsetMs = 0;
export const serverNow = () => Date.now() + offsetMs;
function learnClock(body) {
  if (body && typeof body.now_ms === "number" && body.now_ms > 0) offsetMs = body.now_ms - Date.now();
}

/** A fresh idempotency key. */
export function newKey() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
}

async function once(method, path, { body, key, headers } = {}) {
  let response;
  try {
    response = await fetch(`/v1${path}`, {
      method,
      headers: {
        ...(body !== undefined && { "content-type": "application/json" }),
        ...(key && { "idempotency-key": key }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
    });
  } catch {
    throw new ApiError(0, { code: "unreachable", title: "The service cannot be reached", detail: "The service cannot be reached. Check your connection." });
  }
  if (response.status === 304) return { response, body: null };
  const text = await response.text();
  let parsed = null;
  try {
    parsed = text ? JSON.parse(text) : null;
  } catch {
    parsed = null;
  }
  if (!response.ok) {
    const error = new ApiError(response.status, parsed ?? { title: response.statusText });
    error.retryAfterMs = 1000 * Number(response.headers.get("retry-after") ?? 1);
    throw error;
  }
  learnClock(parsed);
  return { response, body: parsed };
}

async function asGuest(call) {
  try {
    return await call();
  } catch (error) {
    if (error.status !== 401) throw error;
    await once("POST", "/guests");
    return call();
  }
}

/** Reads; `etag` of an earlier answer may come back as `body: null`. */
export function read(path, { etag } = {}) {
  const headers = etag ? { "if-none-match": etag } : {};
  return asGuest(() => once("GET", path, { headers }));
}

/** Writes. Repeats with the same key when the outcome is not known: that can never act twice. */
export async function write(method, path, body) {
  const key = newKey();
  for (let tried = 1; ; tried += 1) {
    try {
      return (await asGuest(() => once(method, path, { body, key }))).body;
    } catch (error) {
      if (!REPEATED.has(error.code) || tried >= REPEATS_MAX) throw error;
      await sleep(Math.min(error.retryAfterMs ?? 1000, 4000));
    }
  }
}

const RECENT = "holdfast.recent";

/** Orders and holds this browser made, newest first. */
export function recent() {
  try {
    return JSON.parse(localStorage.getItem(RECENT)) ?? [];
  } catch {
    return [];
  }
}

/** Remembers an order or hold, so that its page can be found again. */
export function remember(id, label) {
  const rest = recent().filter((entry) => entry.id !== id);
  try {
    localStorage.setItem(RECENT, JSON.stringify([{ id, label }, ...rest].slice(0, 8)));
  } catch {
    // A browser that keeps nothing still buys.
  }
}
