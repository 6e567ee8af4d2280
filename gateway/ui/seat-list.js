// The hall as a list: zones, rows, seats with check boxes. Equal to the map. Owns: rows are made when first opened.

import { h } from "./dom.js";
import { money } from "./format.js";
import { STATE_WORDS } from "./seat-model.js";

export class SeatList {
  constructor(model, { choose }) {
    this.model = model;
    this.choose = choose;
    this.boxes = new Map();
    this.counts = [];
    this.element = h("div", { class: "list" });
    for (const [name, rows] of this.group()) this.element.append(this.zone(name, rows));
    model.addEventListener("changed", (event) => this.refresh(event.detail));
  }

  group() {
    const zones = new Map();
    this.model.seats.forEach((seat, at) => {
      const rows = zones.get(seat.zone) ?? new Map();
      zones.set(seat.zone, rows);
      rows.set(seat.row, [...(rows.get(seat.row) ?? []), at]);
    });
    return zones;
  }

  free(seats) {
    return seats.filter((at) => this.model.seats[at].state === "available").length;
  }

  /** A fold with a count of free seats; its content is made when it is first opened. */
  fold(title, seats, content) {
    const free = h("span", { class: "meta" }, `${this.free(seats)} free`);
    this.counts.push({ free, seats });
    const details = h("details", {}, h("summary", {}, h("span", {}, title), free));
    details.addEventListener("toggle", () => details.childElementCount === 1 && details.append(...content()), { once: true });
    return details;
  }

  zone(name, rows) {
    const all = [...rows.values()].flat();
    return this.fold(name, all, () => [...rows].map(([row, seats]) => this.fold(`Row ${row}`, seats, () => [this.row(seats)])));
  }

  row(seats) {
    const byPlace = [...seats].sort((a, b) => this.model.seats[a].x - this.model.seats[b].x);
    return h("ul", { class: "row-seats" }, byPlace.map((at) => h("li", {}, this.seat(at))));
  }

  seat(at) {
    const box = h("input", { type: "checkbox", onchange: () => (this.choose(at), this.mark(at)) });
    const text = h("span", {});
    const label = h("label", {}, box, text);
    this.boxes.set(at, { box, text });
    this.mark(at);
    return label;
  }

  mark(at) {
    const entry = this.boxes.get(at);
    if (!entry) return;
    const seat = this.model.seats[at];
    const gone = seat.state !== "available";
    entry.box.checked = this.model.chosen.has(at);
    // Kept in the tab order, so that a screen reader finds it and hears why.
    entry.box.setAttribute("aria-disabled", gone);
    entry.box.setAttribute("aria-label", this.model.name(at));
    entry.text.classList.toggle("gone", gone);
    const extra = seat.accessible ? " ♿" : "";
    entry.text.replaceChildren(`Seat ${seat.number}${extra} `, h("small", {}, gone ? STATE_WORDS[seat.state] : money(seat.price_minor, this.model.currency)));
  }

  refresh(changed) {
    for (const at of changed) this.mark(at);
    for (const { free, seats } of this.counts) free.textContent = `${this.free(seats)} free`;
  }
}
