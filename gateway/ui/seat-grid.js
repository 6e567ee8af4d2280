// The hall as a grid: a section at a time, its rows, their seats. Equal to the map, by keys, touch and screen reader.
// Follows the grid pattern of the ARIA practices. Owns: one tab stop, and where it is.

import { h } from "./dom.js";
import { money } from "./format.js";
import { t } from "./messages.js";
import { sample } from "./seat-map.js";

const PAGE_ROWS = 5;
/** The column of a row's name; seats begin beside it. */
const SEATS_FROM = 2;

export class SeatGrid {
  constructor(model, { choose, leave }) {
    this.model = model;
    this.choose = choose;
    this.leave = leave;
    this.cells = new Map();
    this.zone = model.zones.find((zone) => this.zoneFree(zone) > 0) ?? model.zones[0];
    this.grid = h("div", { class: "grid", role: "grid", "aria-multiselectable": "true", "aria-describedby": "grid-help" });
    this.grid.addEventListener("keydown", (event) => this.key(event));
    this.grid.addEventListener("click", (event) => this.click(event));
    this.grid.addEventListener("focusin", (event) => this.remember(event.target.closest("[data-at]")));
    this.element = h("div", { class: "grid-view" }, this.head(), this.grid);
    this.open(this.zone);
    model.addEventListener("changed", (event) => this.refresh(event.detail));
  }

  zoneFree(zone) {
    return zone.rows.reduce((sum, row) => sum + this.model.free(row.seats), 0);
  }

  head() {
    this.sections = h("select", { onchange: (event) => this.open(this.model.zones[event.target.value]) });
    this.jump = h("select", { onchange: (event) => this.goToRow(Number(event.target.value)) });
    this.sectionOptions();
    return h("div", { class: "grid-head" },
      this.model.zones.length > 1 && h("label", {}, t("js.grid.section"), this.sections),
      h("label", {}, t("js.grid.jump"), this.jump),
      h("p", { id: "grid-help", class: "meta" }, t("js.grid.help")));
  }

  sectionOptions() {
    const { zones } = this.model;
    if (this.sections.length !== zones.length) this.sections.replaceChildren(...zones.map((zone, at) => h("option", { value: at })));
    zones.forEach((zone, at) => (this.sections.options[at].textContent = `${zone.name} · ${t("list.free", { n: this.zoneFree(zone) })}`));
  }

  /** Shows a section; the tab stop goes to its first free seat. */
  open(zone) {
    this.zone = zone;
    this.cells.clear();
    this.sections.value = this.model.zones.indexOf(zone);
    this.jump.replaceChildren(...zone.rows.map((row, at) => h("option", { value: at }, row.name)));
    this.grid.setAttribute("aria-label", t("js.grid.label", { zone: zone.name }));
    this.grid.setAttribute("aria-rowcount", zone.rows.length);
    this.grid.setAttribute("aria-colcount", Math.max(...zone.rows.map((row) => row.seats.length)) + SEATS_FROM - 1);
    this.heads = [];
    this.grid.replaceChildren(...zone.rows.map((row, at) => this.row(row, at)));
    const all = zone.rows.flatMap((row) => row.seats);
    this.current = all.find((at) => this.model.seats[at].state === "available") ?? all[0];
    this.cells.get(this.current)?.setAttribute("tabindex", 0);
  }

  row(row, index) {
    const free = h("small", {});
    this.heads.push({ free, row });
    free.textContent = t("list.free", { n: this.model.free(row.seats) });
    return h("div", { role: "row", class: "grid-row", "aria-rowindex": index + 1 },
      h("div", { role: "rowheader", class: "grid-name", "aria-colindex": 1 }, h("b", {}, t("js.grid.row", { row: row.name })), free),
      h("div", { role: "presentation", class: "grid-cells" }, row.seats.map((at, column) => this.cell(at, column + SEATS_FROM))));
  }

  cell(at, column) {
    const seat = this.model.seats[at];
    const cell = h("div", { role: "gridcell", class: `cell${seat.afterAisle ? " after-aisle" : ""}`, tabindex: -1, "aria-colindex": column, "data-at": at }, h("b", {}, seat.number), sample(seat.accessible ? "accessible" : "available", seat.look));
    cell.title = `${seat.look.name}, ${money(seat.look.price_minor, this.model.currency)}`;
    this.cells.set(at, cell);
    this.mark(at);
    return cell;
  }

  mark(at) {
    const cell = this.cells.get(at);
    if (!cell) return;
    const state = this.model.state(at);
    cell.dataset.state = state;
    cell.setAttribute("aria-selected", state === "chosen");
    cell.setAttribute("aria-disabled", state !== "chosen" && state !== "available");
    cell.setAttribute("aria-label", this.model.name(at));
  }

  refresh(changed) {
    for (const at of changed) this.mark(at);
    for (const { free, row } of this.heads) free.textContent = t("list.free", { n: this.model.free(row.seats) });
    this.sectionOptions();
  }

  click(event) {
    const cell = event.target.closest("[data-at]");
    if (!cell) return;
    this.focus(Number(cell.dataset.at));
    this.choose(Number(cell.dataset.at));
  }

  remember(cell) {
    if (!cell) return;
    this.cells.get(this.current)?.setAttribute("tabindex", -1);
    this.current = Number(cell.dataset.at);
    cell.setAttribute("tabindex", 0);
  }

  focus(at) {
    const cell = this.cells.get(at);
    cell?.focus();
    cell?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  goToRow(index) {
    this.focus(this.zone.rows[index].seats[0]);
  }

  place() {
    const rowAt = this.zone.rows.findIndex((row) => row.seats.includes(this.current));
    const { seats } = this.zone.rows[rowAt];
    return { rowAt, seats, at: seats.indexOf(this.current) };
  }

  /** The seat of another row that is nearest from left to right: numbers run odd and even in many halls. */
  across(rows) {
    const { rowAt } = this.place();
    const to = this.zone.rows[Math.max(0, Math.min(this.zone.rows.length - 1, rowAt + rows))];
    const { x } = this.model.seats[this.current];
    return to.seats.reduce((best, at) => (Math.abs(this.model.seats[at].x - x) < Math.abs(this.model.seats[best].x - x) ? at : best));
  }

  target(event) {
    const { seats, at } = this.place();
    const { rows } = this.zone;
    const whole = event.ctrlKey || event.metaKey;
    switch (event.key) {
      case "ArrowLeft":
        return seats[Math.max(0, at - 1)];
      case "ArrowRight":
        return seats[Math.min(seats.length - 1, at + 1)];
      case "ArrowUp":
        return this.across(-1);
      case "ArrowDown":
        return this.across(1);
      case "PageUp":
        return this.across(-PAGE_ROWS);
      case "PageDown":
        return this.across(PAGE_ROWS);
      case "Home":
        return whole ? rows[0].seats[0] : seats[0];
      case "End":
        return whole ? rows.at(-1).seats.at(-1) : seats.at(-1);
      default:
        return null;
    }
  }

  key(event) {
    if (!event.target.closest("[data-at]") || event.altKey) return;
    const to = this.target(event);
    if (to !== null) this.focus(to);
    else if (event.key === " " || event.key === "Enter") this.choose(this.current);
    else if (event.key === "Escape") this.leave();
    else return;
    event.preventDefault();
  }
}
