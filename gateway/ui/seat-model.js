// What the page knows of a show's seats. Owns: states, the buyer's choice, and who wants to hear of changes.

import { money } from "./format.js";

const LETTERS = { a: "available", h: "held", s: "sold", b: "blocked" };

export const STATE_WORDS = { available: "available", held: "on hold for someone else", sold: "sold", blocked: "not for sale" };

/** Seats, areas and the choice among them. Tells `changed` listeners which seats to redraw. */
export class SeatModel extends EventTarget {
  constructor(map) {
    super();
    this.map = map;
    this.seats = map.seats;
    this.areas = map.areas;
    this.currency = map.currency;
    this.chosen = new Set();
    this.byId = new Map(this.seats.map((seat, at) => [seat.id, at]));
    this.index = map.as_of.index;
  }

  get limit() {
    return this.map.seats_per_order_max || 10;
  }

  /** For people: zone, row, number, price, state. */
  name(at) {
    const seat = this.seats[at];
    const extras = [seat.accessible && "wheelchair space", seat.companion_of && `companion seat of ${seat.companion_of}`].filter(Boolean);
    const state = this.chosen.has(at) ? "chosen" : STATE_WORDS[seat.state];
    return [seat.zone, `row ${seat.row}`, `seat ${seat.number}`, seat.category, money(seat.price_minor, this.currency), ...extras, state].join(", ");
  }

  /** Short, for lists. */
  label(at) {
    const seat = this.seats[at];
    return `${seat.zone}, row ${seat.row}, seat ${seat.number}`;
  }

  total() {
    return [...this.chosen].reduce((sum, at) => sum + this.seats[at].price_minor, 0);
  }

  /** Chooses a seat or lets it go; says why not, when not. */
  toggle(at) {
    const seat = this.seats[at];
    if (this.chosen.delete(at)) {
      this.tell([at]);
      return null;
    }
    if (seat.state !== "available") return `${this.label(at)} is ${STATE_WORDS[seat.state]}.`;
    if (this.chosen.size >= this.limit) return `You can choose up to ${this.limit} seats at once.`;
    this.chosen.add(at);
    this.tell([at]);
    return null;
  }

  clear() {
    const was = [...this.chosen];
    this.chosen.clear();
    this.tell(was);
  }

  /** Takes a compact answer; returns the chosen seats that were lost to others. */
  update(compact) {
    const changed = [];
    const lost = [];
    for (let at = 0; at < this.seats.length; at += 1) {
      const state = LETTERS[compact.states[at]] ?? "blocked";
      if (this.seats[at].state === state) continue;
      this.seats[at].state = state;
      changed.push(at);
      if (state !== "available" && this.chosen.delete(at)) lost.push(at);
    }
    this.areas = compact.areas;
    this.index = compact.as_of.index;
    this.tell(changed);
    return lost;
  }

  tell(seats) {
    this.dispatchEvent(new CustomEvent("changed", { detail: seats }));
  }
}
