// How far each region is from here. Owns: asking each of them, once a day and when there is nothing else to do; the gateways take
// the time. Must never: get in anybody's way, or be heard of when it does not work.

const KEY = "hf_measured_at_ms";
const EVERY_MS = 24 * 3600 * 1000;
const PATIENCE_MS = 3000;
/** The first request opens the connection; each one after it is an answer whose way the gateway times. */
const REQUESTS = 3;

/** Noted before it is done: a page that is left early is not measured on the next one. Who keeps nothing is never measured. */
function isDue() {
  try {
    if (Math.abs(Date.now() - Number(localStorage.getItem(KEY))) < EVERY_MS) return false;
    localStorage.setItem(KEY, String(Date.now()));
    return true;
  } catch {
    return false;
  }
}

async function measureOne(origin) {
  let query = "";
  for (let asked = 0; asked < REQUESTS; asked += 1) {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const response = await fetch(`${origin}/v1/route/echo${query}`, { cache: "no-store", credentials: "omit", signal });
    if (!response.ok) return;
    query = `?token=${(await response.json()).token}`;
  }
}

export async function measure() {
  if (navigator.connection?.saveData || !isDue()) return;
  const origins = document.body.dataset.origins?.split(" ") ?? [location.origin];
  // One after another: two at a time would be in each other's way.
  for (const origin of origins) await measureOne(origin).catch(() => {});
}
