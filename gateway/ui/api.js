// The way to the gateway. Owns: the guest identity, idempotency keys, safe repeats.

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
/** A gateway that wants a proof is shown so many before it is believed to want something else. */
const PROOFS_MAX = 3;
/** Longer than this nobody is kept waiting without being told. */
const PAUSE_MS_MAX = 4000;
/** Worth asking again at once. "unavailable" is not: the gateway has tried for seconds, and nothing happened. */
const REPEATED = new Set(["unreachable", "outcome_unknown", "request_in_flight", "overloaded", "deadline"]);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** A fresh idempotency key. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
}

async function once(method, path, { body, key, proof, headers } = {}) {
  let response;
  try {
    response = await fetch(`/v1${path}`, {
      method,
      headers: {
        ...(body !== undefined && { "content-type": "application/json" }),
        ...(key && { "idempotency-key": key }),
        ...(proof && { "x-altcha": proof }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
    });
  } catch {
    throw new ApiError(0, { code: "unreachable" });
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
  return { response, body: parsed };
}

/** Asks; where the gateway wants a proof that nobody's robot asks, gives one and asks again. */
async function ask(method, path, options) {
  let proof = null;
  for (let shown = 0; ; shown += 1) {
    try {
      return await once(method, path, { ...options, proof });
    } catch (error) {
      if (error.code !== "challenge_required" || shown >= PROOFS_MAX) throw error;
      const { prove } = await import("./proof.js");
      proof = await prove(document.getElementById("messages")).catch(() => {
        throw error;
      });
    }
  }
}

async function asGuest(call) {
  try {
    return await call();
  } catch (error) {
    if (error.status !== 401) throw error;
    await ask("POST", "/guests");
    return call();
  }
}

/** Reads; `etag` of an earlier answer may come back as `body: null`. */
export function read(path, { etag } = {}) {
  const headers = etag ? { "if-none-match": etag } : {};
  return asGuest(() => ask("GET", path, { headers }));
}

/** Writes. Repeats with the same key when the outcome is not known: that can never act twice. */
export async function write(method, path, body) {
  const key = newKey();
  for (let tried = 1; ; tried += 1) {
    try {
      return (await asGuest(() => ask(method, path, { body, key }))).body;
    } catch (error) {
      if (!REPEATED.has(error.code) || tried >= REPEATS_MAX) throw error;
      await sleep(Math.min(error.retryAfterMs ?? 1000, PAUSE_MS_MAX));
    }
  }
}
