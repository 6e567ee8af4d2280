// A show's document: the map and the grid take the place of the list, and seats change under the buyer's eyes.
// Owns: the choice panel, what a hold request says, and putting the two views together. The forms beside it stay as they came.

import { ApiError, read, write } from "./api.js";
import { alarm, announce, complain, h, notice } from "./dom.js";
import { money } from "./format.js";
import { Live, readStates } from "./live.js";
import { refusalText, t, tn } from "./messages.js";
import { SeatGrid } from "./seat-grid.js";
import { SeatMap, sample } from "./seat-map.js";
import { SeatModel } from "./seat-model.js";

const VIEW = "holdfast.view";
const STATES = ["chosen", "held", "sold", "blocked"];

class ShowPage {
  constructor(picker, model) {
    this.picker = picker;
    this.show = picker.dataset.show;
    this.model = model;
    this.choice = h("section", { class: "card panel", "aria-label": t("js.choice") });
    this.sticky = h("div", { class: "sticky", hidden: true });
    const choose = (at) => this.toggle(at);
    const leave = () => this.tabs.find((tab) => tab.getAttribute("aria-pressed") === "true").focus();
    if (model.seats.length > 0) this.grid = new SeatGrid(model, { choose, leave });
    this.map = new SeatMap(model, { choose, chooseArea: (id) => document.getElementById(`area-${id}`)?.focus(), leave });
    model.addEventListener("changed", () => this.draw());
  }

  /** Puts the views in the place of the list; what was ticked there stays chosen. */
  render() {
    for (const box of this.picker.querySelectorAll("input[name=seat]:checked")) {
      const at = this.model.byId.get(box.value);
      if (at !== undefined) this.model.toggle(at);
    }
    const views = { map: h("div", {}, this.map.svg, h("p", { class: "map-hint" }, t("js.map.hint"))), ...(this.grid && { list: this.grid.element }) };
    const controls = h("div", { class: "row" }, this.map.controls());
    const pick = (name) => {
      for (const [key, view] of Object.entries(views)) view.hidden = key !== name;
      for (const tab of this.tabs) tab.setAttribute("aria-pressed", tab.dataset.view === name);
      controls.hidden = name !== "map";
      sessionStorage.setItem(VIEW, name);
    };
    this.tabs = Object.keys(views).map((name) => h("button", { type: "button", class: "quiet", "data-view": name, onclick: () => pick(name) }, t(`js.${name}`)));
    this.picker.classList.add("map-card");
    this.picker.replaceChildren(h("div", { class: "map-bar", role: "group", "aria-label": t("js.view") }, this.tabs, h("span", { class: "spacer" }), controls), ...Object.values(views));
    pick(views[sessionStorage.getItem(VIEW)] ? sessionStorage.getItem(VIEW) : "map");
    if (this.grid) document.getElementById("side").prepend(this.choice);
    document.querySelector(".show").after(this.sticky);
    this.legend();
    this.draw();
  }

  legend() {
    const prices = document.getElementById("prices");
    this.model.categories.forEach((category, at) => prices.children[at]?.prepend(sample("available", category)));
    const anyAccessible = this.model.seats.some((seat) => seat.accessible);
    const entry = (name, text) => h("li", {}, sample(name), text);
    prices.after(h("ul", { class: "legend states", "aria-label": t("js.shapes") }, STATES.map((state) => entry(state, t(`state.${state}`))), anyAccessible && entry("accessible", t("seat.accessible"))));
    this.left = [...prices.querySelectorAll("[data-left]")];
    this.areas = [...document.querySelectorAll("[data-area]")].map((card) => card.querySelector("[data-free]"));
  }

  toggle(at) {
    const reason = this.model.toggle(at);
    if (reason) {
      alarm(reason);
      return;
    }
    const { model } = this;
    const values = { seat: model.label(at), count: tn("seats", model.chosen.size), total: money(model.total(), model.currency) };
    announce(t(model.chosen.has(at) ? "js.chosen" : "js.dropped", values));
  }

  /** The choice, what is left, and the bar at the foot of a small screen. */
  draw() {
    const { model } = this;
    const chosen = [...model.chosen];
    const total = money(model.total(), model.currency);
    const hold = (kind) => h("button", { type: "button", class: `${kind} hold`, onclick: () => this.hold({ seats: chosen.map((at) => model.seats[at].id) }) }, tn("js.hold", chosen.length));
    const items = chosen.map((at) => h("li", {}, h("span", {}, model.label(at)), h("span", { class: "row" }, h("span", { class: "money" }, money(model.seats[at].look.price_minor, model.currency)), h("button", { type: "button", class: "quiet", "aria-label": t("js.choice.drop", { seat: model.label(at) }), onclick: () => this.drop(at) }, "×"))));
    this.choice.replaceChildren(h("h2", {}, t("js.choice")), ...(chosen.length === 0
      ? [h("p", { class: "meta" }, t("js.choice.none", { max: model.limit }))]
      : [h("ul", { class: "picked" }, items), h("p", { class: "sum" }, h("span", {}, t("total")), h("span", { class: "money" }, total)), hold("wide"), h("p", { class: "fine" }, t("total.note"))]));
    this.sticky.hidden = chosen.length === 0;
    this.sticky.replaceChildren(h("span", {}, h("strong", {}, tn("seats", chosen.length)), ` · ${total}`), hold(""));
    model.left().forEach((left, at) => this.left?.[at]?.replaceChildren(tn("prices.left", left)));
    model.areas.forEach((area, at) => this.areas?.[at]?.replaceChildren(t("area.free", { free: area.available, all: area.capacity })));
  }

  /** Lets a seat go from the list of chosen ones; the focus stays in that list. */
  drop(at) {
    this.toggle(at);
    (this.choice.querySelector(".picked button") ?? this.tabs[0]).focus();
  }

  /** What a form beside the map asks for, as the API has it. */
  wanted(form) {
    const quantity = Number(form.get("quantity"));
    if (form.get("area")) return { general_admission: { area: form.get("area"), quantity } };
    if (form.get("way") === "best") return { best_available: { quantity, ...(form.get("category") && { category: form.get("category") }), ...(form.get("accessible") && { accessible: 1 }) } };
    return { seats: form.getAll("seat") };
  }

  listen() {
    document.addEventListener("submit", (event) => {
      if (!event.target.action.endsWith(`/shows/${this.show}/hold`)) return;
      event.preventDefault();
      this.hold(this.wanted(new FormData(event.target)));
    });
  }

  busy(on) {
    for (const button of document.querySelectorAll("main button.hold, main form button")) button.disabled = on;
  }

  async hold(what) {
    this.busy(true);
    try {
      const hold = await write("POST", `/shows/${this.show}/holds`, what);
      location.assign(`/holds/${hold.id}`);
    } catch (error) {
      this.busy(false);
      if (!(error instanceof ApiError)) throw error;
      await this.refused(error, what);
    }
  }

  names(ids) {
    return (ids ?? []).map((id) => (this.model.byId.has(id) ? this.model.label(this.model.byId.get(id)) : id)).join("; ");
  }

  /** Says what is in the way, by name, offers the nearest block, and shows the map as it is now. */
  async refused(error, what) {
    const [title, advice] = refusalText(error);
    const names = this.names(error.problem.seats);
    const offer = error.code === "seats_taken" && what.seats ? await this.offer(what.seats, error.problem.seats ?? []) : [];
    const take = offer.length > 0 && h("div", { class: "notice offer" }, h("h2", {}, t("offer.title")), h("p", {}, this.names(offer)),
      h("button", { type: "button", class: "take-offer hold", onclick: () => this.hold({ seats: offer }) }, tn("offer.take", offer.length)));
    complain(notice("bad", names ? `${title}: ${names}` : title, advice), take);
    this.live.look();
  }

  /** The nearest free block to what was asked for. */
  async offer(seats, gone) {
    const query = new URLSearchParams([...seats.map((id) => ["seat", id]), ...gone.map((id) => ["gone", id])]);
    try {
      return (await read(`/shows/${this.show}/nearest?${query}`)).body.seats;
    } catch (error) {
      // Without an offer the refusal is still right.
      if (!(error instanceof ApiError)) throw error;
      return [];
    }
  }
}

/** Says which chosen seats somebody else has just got. */
function tellLost(model, lost) {
  if (lost.length > 0) alarm(t("js.taken", { seats: lost.map((at) => model.label(at)).join("; ") }));
}

export async function enhance() {
  const picker = document.getElementById("picker");
  const { show, seatsMax } = picker.dataset;
  const [layout, first] = await Promise.all([read(`/shows/${show}/layout`), readStates(show)]);
  const model = new SeatModel(layout.body, Number(seatsMax));
  model.update(first.seats, first.areas);
  const page = new ShowPage(picker, model);
  page.render();
  page.listen();
  page.live = new Live(show, model, (lost) => tellLost(model, lost));
  page.live.begin(first);
}
