// A countdown on the server's clock. Owns: one timer; says the time at 5, 2 and 1 minutes and at 30 seconds only.

import { announce, h } from "./dom.js";
import { clock } from "./format.js";
import { serverNow } from "./api.js";

const SPOKEN_S = [300, 120, 60, 30];

/** Counts down to `expiresAtMs`; `wholeMs` is the full length of the bar; calls `ended` once. Returns the element, with `stop`. */
export function countdown(expiresAtMs, wholeMs, ended) {
  const time = h("span", { class: "clock", role: "timer", "aria-label": "time left" });
  const line = h("div", { class: "countdown" }, time, h("span", { class: "meta" }, "left to decide"));
  const fill = h("i");
  const box = h("div", {}, line, h("div", { class: "bar", "aria-hidden": "true" }, fill));
  let spoken = Infinity;
  let timer = 0;
  const tick = () => {
    const left = expiresAtMs - serverNow();
    time.textContent = clock(left);
    line.classList.toggle("soon", left < 60_000);
    fill.style.transform = `scaleX(${Math.max(0, Math.min(1, left / wholeMs))})`;
    const due = SPOKEN_S.find((at) => left <= at * 1000 && left > at * 1000 - 5000);
    if (due && due < spoken) {
      spoken = due;
      announce(due >= 60 ? `${due / 60} minutes left` : `${due} seconds left`);
    }
    if (left <= 0) {
      clearInterval(timer);
      ended();
    }
  };
  timer = setInterval(tick, 500);
  tick();
  box.stop = () => clearInterval(timer);
  return box;
}
