// What the page knows of a show's seats. Owns: states, the buyer's choice, rows by place, and who wants to hear of changes.

import { money, seatName } from "./format.js";
import { t } from "./messages.js";

/** States by their number on the wire. */
const STATES = ["available", "held", "sold", "blocked"];
/** Okabe and Ito's palette, the best told apart first. Every category has a shape as well. */
const COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442"];
/** A step in a row this much wider than usual is an aisle. */
const AISLE = 1.45;

/** Seats, areas and the choice among them. Tells `changed` listeners which seats to redraw. */
export class SeatModel extends EventTarget {
  constructor(layout, limit) {
    super();
    this.version = layout.version;
    this.seats = layout.seats.map((seat) => ({ ...seat, state: "blocked" }));
    this.areas = layout.areas.map((area) => ({ ...area, available: 0 }));
    this.currency = layout.currency;
    this.limit = limit;
    this.chosen = new Set();
    this.byId = new Map(this.seats.map((seat, at) => [seat.id, at]));
    this.categories = layout.categories.map((category, at) => ({ ...category, at, colour: COLOURS[at % COLOURS.length] }));
    for (const place of [...this.seats, ...this.areas]) place.look = this.categories[place.category];
    this.zones = this.group();
  }

  /** Zones with their rows in the plan's order, seats from left to right; marks who sits at an aisle. */
  group() {
    const zones = new Map();
    this.seats.forEach((seat, at) => {
      if (!zones.has(seat.zone)) zones.set(seat.zone, new Map());
      const rows = zones.get(seat.zone);
      if (!rows.has(seat.row)) rows.set(seat.row, []);
      rows.get(seat.row).push(at);
    });
    return [...zones].map(([name, rows]) => ({ name, rows: [...rows].map(([row, seats]) => this.row(row, seats)) }));
  }

  row(name, seats) {
    const x = (at) => this.seats[at].x;
    seats.sort((a, b) => x(a) - x(b));
    const steps = seats.slice(1).map((at, n) => x(at) - x(seats[n]));
    const usual = [...steps].sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 0;
    steps.forEach((step, n) => {
      if (step <= usual * AISLE) return;
      this.seats[seats[n]].aisle = true;
      this.seats[seats[n + 1]].aisle = true;
      this.seats[seats[n + 1]].afterAisle = true;
    });
    return { name, seats };
  }

  /** The word for a seat's state, to this buyer. */
  state(at) {
    return this.chosen.has(at) ? "chosen" : this.seats[at].state;
  }

  /** For people: zone, row, number, price, what is special, state. */
  name(at) {
    const seat = this.seats[at];
    const extras = [seat.aisle && t("js.aisle"), seat.accessible && t("seat.accessible"), seat.companion_of !== undefined && t("seat.companion")].filter(Boolean);
    return [seatName(seat), seat.look.name, money(seat.look.price_minor, this.currency), ...extras, t(`state.${this.state(at)}`)].join(", ");
  }

  /** Short, for lists. */
  label(at) {
    return seatName(this.seats[at]);
  }

  total() {
    return [...this.chosen].reduce((sum, at) => sum + this.seats[at].look.price_minor, 0);
  }

  free(seats) {
    return seats.reduce((count, at) => count + (this.seats[at].state === "available" ? 1 : 0), 0);
  }

  /** Places left by category, in the categories' order. */
  left() {
    const left = this.categories.map(() => 0);
    for (const seat of this.seats) if (seat.state === "available") left[seat.look.at] += 1;
    for (const area of this.areas) left[area.look.at] += area.available;
    return left;
  }

  /** Chooses a seat or lets it go; says why not, when not. */
  toggle(at) {
    const seat = this.seats[at];
    if (this.chosen.delete(at)) {
      this.tell([at]);
      return null;
    }
    if (seat.state !== "available") return t("js.not.free", { seat: this.label(at), state: t(`state.${seat.state}`) });
    if (this.chosen.size >= this.limit) return t("js.full", { max: this.limit });
    this.chosen.add(at);
    this.tell([at]);
    return null;
  }

  /** Takes states as `[seat, state]` pairs, areas as `[area, available, …]`; returns the chosen seats that were lost to others. */
  update(seats, areas) {
    const changed = [];
    const lost = [];
    for (const [at, number] of seats) {
      const seat = this.seats[at];
      const state = STATES[number] ?? "blocked";
      if (!seat || seat.state === state) continue;
      seat.state = state;
      changed.push(at);
      if (state !== "available" && this.chosen.delete(at)) lost.push(at);
    }
    for (const [at, available] of areas) if (this.areas[at]) this.areas[at].available = available;
    if (changed.length > 0 || areas.length > 0) this.tell(changed);
    return lost;
  }

  tell(seats) {
    this.dispatchEvent(new CustomEvent("changed", { detail: seats }));
  }
}
