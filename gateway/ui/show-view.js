// One show: map or list, prices, the choice and the ways to hold it. Owns: polling the map and what a hold request says.

import { ApiError, read, remember, write } from "./api.js";
import { alarm, announce, h, notice, show } from "./dom.js";
import { count, money, sentence, when } from "./format.js";
import { SeatList } from "./seat-list.js";
import { SeatMap, refuse, sample } from "./seat-map.js";
import { SeatModel } from "./seat-model.js";

const POLL_MS = 2000;
/** Older than this, the map is said to be old. */
const STALE_MS = 6000;

function legend(model) {
  const prices = model.map.categories.map((c) => h("li", {}, sample("available", c.color), h("span", {}, c.name), h("span", { class: "money" }, money(c.price_minor, model.currency))));
  const state = (shape, text) => h("li", {}, sample(shape, shape === "available" || shape === "accessible" ? "var(--accent)" : undefined), text);
  const anyAccessible = model.seats.some((seat) => seat.accessible);
  return h("section", { class: "card" }, h("h2", {}, "Prices"), h("ul", { class: "legend" }, prices),
    h("ul", { class: "legend states", "aria-label": "What the shapes mean" }, state("available", "Available"), state("chosen", "Your choice"), state("held", "On hold"), state("sold", "Sold"), anyAccessible && state("accessible", "Wheelchair"), state("blocked", "Not for sale")));
}

/** Shows how old the map is; plainly when it is old. */
function freshness(ageMs) {
  const line = document.getElementById("freshness");
  const stale = ageMs > STALE_MS;
  line.hidden = false;
  line.classList.toggle("stale", stale);
  line.textContent = stale ? `Map is ${Math.round(ageMs / 1000)} s old` : "Live map";
  return stale;
}

class ShowPage {
  constructor(item, model) {
    this.item = item;
    this.model = model;
    this.etag = null;
    this.messages = h("div", {});
    this.stale = h("div", { hidden: true }, notice("warn", "This region is cut off from the others", "You see the map as it was last known. Holding seats may have to wait until the connection is back."));
    this.choice = h("section", { class: "card panel", "aria-label": "Your choice" });
    this.sticky = h("div", { class: "sticky", hidden: true });
    const choose = (at) => this.toggle(at);
    this.mapView = new SeatMap(model, { choose, chooseArea: (id) => this.goToArea(id) });
    this.listView = new SeatList(model, { choose });
    model.addEventListener("changed", () => this.drawChoice());
    this.drawChoice();
  }

  toggle(at) {
    const reason = this.model.toggle(at);
    if (reason) refuse(reason);
    else announce(`${this.model.label(at)} ${this.model.chosen.has(at) ? "chosen" : "let go"}. ${count(this.model.chosen.size, "seat")}, ${money(this.model.total(), this.model.currency)}`);
  }

  goToArea(id) {
    const field = document.getElementById(`area-${id}`);
    field?.scrollIntoView({ block: "center" });
    field?.focus();
  }

  render() {
    const { item } = this;
    const seats = this.model.seats.length > 0;
    const list = h("div", { hidden: true }, this.listView.element);
    const map = h("div", {}, this.mapView.svg, h("p", { class: "map-hint" }, "Choose seats by click, tap or keys. Arrow keys move, space chooses; + and − zoom, or hold Ctrl and scroll; drag to move."));
    const views = { map, list };
    const controls = h("div", { class: "row" }, this.mapView.controls());
    const pick = (name) => {
      for (const [key, view] of Object.entries(views)) view.hidden = key !== name;
      for (const button of tabs) button.setAttribute("aria-pressed", button.dataset.view === name);
      controls.hidden = name !== "map";
    };
    const tabs = ["map", "list"].map((name) => h("button", { type: "button", class: "quiet", "data-view": name, "aria-pressed": String(name === "map"), onclick: () => pick(name) }, name === "map" ? "Map" : "List"));
    show(item.event_name,
      h("p", { class: "crumb" }, h("a", { href: "#/" }, "← All events")),
      h("header", { class: "show-head" }, h("div", {}, h("p", { class: "kicker" }, item.event_category), h("h1", {}, item.event_name), h("p", { class: "meta" }, `${item.venue}, ${item.city} · ${when(item)}`))),
      this.messages, this.stale,
      h("div", { class: "show" },
        h("section", { class: "card map-card", "aria-label": "Choose your seats" }, h("div", { class: "map-bar", role: "group", "aria-label": "View" }, tabs, h("span", { class: "spacer" }), controls), map, list),
        h("div", {}, this.choice, seats && this.bestForm(), this.areaForms(), legend(this.model))),
      this.sticky);
  }

  drawChoice() {
    const { model } = this;
    const chosen = [...model.chosen];
    const total = money(model.total(), model.currency);
    const hold = () => h("button", { type: "button", class: "wide hold", onclick: () => this.hold({ seats: chosen.map((at) => model.seats[at].id) }) }, `Hold ${count(chosen.length, "seat")}`);
    const items = chosen.map((at) => h("li", {}, h("span", {}, model.label(at)), h("span", { class: "row" }, h("span", { class: "money" }, money(model.seats[at].price_minor, model.currency)), h("button", { type: "button", class: "quiet", "aria-label": `Let go ${model.label(at)}`, onclick: () => this.toggle(at) }, "×"))));
    this.choice.replaceChildren(h("h2", {}, "Your choice"), ...(chosen.length === 0
      ? [h("p", { class: "meta" }, `Nothing chosen yet. Up to ${model.limit} in one order.`)]
      : [h("ul", { class: "picked" }, items), h("p", { class: "sum" }, h("span", {}, "Total"), h("span", { class: "money" }, total)), hold()]));
    this.sticky.hidden = chosen.length === 0;
    if (chosen.length > 0) {
      const button = hold();
      button.classList.remove("wide");
      this.sticky.replaceChildren(h("span", {}, h("strong", {}, count(chosen.length, "seat")), ` · ${total}`), button);
    }
  }

  bestForm() {
    const submit = (event) => {
      event.preventDefault();
      const form = new FormData(event.currentTarget);
      const quantity = Number(form.get("quantity"));
      const accessible = form.get("accessible") ? 1 : 0;
      const category = form.get("category");
      this.hold({ best_available: { quantity, ...(category && { category }), ...(accessible && { accessible }) } });
    };
    const seated = new Set(this.model.seats.map((seat) => seat.category));
    const names = this.model.map.categories.filter((c) => seated.has(c.name));
    const accessible = this.model.seats.some((seat) => seat.accessible);
    return h("section", { class: "card panel", "aria-label": "Best available" }, h("h2", {}, "Best available"),
      h("form", { onsubmit: submit },
        h("div", { class: "pair" },
          h("label", {}, "Seats", h("input", { name: "quantity", type: "number", min: 1, max: this.model.limit, value: 2, required: true })),
          h("label", {}, "Price", h("select", { name: "category" }, h("option", { value: "" }, "Any"), names.map((c) => h("option", { value: c.name }, `${c.name}, ${money(c.price_minor, this.model.currency)}`))))),
        accessible && h("label", { class: "inline" }, h("input", { name: "accessible", type: "checkbox" }), "One of them a wheelchair space"),
        h("button", { type: "submit", class: "quiet" }, "Find and hold")));
  }

  areaForms() {
    return this.model.areas.map((area) => {
      const submit = (event) => {
        event.preventDefault();
        this.hold({ general_admission: { area: area.id, quantity: Number(new FormData(event.currentTarget).get("quantity")) } });
      };
      const free = h("span", { class: "meta" }, `${area.available} of ${area.capacity} free`);
      this.model.addEventListener("changed", () => {
        const now = this.model.areas.find((other) => other.id === area.id);
        if (now) free.textContent = `${now.available} of ${now.capacity} free`;
      });
      return h("section", { class: "card panel", "aria-label": area.name }, h("h2", {}, area.name),
        h("p", {}, "No numbered seats · ", h("span", { class: "money" }, money(area.price_minor, this.model.currency)), " each · ", free),
        h("form", { onsubmit: submit }, h("label", {}, "Places", h("input", { id: `area-${area.id}`, name: "quantity", type: "number", min: 1, max: this.model.limit, value: 2, required: true })),
          h("button", { type: "submit", class: "quiet" }, "Hold places")));
    });
  }

  busy(on) {
    for (const button of document.querySelectorAll("main button.hold, main form button")) button.disabled = on;
  }

  async hold(what) {
    this.busy(true);
    this.messages.replaceChildren();
    try {
      const hold = await write("POST", `/shows/${this.item.id}/holds`, what);
      remember(hold.id, `Hold for ${this.item.event_name}`);
      location.hash = `#/holds/${hold.id}`;
    } catch (error) {
      await this.refused(error);
    }
    this.busy(false);
  }

  /** Says what is in the way, by name, and shows the map as it is now. */
  async refused(error) {
    if (!(error instanceof ApiError)) throw error;
    const named = (error.problem.seats ?? []).map((id) => this.model.byId.get(id)).filter((at) => at !== undefined);
    const names = named.map((at) => this.model.label(at)).join("; ");
    const titles = {
      seats_taken: `Someone was quicker: ${names}`,
      seats_blocked: `Not for sale: ${names}`,
      single_seat_left: "That would leave a single seat alone",
      not_enough_seats: "There are not that many left",
      area_full: "There are not that many places left",
      outcome_unknown: "We do not know yet whether that worked",
      unavailable: "The sale cannot be reached just now",
    };
    const advice = { seats_taken: "The map shows what is free now; your other seats are still chosen.", outcome_unknown: "Look at the map in a moment: a hold that was made keeps its seats for some minutes.", unavailable: "Nothing was held. Please try again in a few seconds." };
    const title = titles[error.code] ?? sentence(error.problem.title ?? "that did not work");
    this.messages.replaceChildren(notice("bad", title, advice[error.code] ?? sentence(error.message)));
    this.messages.scrollIntoView({ block: "nearest" });
    alarm(title);
    await this.poll(true).catch(() => {});
  }

  async poll(anyway) {
    const started = performance.now();
    try {
      const { response, body } = await read(`/shows/${this.item.id}/seats?fields=state`, { etag: anyway ? null : this.etag });
      this.etag = response.headers.get("etag");
      this.stale.hidden = !freshness(Number(response.headers.get("holdfast-age-ms")));
      if (body && body.as_of.index >= this.model.index) {
        const lost = this.model.update(body);
        if (lost.length > 0) alarm(`Just taken by someone else: ${lost.map((at) => this.model.label(at)).join("; ")}`);
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.stale.hidden = !freshness(STALE_MS + performance.now() - started + 1);
    }
  }

  follow() {
    let timer = 0;
    let over = false;
    const next = async () => {
      if (!document.hidden) await this.poll(false);
      if (!over) timer = setTimeout(next, POLL_MS);
    };
    timer = setTimeout(next, POLL_MS);
    return () => {
      over = true;
      clearTimeout(timer);
      document.getElementById("freshness").hidden = true;
    };
  }
}

/** `#/shows/s7`; returns how to leave. */
export async function showView(id) {
  const [item, map] = await Promise.all([read(`/shows/${id}`), read(`/shows/${id}/seats`)]);
  const page = new ShowPage(item.body, new SeatModel(map.body));
  page.render();
  freshness(map.body.as_of.age_ms);
  page.stale.hidden = map.body.as_of.age_ms <= STALE_MS;
  return page.follow();
}
