// From a hold to tickets. Owns: the hold's page and the order's page.

import { ApiError, read, remember, serverNow, write } from "./api.js";
import { countdown } from "./countdown.js";
import { alarm, announce, h, notice, show } from "./dom.js";
import { count, money, placeName, sentence, when } from "./format.js";

const OVER = "This hold is over";
const PAYMENT_LOOK_MS = 1000;
const STEPS = ["Choose", "Hold", "Pay", "Tickets"];

const TOKENS = [
  ["tok_approve", "A card that is approved", "The order is confirmed and you get tickets."],
  ["tok_decline", "A card that is declined", "The order stays open; you may try again."],
  ["tok_timeout", "A provider that does not answer", "Nothing is charged; the order stays open."],
];

/** What to say when a payment came to nothing: title, advice. */
const REFUSALS = {
  payment_declined: ["The payment was declined", "Nothing was charged. Your order is still open: try another card."],
  payment_timeout: ["The payment provider did not answer", "Nothing was charged. Your order is still open: please try again."],
};

function steps(now) {
  return h("ol", { class: "steps", "aria-label": "Steps" }, STEPS.map((step) => h("li", { "aria-current": step === now && "step" }, step)));
}

/** What was asked for, line by line. Seats are named as in the plan. */
function lines(item) {
  const places = item.general_admission
    ? [h("li", {}, h("span", {}, item.general_admission.area), h("span", {}, count(item.quantity, "place")))]
    : item.places.map((place) => h("li", {}, h("span", {}, placeName(place), " ", h("small", {}, place.category)), h("span", { class: "money" }, money(place.price_minor, item.currency))));
  return h("ul", { class: "lines" }, places, h("li", { class: "total" }, h("span", {}, "Total"), h("span", { class: "money" }, money(item.total_minor, item.currency))));
}

async function head(showId, step, title) {
  const { body } = await read(`/shows/${showId}`);
  return { item: body, head: [steps(step), h("p", { class: "kicker" }, body.event_name), h("h1", {}, title), h("p", { class: "meta" }, `${body.venue}, ${body.city} · ${when(body)}`)] };
}

/** Runs `work` with the button off; shows what went wrong in `messages`. */
async function act(button, messages, work) {
  button.disabled = true;
  messages.replaceChildren();
  try {
    await work();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    messages.replaceChildren(notice("bad", sentence(error.problem.title ?? "that did not work"), sentence(error.message)));
    alarm(error.message);
  }
  button.disabled = false;
}

function button(text, kind, messages, work) {
  const element = h("button", { type: "button", class: kind, onclick: () => act(element, messages, work) }, text);
  return element;
}

/** `#/holds/h7-12`; returns how to leave. */
export async function holdView(id, reload) {
  const { body: hold } = await read(`/holds/${id}`);
  if (hold.order) {
    location.replace(`#/orders/${hold.order}`);
    return null;
  }
  const { item, head: top } = await head(hold.show, "Hold", hold.state === "active" ? "These are yours for now" : OVER);
  if (hold.state !== "active") {
    show("Hold", h("div", { class: "narrow" }, top, over(hold, item)));
    return null;
  }
  const messages = h("div", {});
  const wholeMs = Math.max(hold.expires_at_ms - hold.now_ms, 60_000);
  const timer = countdown(hold.expires_at_ms, wholeMs, () => {
    alarm("Your hold has expired; the seats were released.");
    top.find((part) => part.tagName === "H1").textContent = OVER;
    show("Hold", h("div", { class: "narrow" }, top, over({ ...hold, state: "expired" }, item)));
  });
  const capped = hold.expires_at_ms >= hold.expires_at_max_ms;
  const toOrder = button("Continue to payment", "wide", messages, async () => {
    const order = await write("POST", "/orders", { hold: hold.id });
    remember(order.id, `Order for ${item.event_name}`);
    location.hash = `#/orders/${order.id}`;
  });
  const extend = button("More time", "quiet extend", messages, async () => {
    await write("POST", `/holds/${hold.id}/extend`);
    announce("The hold was extended.");
    timer.stop();
    await reload();
  });
  const release = button("Let go", "danger release", messages, async () => {
    await write("DELETE", `/holds/${hold.id}`);
    location.hash = `#/shows/${hold.show}`;
  });
  extend.hidden = capped;
  const split = hold.seats.length > 1 && !hold.contiguous && notice("warn", "Not all side by side", "There was no unbroken run of that many seats; these are as near as possible.");
  show("Hold", h("div", { class: "narrow" }, top, messages, h("section", { class: "card" }, timer, lines(hold), toOrder, h("div", { class: "row" }, extend, release)), split));
  return () => timer.stop();
}

/** A hold that has ended: the same seats can be tried again in one step. */
function over(hold, item) {
  const messages = h("div", {});
  const what = hold.general_admission ? { general_admission: hold.general_admission } : { seats: hold.seats };
  const again = button("Try the same seats again", "", messages, async () => {
    const fresh = await write("POST", `/shows/${hold.show}/holds`, what);
    remember(fresh.id, `Hold for ${item.event_name}`);
    location.hash = `#/holds/${fresh.id}`;
  });
  const text = hold.state === "expired" ? "The time ran out, and your seats were released for others." : "You let these seats go.";
  return h("section", { class: "card" }, messages, h("p", {}, text), lines(hold), h("div", { class: "row" }, again, h("a", { href: `#/shows/${hold.show}` }, "Choose others")));
}

const ORDER_TITLES = { open: "Pay for your order", paying: "Payment is under way", paid: "Payment is under way", confirmed: "You are going!", cancelled: "This order was cancelled", expired: "This order has expired" };

/** `#/orders/o7-5`; returns how to leave. */
export async function orderView(id, reload, message) {
  const { body: order } = await read(`/orders/${id}`);
  const step = order.state === "confirmed" ? "Tickets" : "Pay";
  const { head: top } = await head(order.show, step, ORDER_TITLES[order.state] ?? "Your order");
  const messages = h("div", {}, message);
  const state = h("p", {}, "Order ", h("code", {}, order.id), " ", h("span", { class: `state ${order.state}` }, order.state));
  const parts = { open: () => payment(order, messages, reload), confirmed: () => tickets(order) };
  const detail = parts[order.state]?.() ?? h("a", { href: `#/shows/${order.show}` }, "Back to the seats");
  const waiting = order.state === "paying" || order.state === "paid";
  const body = waiting ? notice("", "Waiting for the payment provider", "This page looks again by itself.") : detail;
  show("Order", h("div", { class: "narrow" }, top, messages, h("section", { class: "card" }, state, lines(order)), h("section", { class: "card" }, body)));
  if (waiting) {
    const timer = setTimeout(() => reload(), PAYMENT_LOOK_MS);
    return () => clearTimeout(timer);
  }
  return detail.stop ?? null;
}

function payment(order, messages, reload) {
  const wholeMs = Math.max(order.expires_at_ms - serverNow(), 60_000);
  const timer = countdown(order.expires_at_ms, wholeMs, () => reload());
  const options = TOKENS.map(([token, title, text], at) => h("label", { class: "choice" }, h("input", { type: "radio", name: "token", value: token, checked: at === 0 }), h("span", {}, title, h("small", {}, text))));
  const pay = h("button", { type: "submit", class: "wide pay" }, `Pay ${money(order.total_minor, order.currency)}`);
  const submit = (event) => {
    event.preventDefault();
    const token = new FormData(event.currentTarget).get("token");
    return act(pay, messages, () => settle(order, token, pay, timer, reload));
  };
  const cancel = button("Cancel the order", "danger cancel", messages, async () => {
    await write("POST", `/orders/${order.id}/cancel`);
    timer.stop();
    await reload();
  });
  const box = h("form", { onsubmit: submit }, timer, h("fieldset", {}, h("legend", {}, "Pay with the test provider"), h("div", { class: "choices" }, options)), pay, h("div", { class: "row" }, cancel));
  box.stop = timer.stop;
  return box;
}

async function settle(order, token, pay, timer, reload) {
  const text = pay.textContent;
  pay.textContent = "Paying…";
  announce("Paying");
  try {
    const paid = await write("POST", `/orders/${order.id}/pay`, { payment_token: token });
    if (paid.state === "confirmed") announce("Paid. Your tickets are below.");
    timer.stop();
    await reload();
  } catch (error) {
    pay.textContent = text;
    if (!(error instanceof ApiError) || !error.problem.order) throw error;
    timer.stop();
    alarm(error.message);
    await reload(notice("bad", ...(REFUSALS[error.code] ?? [sentence(error.problem.title), sentence(error.message)])));
  }
}

function tickets(order) {
  const seats = order.tickets.map((ticket, at) => h("li", { class: "ticket" }, h("span", { class: "kicker" }, "Admit one"), h("b", {}, order.general_admission ? order.general_admission.area : placeName(order.places[at])), h("code", {}, ticket)));
  return h("div", {}, h("h2", {}, count(order.tickets.length, "ticket")), h("ul", { class: "tickets" }, seats));
}
