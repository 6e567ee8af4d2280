// The hold's document: the clock runs, more time without leaving, and what to do when the time is over. Owns: nothing that the
// forms do not do as well.

import { ApiError, write } from "./api.js";
import { runCountdown } from "./countdown.js";
import { alarm, announce, complain, notice } from "./dom.js";
import { polish } from "./format.js";
import { refusalText, t } from "./messages.js";

export function enhance() {
  const card = document.getElementById("hold");
  if (!card) return;
  const timer = runCountdown(() => over(card));
  const form = card.querySelector("form[action$='/extend']");
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      const hold = await write("POST", `/holds/${card.dataset.id}/extend`);
      timer.move(hold.expires_at_ms, hold.now_ms);
      announce(t("hold.extended"));
      if (hold.expires_at_ms >= hold.expires_at_max_ms) {
        card.querySelector("form[action$='/order'] button").focus();
        form.remove();
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      complain(notice("bad", ...refusalText(error)));
    }
    button.disabled = false;
  });
}

/** The same document that a reload would bring, without losing the reader's place. */
function over(card) {
  const template = document.getElementById("over");
  card.replaceWith(template.content);
  polish(document);
  const heading = document.querySelector("h1");
  heading.textContent = t("hold.over");
  document.title = `${t("hold.over")} · Holdfast`;
  document.getElementById("messages").replaceChildren();
  alarm(t("js.expired"));
  document.querySelector("#over-card button").focus();
}
