// The list of events with its search. Owns: the form and the cards.

import { read, recent } from "./api.js";
import { announce, h, notice, show } from "./dom.js";
import { count, day, priceRange } from "./format.js";

const FIELDS = ["q", "city", "category", "date"];

function option(value, text, chosen) {
  return h("option", { value, selected: value === chosen }, text);
}

function search(query, data, go) {
  const select = (name, label, all, values) =>
    h("label", {}, label, h("select", { name }, option("", all, query.get(name) ?? ""), values.map((v) => option(v, v[0].toUpperCase() + v.slice(1), query.get(name) ?? ""))));
  const submit = (event) => {
    event.preventDefault();
    const given = new URLSearchParams();
    for (const [name, value] of new FormData(event.currentTarget)) if (value.trim()) given.set(name, value.trim());
    go(given);
  };
  return h("form", { class: "search", role: "search", onsubmit: submit },
    h("label", { class: "q" }, "Search", h("input", { name: "q", type: "search", value: query.get("q") ?? "", placeholder: "Artist, team, venue", maxlength: 100 })),
    select("city", "City", "Everywhere", data.cities),
    select("category", "Kind", "Everything", data.categories),
    h("label", {}, "Date", h("input", { name: "date", type: "date", value: query.get("date") ?? "" })),
    h("button", { type: "submit" }, "Search"));
}

function showRow(item) {
  const date = day(item.local_date);
  return h("li", {}, h("a", { href: `#/shows/${item.id}` },
    h("span", { class: "date" }, h("b", {}, date.day), h("span", {}, `${date.month} ${date.year}`)),
    h("span", {}, h("strong", {}, `${item.city}, ${item.venue}`), h("small", {}, `${date.weekday} ${item.local_time} · ${count(item.places, "place")}`)),
    h("span", { class: "money" }, priceRange(item))));
}

function card(event) {
  return h("li", { class: "card event" },
    h("header", {}, h("p", { class: "kicker" }, event.category), h("h2", {}, event.name), h("p", { class: "meta" }, event.description)),
    h("ul", { class: "shows", "aria-label": `Shows of ${event.name}` }, event.shows.map(showRow)));
}

function bookings() {
  const mine = recent();
  if (mine.length === 0) return null;
  return h("section", { class: "card narrow", "aria-label": "Your bookings" }, h("h2", {}, "Your bookings"),
    h("ul", {}, mine.map((entry) => h("li", {}, h("a", { href: entry.id.startsWith("o") ? `#/orders/${entry.id}` : `#/holds/${entry.id}` }, entry.label)))));
}

/** `#/` and `#/?q=…` */
export async function eventsView(query) {
  const asked = new URLSearchParams(FIELDS.flatMap((name) => (query.get(name) ? [[name, query.get(name)]] : [])));
  if (query.get("page")) asked.set("page", query.get("page"));
  const { body } = await read(`/events?${asked}`);
  const go = (given) => (location.hash = `#/?${given}`);
  const pages = Math.ceil(body.total / body.page_size);
  const turn = (to, text) => {
    const next = new URLSearchParams(asked);
    next.set("page", to);
    return h("a", { class: "button", href: `#/?${next}` }, text);
  };
  const found = body.total === 0
    ? notice("", "Nothing found", "No event matches. Try fewer words, another city or any date.")
    : h("ul", { class: "events" }, body.events.map(card));
  show("Events",
    h("h1", {}, "What would you like to see?"),
    h("p", { class: "lead" }, "Pick your own seats on a live map. A hold is yours for some minutes, and nobody else can take it."),
    search(query, body, go),
    h("p", { class: "visually-hidden" }, `${count(body.total, "event")} found`),
    found,
    pages > 1 && h("nav", { class: "row", "aria-label": "Pages" }, body.page > 1 && turn(body.page - 1, "Earlier"), h("span", {}, `Page ${body.page} of ${pages}`), body.page < pages && turn(body.page + 1, "Later")),
    bookings());
  if (asked.size > 0) announce(`${count(body.total, "event")} found`);
}
