// What a buyer sees while the device proves that it is no robot: that it works, how far it is, and a way to wait instead.
// There is nothing to recognise, to hear or to move. Owns: that box.

import { workOut } from "./altcha.js";
import { announce, h } from "./dom.js";
import { t, tn } from "./messages.js";

const SECOND_MS = 1000;
/** More than the way here took, so that a token is not sent too early. */
const MARGIN_MS = 500;

async function challenge(kind) {
  const response = await fetch(`/v1/challenge?kind=${kind}`);
  if (!response.ok) throw new Error(`challenge: HTTP ${response.status}`);
  return response.json();
}

/** Shows the box in `place` until there is a solution, and returns it. `work` is a challenge that is there already. */
export async function prove(place, work) {
  const bar = h("progress", { "aria-label": t("proof.title") });
  const line = h("p", {}, t("proof.text"));
  const instead = h("button", { type: "button", class: "quiet" }, t("proof.wait"));
  const box = h("div", { class: "notice proof" }, h("h2", {}, t("proof.title")), line, bar, instead);
  place.replaceChildren(box);
  box.scrollIntoView({ block: "nearest" });
  announce(`${t("proof.title")}. ${t("proof.text")}`);
  const tired = new Promise((chosen) => instead.addEventListener("click", () => chosen(null)));
  try {
    return (await Promise.race([worked(work, bar, tired), tired])) ?? (await waited(bar, line, instead));
  } finally {
    box.remove();
  }
}

/** Null where nothing can be worked out, or the buyer would rather wait. */
async function worked(work, bar, tired) {
  try {
    const task = work ?? (await challenge("work"));
    bar.max = task.maxnumber;
    const job = workOut(task, (done) => (bar.value = done));
    tired.then(job.stop);
    return await job.solution;
  } catch (error) {
    console.error(error);
    return null;
  }
}

async function waited(bar, line, instead) {
  const { token, ready_at_ms: readyAtMs, now_ms: nowMs } = await challenge("wait");
  const wholeMs = readyAtMs - nowMs + MARGIN_MS;
  const from = performance.now();
  const heldFocus = instead === document.activeElement;
  instead.remove();
  bar.max = wholeMs;
  if (heldFocus) {
    bar.tabIndex = -1;
    bar.focus();
  }
  announce(tn("proof.waiting", Math.ceil(wholeMs / SECOND_MS)));
  for (;;) {
    const doneMs = performance.now() - from;
    bar.value = Math.min(doneMs, wholeMs);
    line.textContent = tn("proof.waiting", Math.max(0, Math.ceil((wholeMs - doneMs) / SECOND_MS)));
    if (doneMs >= wholeMs) return token;
    await new Promise((done) => setTimeout(done, Math.min(SECOND_MS, wholeMs - doneMs)));
  }
}
