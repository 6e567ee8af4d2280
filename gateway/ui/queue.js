// The waiting room's document: looks again when it was told to, and takes the turn when it comes. Owns: nothing; a reload says the same.

import { read } from "./api.js";
import { announce } from "./dom.js";
import { locale, t } from "./messages.js";

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

export async function enhance() {
  const room = document.getElementById("room");
  writeTimes(room);
  const { show, state, standing, tried } = room.dataset;
  let waitS = Number(room.dataset.refreshInS);
  const claim = document.querySelector("#claim form");
  if (claim) {
    // The window may be short, and the buyer in another tab. Who came in vain has a pause: so has everybody else at this door.
    document.title = `★ ${document.title}`;
    if (tried !== undefined) await sleep(waitS * 1000);
    claim.requestSubmit();
    return;
  }
  for (;;) {
    await sleep(waitS * 1000);
    const now = await read(`/shows/${show}/queue`).catch(() => null);
    if (!now) continue;
    waitS = now.body.refresh_in_s;
    if (now.body.state !== state || (now.body.you?.standing ?? "") !== standing) break;
    if (standing === "waiting") tell(room, now.body.you);
  }
  // Not a reload: this may be the answer to a form.
  location.replace(`/shows/${show}/queue`);
}

/** The same lines as the document's, with the numbers of now. */
function tell(room, you) {
  const position = room.querySelector("[data-position]");
  if (position.textContent !== String(you.position)) announce(`${you.position} ${t("queue.position")}`);
  position.textContent = you.position;
  room.querySelector("[data-eta]").textContent = estimate(you.eta_s);
}

function estimate(eta) {
  if (!eta) return t("queue.eta.none");
  if (eta.max <= 60) return t("queue.eta.soon");
  const minutes = (s) => Math.ceil(s / 60);
  return t("queue.eta", { min: minutes(eta.min), max: minutes(eta.max) });
}

/** The beginning by the reader's clock as well. */
function writeTimes(room) {
  for (const line of room.querySelectorAll("[data-at-ms]")) {
    const at = new Date(Number(line.dataset.atMs));
    line.append(` (${new Intl.DateTimeFormat(locale, { timeStyle: "short" }).format(at)})`);
  }
}
