// Which page is shown. Owns: the address, and leaving one page before the next.

import { ApiError } from "./api.js";
import { holdView, orderView } from "./checkout-view.js";
import { h, notice, show } from "./dom.js";
import { eventsView } from "./events-view.js";
import { showView } from "./show-view.js";

let leave = null;
let turn = 0;

async function go(...message) {
  const mine = ++turn;
  leave?.();
  leave = null;
  const [path, search] = location.hash.replace(/^#/, "").split("?");
  const [, kind, id] = path.split("/");
  try {
    const left = await page(kind, id, new URLSearchParams(search), message);
    // Somebody moved on while this page loaded.
    if (mine === turn) leave = left ?? null;
    else left?.();
  } catch (error) {
    if (mine !== turn) return;
    failed(error);
  }
}

function page(kind, id, query, message) {
  switch (kind) {
    case "shows":
      return showView(id);
    case "holds":
      return holdView(id, go);
    case "orders":
      return orderView(id, go, ...message);
    default:
      return eventsView(query);
  }
}

function failed(error) {
  const known = error instanceof ApiError;
  if (!known) console.error(error);
  const title = known ? (error.problem.title ?? "That did not work") : "The page made a mistake";
  show(title, h("div", { class: "narrow" }, h("h1", {}, "Sorry"), notice("bad", title, known ? error.message : "Please reload."), h("div", { class: "row" }, h("button", { type: "button", onclick: () => go() }, "Try again"), h("a", { href: "#/" }, "All events"))));
}

addEventListener("hashchange", () => go());
go();
