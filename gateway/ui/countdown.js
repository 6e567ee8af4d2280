// A countdown on the show's clock. Owns: one timer; says the time at 5, 2 and 1 minutes and at 30 seconds only.

import { announce } from "./dom.js";
import { clock } from "./format.js";
import { t, tn } from "./messages.js";

const SPOKEN_S = [300, 120, 60, 30];
/** A mark is said when the clock passes it, and not when a document opens long after it. */
const SPOKEN_LATE_MS = 5000;

/**
 * The show's clock, as the document named it, carried on by this machine's steady clock: a wrong or changed wall clock does not
 * matter. The answer was on its way for half of a round trip.
 */
function clockOf(nowMs) {
  const [page] = performance.getEntriesByType("navigation");
  const wayMs = page ? Math.max(0, page.responseStart - page.requestStart) / 2 : 0;
  const offset = nowMs + Math.min(wayMs, 1000) - (page?.responseStart ?? 0);
  return () => offset + performance.now();
}

/** Runs the document's countdown; calls `ended` once. Returns `{ move(expiresAtMs, nowMs), stop() }`, or null where there is none. */
export function runCountdown(ended) {
  const box = document.getElementById("countdown");
  if (!box) return null;
  const line = box.querySelector(".countdown");
  const face = box.querySelector(".clock");
  const bar = box.querySelector(".bar > i");
  let now = clockOf(Number(box.dataset.nowMs));
  let expiresAtMs = Number(box.dataset.expiresAtMs);
  let wholeMs = Math.max(expiresAtMs - now(), 1000);
  let spoken = Infinity;
  let timer = 0;
  const tick = () => {
    const left = expiresAtMs - now();
    face.textContent = clock(left);
    line.classList.toggle("soon", left < 60_000);
    bar.style.transform = `scaleX(${Math.max(0, Math.min(1, left / wholeMs))})`;
    const due = SPOKEN_S.find((at) => left <= at * 1000 && left > at * 1000 - SPOKEN_LATE_MS);
    if (due && due < spoken) {
      spoken = due;
      announce(due >= 60 ? tn("js.left.minutes", due / 60) : t("js.left.seconds", { n: due }));
    }
    if (left <= 0) {
      clearInterval(timer);
      ended();
    }
  };
  timer = setInterval(tick, 250);
  tick();
  return {
    stop: () => clearInterval(timer),
    move(toMs, nowMs) {
      const [at, start] = [performance.now(), nowMs];
      now = () => start + performance.now() - at;
      expiresAtMs = toMs;
      wholeMs = Math.max(expiresAtMs - nowMs, 1000);
      spoken = Infinity;
      tick();
    },
  };
}
