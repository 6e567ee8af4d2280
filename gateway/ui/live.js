// Keeps a show's seats as they are: a stream of changes, or asking every few seconds where there is no stream. The contract is
// docs/live-maps.md. Owns: the connection, the age of what is shown, and saying plainly when it is old.

import { ApiError } from "./api.js";
import { h, notice } from "./dom.js";
import { t } from "./messages.js";

const OCTETS = "application/vnd.holdfast.seats+octets";
const HEAD_BYTES = 12;
const AREA_BYTES = 16;
const POLL_MS = 2000;
/** Older than this, the map is said to be old. */
const STALE_MS = 6000;
/** An age beyond this means that the gateway does not know. */
const AGE_KNOWN_MS = 24 * 3600 * 1000;
/** Something comes every 5 s; after this long without, the stream is opened anew. */
const SILENCE_MS = 15_000;
const LOOK_MS = 1000;

/** Four states a byte, the lowest bits first. */
const unpack = (bytes, count) => Array.from({ length: count }, (_, at) => [at, (bytes[at >> 2] >> (2 * (at & 3))) & 3]);

/** All states now, with the log index and age of that knowledge. */
export async function readStates(show) {
  let response;
  try {
    response = await fetch(`/v1/shows/${show}/seats`, { headers: { accept: OCTETS } });
  } catch {
    throw new ApiError(0, { code: "unreachable" });
  }
  if (!response.ok) throw new ApiError(response.status, await response.json().catch(() => ({})));
  const view = new DataView(await response.arrayBuffer());
  const [seats, areas] = [view.getUint32(4, true), view.getUint32(8, true)];
  const areasFrom = HEAD_BYTES + Math.ceil(seats / 4);
  return {
    index: Number(response.headers.get("holdfast-index")),
    age_ms: Number(response.headers.get("holdfast-age-ms")),
    seats: unpack(new Uint8Array(view.buffer, HEAD_BYTES), seats),
    areas: Array.from({ length: areas }, (_, at) => [at, view.getUint32(areasFrom + at * AREA_BYTES, true)]),
  };
}

/** Follows a show; tells `lost` of chosen seats that others got. */
export class Live {
  constructor(show, model, lost) {
    Object.assign(this, { show, model, lost, index: 0, stream: null, polling: 0 });
    this.line = document.getElementById("freshness");
    this.box = h("div", { hidden: true, role: "status" }, notice("warn", t("js.cut"), t("js.cut.advice")));
    document.getElementById("messages").after(this.box);
  }

  begin(first) {
    this.take(first);
    this.open();
    setInterval(() => this.tick(), LOOK_MS);
    addEventListener("pagehide", () => this.stream?.close());
  }

  /** Takes what came, unless something newer is shown already. */
  take({ index, age_ms: ageMs, seats = [], areas = [] }) {
    this.ageMs = ageMs;
    this.heardAt = performance.now();
    this.fresh();
    if (index < this.index) return;
    this.index = index;
    const lost = this.model.update(seats, areas);
    if (lost.length > 0) this.lost(lost);
  }

  open() {
    this.stream?.close();
    this.openedAt = performance.now();
    this.stream = new EventSource(`/v1/shows/${this.show}/seats/live`);
    const on = (name, act) => this.stream.addEventListener(name, (event) => {
      clearTimeout(this.polling);
      this.polling = 0;
      act(JSON.parse(event.data));
    });
    on("snapshot", (data) => {
      // Another layout means another hall: begin again.
      if (data.layout !== this.model.version) location.reload();
      const bytes = Uint8Array.from(atob(data.seats), (letter) => letter.charCodeAt(0));
      this.take({ ...data.as_of, seats: unpack(bytes, data.count), areas: (data.areas ?? []).map((area, at) => [at, ...area]) });
    });
    on("delta", (data) => this.take({ ...data.as_of, seats: data.seats, areas: data.areas }));
    on("age", (data) => this.take(data.as_of));
    on("stale", (data) => this.take(data.as_of));
    // The browser comes back by itself; where it gave up, or while it tries, the seats are asked for.
    this.stream.addEventListener("error", () => this.poll());
  }

  /** Asks now and then until the stream speaks again. */
  poll() {
    if (this.polling) return;
    const next = async () => {
      if (!document.hidden) await this.look();
      if (this.polling) this.polling = setTimeout(next, POLL_MS);
    };
    this.polling = setTimeout(next, POLL_MS);
  }

  /** Asks at once. */
  async look() {
    try {
      this.take(await readStates(this.show));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  }

  tick() {
    this.fresh();
    const quietMs = performance.now() - Math.max(this.heardAt, this.openedAt);
    if (quietMs > SILENCE_MS && !document.hidden) this.open();
  }

  /** Shows how old the map is; plainly when it is old. */
  fresh() {
    const ageMs = this.ageMs + performance.now() - this.heardAt;
    // Between two words of a quiet stream the age grows by itself; only what the gateway says makes a map old.
    const stale = this.ageMs > STALE_MS || ageMs > SILENCE_MS;
    this.line.hidden = false;
    this.line.classList.toggle("stale", stale);
    this.line.textContent = stale ? (ageMs > AGE_KNOWN_MS ? t("js.old.unknown") : t("js.old", { s: Math.round(ageMs / 1000) })) : t("js.fresh");
    this.box.hidden = !stale;
  }
}
