// The order's document: the clock runs, paying stays on the page when it fails, and a payment under way is followed.
// Owns: the choice of card until the buyer is through, also across a reload.

import { ApiError, read, write } from "./api.js";
import { runCountdown } from "./countdown.js";
import { announce, complain, notice } from "./dom.js";
import { refusalText, t } from "./messages.js";

const LOOK_MS = 1000;
const CHOICE = "holdfast.card";

const reload = (id) => location.replace(`/orders/${id}`);

export function enhance() {
  const { id, state } = document.getElementById("order").dataset;
  if (state !== "open") {
    follow(id, state);
    return;
  }
  // The shard's clock decides; a moment later it surely has.
  runCountdown(() => setTimeout(() => reload(id), LOOK_MS));
  const form = document.getElementById("pay");
  keepChoice(form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    pay(id, form);
  });
}

function keepChoice(form) {
  const keep = () => sessionStorage.setItem(CHOICE, new FormData(form).get("token"));
  form.addEventListener("change", keep);
  // Who chose before this script came has chosen later than what was kept.
  if (!form.querySelector("input[name=token]:checked").defaultChecked) keep();
  const kept = sessionStorage.getItem(CHOICE);
  const field = kept && form.querySelector(`input[value="${CSS.escape(kept)}"]`);
  if (field) field.checked = true;
}

async function pay(id, form) {
  const button = form.querySelector("button.pay");
  const label = [...button.childNodes];
  button.disabled = true;
  button.textContent = t("pay.busy");
  announce(t("js.paying"));
  try {
    await write("POST", `/orders/${id}/pay`, { payment_token: new FormData(form).get("token") });
    sessionStorage.removeItem(CHOICE);
    reload(id);
    return;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    // What is left of the order decides which document it has now.
    if (error.problem.order && error.problem.order.state !== "open") {
      reload(id);
      return;
    }
    complain(notice("bad", ...refusalText(error)));
  }
  button.replaceChildren(...label);
  button.disabled = false;
  button.focus();
}

/** Looks until something came of the payment. */
async function follow(id, state) {
  for (;;) {
    await new Promise((done) => setTimeout(done, LOOK_MS));
    const order = await read(`/orders/${id}`).catch(() => null);
    if (order && order.body.state !== state) break;
  }
  reload(id);
}
