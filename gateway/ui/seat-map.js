// The drawing of a hall. Owns: shapes, zoom, pointer and keys on the map; every state has a shape of its own.

import { h, s } from "./dom.js";
import { t } from "./messages.js";

const ZOOM_STEP = 1.6;
const ZOOM_MAX = 24;
const DRAG_PX = 5;
/** Floor that one standing person takes, in squares of the distance between seats. */
const PERSON_SHARE = 0.55;

/** Outlines by category, one unit in radius: colour is never the only difference. */
const OUTLINES = [
  () => s("circle", { r: 0.92 }),
  () => s("rect", { x: -0.84, y: -0.84, width: 1.68, height: 1.68, rx: 0.22 }),
  () => s("path", { d: "M0 -1.08L1.08 0 0 1.08 -1.08 0Z" }),
  () => s("path", { d: "M-.5 -.92H.5L1 0 .5 .92H-.5L-1 0Z" }),
  () => s("path", { d: "M0 -1L1.04 .82H-1.04Z" }),
  () => s("path", { d: "M0 1L1.04 -.82H-1.04Z" }),
  () => s("path", { d: "M-.42 -.95H.42L.95 -.42V.42L.42 .95H-.42L-.95 .42V-.42Z" }),
];

function outline(at) {
  const shape = OUTLINES[at % OUTLINES.length]();
  shape.setAttribute("class", "shape-edge");
  shape.setAttribute("stroke-width", 0.16);
  return shape;
}

/** Shapes of states that take no colour from their category. */
function marks() {
  return {
    held: s("g", {}, s("circle", { r: 0.8, class: "shape-muted", "stroke-width": 0.2, "stroke-dasharray": ".42 .3" }), s("circle", { r: 0.28, class: "shape-muted-fill" })),
    sold: s("path", { d: "M-.5-.5L.5 .5M.5-.5L-.5 .5", class: "shape-muted", "stroke-width": 0.24, "stroke-linecap": "round" }),
    blocked: s("path", { d: "M-.55 0H.55", class: "shape-muted", "stroke-width": 0.28, "stroke-linecap": "round" }),
    chosen: s("g", {}, s("circle", { r: 1.12, class: "shape-mine" }), s("path", { d: "M-.5 .02L-.12 .42L.55-.38", class: "shape-check", "stroke-width": 0.28, "stroke-linecap": "round", "stroke-linejoin": "round" })),
  };
}

/** A person in a wheelchair, over the outline. */
const wheelchair = () => s("g", {}, s("circle", { r: 0.74, fill: "#fff", stroke: "#000", "stroke-width": 0.08 }), s("circle", { cx: -0.05, cy: -0.44, r: 0.15, fill: "#000" }), s("path", { d: "M-.05 -.24V.14H.28L.4 .42M-.2 -.02A.32 .32 0 1 0 .2 .3", fill: "none", stroke: "#000", "stroke-width": 0.13 }));

function shape(name, look = 0) {
  if (name === "available") return outline(look);
  if (name === "accessible") return s("g", {}, outline(look), wheelchair());
  return marks()[name];
}

/** One shape for each category, with and without a wheelchair, and one for each other state. */
function definitions(radius, categories) {
  const define = (id, drawn) => s("g", { id, transform: `scale(${radius})` }, s("circle", { r: 1.15, fill: "transparent" }), drawn);
  // Free seats are one shape and nothing else: a large hall has twenty thousand of them, each with its copy of what is defined here.
  const plain = (id, drawn) => {
    drawn.setAttribute("id", id);
    drawn.setAttribute("transform", `scale(${radius})`);
    return drawn;
  };
  const looks = categories.flatMap((category) => [plain(`seat-available-${category.at}`, shape("available", category.at)), define(`seat-accessible-${category.at}`, shape("accessible", category.at))]);
  return s("defs", {}, looks, Object.entries(marks()).map(([name, drawn]) => define(`seat-${name}`, drawn)));
}

/** A shape for the legend. */
export function sample(name, category) {
  return s("svg", { viewBox: "-1.3 -1.3 2.6 2.6", class: "sample", "aria-hidden": "true" }, s("g", { fill: category?.colour ?? "#999999" }, shape(name, category?.at)));
}

/** Half of the usual distance between neighbours, from the drawing itself. */
function seatRadius(seats) {
  const gaps = [];
  for (let at = 1; at < seats.length; at += 1) {
    const [a, b] = [seats[at - 1], seats[at]];
    if (a.row === b.row && a.zone === b.zone) gaps.push(Math.hypot(a.x - b.x, a.y - b.y));
  }
  gaps.sort((a, b) => a - b);
  return (gaps[Math.floor(gaps.length / 2)] ?? 1000) * 0.42;
}

export class SeatMap {
  constructor(model, { choose, chooseArea, leave }) {
    this.model = model;
    this.choose = choose;
    this.leave = leave;
    this.radius = seatRadius(model.seats);
    this.uses = [];
    this.current = model.seats.findIndex((seat) => seat.state === "available");
    this.areaTexts = [];
    this.svg = s("svg", { class: "seat-map", role: "group", "aria-label": t("js.map.label") });
    this.ring = s("circle", { class: "focus-ring", r: this.radius * 1.35, "stroke-width": this.radius * 0.22, visibility: "hidden" });
    this.draw(chooseArea);
    this.fit();
    this.listen();
    model.addEventListener("changed", (event) => this.refresh(event.detail));
  }

  draw(chooseArea) {
    const { seats, areas } = this.model;
    const layer = s("g", {});
    seats.forEach((seat, at) => {
      const use = s("use", { class: "seat", x: seat.x, y: seat.y, fill: seat.look.colour, role: "checkbox", tabindex: at === this.current ? 0 : -1, "data-at": at });
      this.uses.push(use);
      layer.append(use);
    });
    this.box = this.extent(seats, areas);
    this.svg.style.aspectRatio = `${this.box.w} / ${this.box.h}`;
    const areaLayer = s("g", {}, areas.map((area) => this.areaShape(area, area.look.colour, () => chooseArea(area.id))));
    this.svg.append(definitions(this.radius, this.model.categories), areaLayer, this.labels(seats), layer, this.ring);
    this.refresh(seats.keys());
  }

  /** How large an area is drawn, from its corner: by the room its people need, no wider than up to what is beside it. */
  areaSize(area) {
    const footprint = area.capacity * PERSON_SHARE * (this.radius * 2.4) ** 2;
    const side = Math.sqrt(footprint);
    const rightOf = ({ x, y }) => x > area.x + this.radius && y > area.y - this.radius && y < area.y + side;
    const gap = [...this.model.areas, ...this.model.seats].filter(rightOf).reduce((least, other) => Math.min(least, other.x - area.x), Infinity);
    const w = Math.max(this.radius * 14, Math.min(side, gap - this.radius * 4));
    return { w, h: Math.max(this.radius * 7, Math.min(footprint / w, 2 * w)) };
  }

  areaShape(area, colour, choose) {
    const { w, h: height } = this.areaSize(area);
    const size = Math.min(w / 8, height / 4);
    const [x, y] = [area.x + w / 2, area.y + height / 2];
    const free = s("text", { class: "area-text", x, y: y + size * 1.1, "font-size": size * 0.62 });
    this.areaTexts.push(free);
    return s("g", { role: "button", tabindex: 0, "aria-label": t("js.area", { area: area.name }), onclick: choose, onkeydown: (event) => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), choose()) },
      s("rect", { class: "area-box", x: area.x, y: area.y, width: w, height, rx: this.radius * 1.5, fill: colour, stroke: colour, "stroke-width": this.radius * 0.2, "stroke-dasharray": `${this.radius} ${this.radius * 0.6}` }),
      s("text", { class: "area-text", x, y, "font-size": size }, area.name), free);
  }

  extent(seats, areas) {
    const sizes = areas.map((area) => this.areaSize(area));
    const xs = [...seats.map((seat) => seat.x), ...areas.flatMap((area, at) => [area.x, area.x + sizes[at].w])];
    const ys = [...seats.map((seat) => seat.y), ...areas.flatMap((area, at) => [area.y, area.y + sizes[at].h])];
    const low = (list) => list.reduce((a, b) => Math.min(a, b), Infinity);
    const high = (list) => list.reduce((a, b) => Math.max(a, b), -Infinity);
    const pad = Math.max(this.radius * 5, (high(xs) - low(xs)) / 28);
    return { x: low(xs) - pad, y: low(ys) - pad, w: high(xs) - low(xs) + 2 * pad, h: high(ys) - low(ys) + 2 * pad };
  }

  /** Rows at their left end; zones above their seats. */
  labels(seats) {
    const rows = new Map();
    const zones = new Map();
    for (const seat of seats) {
      const row = `${seat.zone}|${seat.row}`;
      if (!rows.has(row) || seat.x < rows.get(row).x) rows.set(row, seat);
      const zone = zones.get(seat.zone) ?? { left: Infinity, right: -Infinity, top: Infinity };
      zones.set(seat.zone, { left: Math.min(zone.left, seat.x), right: Math.max(zone.right, seat.x), top: Math.min(zone.top, seat.y) });
    }
    const layer = s("g", { "aria-hidden": "true" });
    for (const seat of rows.values()) layer.append(s("text", { class: "row-label", x: seat.x - this.radius * 1.6, y: seat.y, "font-size": this.radius * 1.1 }, seat.row));
    for (const [name, zone] of zones) layer.append(s("text", { class: "zone-label", x: (zone.left + zone.right) / 2, y: zone.top - this.radius * 2, "font-size": Math.max(this.radius * 2, this.box.w / 70) }, name));
    return layer;
  }

  refresh(changed) {
    for (const at of changed) {
      const seat = this.model.seats[at];
      const chosen = this.model.chosen.has(at);
      const kind = seat.accessible ? "accessible" : "available";
      const shape = chosen ? "chosen" : seat.state === "available" ? `${kind}-${seat.look.at}` : seat.state;
      const use = this.uses[at];
      use.setAttribute("href", `#seat-${shape}`);
      use.setAttribute("data-state", seat.state);
      use.setAttribute("aria-checked", chosen);
      use.setAttribute("aria-disabled", seat.state !== "available");
      use.setAttribute("aria-label", this.model.name(at));
    }
    this.model.areas.forEach((area, at) => (this.areaTexts[at].textContent = t("js.area.free", { free: area.available, all: area.capacity })));
  }

  listen() {
    this.svg.addEventListener("click", (event) => {
      const use = event.target.closest(".seat");
      if (!use || this.dragged) return;
      this.focus(Number(use.dataset.at));
      this.choose(Number(use.dataset.at));
    });
    this.svg.addEventListener("keydown", (event) => this.key(event));
    this.svg.addEventListener("focusin", (event) => this.ringAt(event.target.closest(".seat")));
    this.svg.addEventListener("focusout", () => this.ringAt(null));
    this.svg.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2, this.point(event));
    }, { passive: false });
    this.svg.addEventListener("pointerdown", (event) => this.drag(event));
  }

  ringAt(use) {
    this.ring.setAttribute("visibility", use ? "visible" : "hidden");
    if (!use) return;
    this.ring.setAttribute("cx", use.getAttribute("x"));
    this.ring.setAttribute("cy", use.getAttribute("y"));
  }

  key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key === "+" || event.key === "=") this.zoom(ZOOM_STEP, this.seatPoint());
    else if (event.key === "-") this.zoom(1 / ZOOM_STEP, this.seatPoint());
    else if (event.key === "0") this.fit();
    else if (!event.target.closest(".seat")) return;
    else if (moves[event.key]) this.focus(this.neighbour(...moves[event.key]));
    else if (event.key === "Home" || event.key === "End") this.focus(this.rowEnd(event.key === "Home"));
    else if (event.key === " " || event.key === "Enter") this.choose(this.current);
    else if (event.key === "Escape") this.leave();
    else return;
    event.preventDefault();
  }

  seatPoint() {
    const seat = this.model.seats[this.current];
    return seat ? { x: seat.x, y: seat.y } : undefined;
  }

  /** The nearest seat in a direction: by place, not by number. Stays at the edge. */
  neighbour(dx, dy) {
    const from = this.model.seats[this.current];
    let best = this.current;
    let least = Infinity;
    this.model.seats.forEach((seat, at) => {
      const along = (seat.x - from.x) * dx + (seat.y - from.y) * dy;
      const aside = Math.abs((seat.x - from.x) * dy) + Math.abs((seat.y - from.y) * dx);
      const cost = along + 3 * aside;
      if (along > this.radius * 0.3 && aside <= along * 2 && cost < least) [best, least] = [at, cost];
    });
    return best;
  }

  rowEnd(left) {
    const from = this.model.seats[this.current];
    let best = this.current;
    this.model.seats.forEach((seat, at) => {
      const further = left ? seat.x < this.model.seats[best].x : seat.x > this.model.seats[best].x;
      if (seat.zone === from.zone && seat.row === from.row && further) best = at;
    });
    return best;
  }

  focus(at) {
    this.uses[this.current]?.setAttribute("tabindex", -1);
    this.current = at;
    const use = this.uses[at];
    use.setAttribute("tabindex", 0);
    use.focus({ preventScroll: true });
    const { x, y } = this.model.seats[at];
    const view = this.view;
    if (x < view.x || y < view.y || x > view.x + view.w || y > view.y + view.h) this.look({ ...view, x: x - view.w / 2, y: y - view.h / 2 });
  }

  fit() {
    this.look({ ...this.box });
  }

  look(view) {
    this.view = view;
    this.svg.setAttribute("viewBox", `${view.x} ${view.y} ${view.w} ${view.h}`);
    this.svg.classList.toggle("zoomed", view.w < this.box.w * 0.98);
  }

  zoom(factor, at) {
    const { view, box } = this;
    const w = Math.min(box.w, Math.max(box.w / ZOOM_MAX, view.w / factor));
    const scale = w / view.w;
    const centre = at ?? { x: view.x + view.w / 2, y: view.y + view.h / 2 };
    this.look({ x: centre.x - (centre.x - view.x) * scale, y: centre.y - (centre.y - view.y) * scale, w, h: view.h * scale });
  }

  point(event) {
    return new DOMPoint(event.clientX, event.clientY).matrixTransform(this.svg.getScreenCTM().inverse());
  }

  drag(event) {
    const start = { x: event.clientX, y: event.clientY };
    const view = this.view;
    const scale = this.svg.getScreenCTM().a;
    this.dragged = false;
    const move = (to) => {
      const [dx, dy] = [to.clientX - start.x, to.clientY - start.y];
      if (!this.dragged && Math.hypot(dx, dy) < DRAG_PX) return;
      this.dragged = true;
      this.svg.classList.add("dragging");
      if (view.w < this.box.w * 0.98) this.look({ ...view, x: view.x - dx / scale, y: view.y - dy / scale });
    };
    const end = () => {
      window.removeEventListener("pointermove", move);
      window.removeEventListener("pointerup", end);
      window.removeEventListener("pointercancel", end);
      this.svg.classList.remove("dragging");
    };
    window.addEventListener("pointermove", move);
    window.addEventListener("pointerup", end);
    window.addEventListener("pointercancel", end);
  }

  /** Buttons that do what keys and wheel do. */
  controls() {
    const button = (text, label, act) => h("button", { type: "button", class: "quiet", "aria-label": label, onclick: act }, text);
    return [button("−", t("js.zoom.out"), () => this.zoom(1 / ZOOM_STEP)), button("+", t("js.zoom.in"), () => this.zoom(ZOOM_STEP)), button(t("js.zoom.fit"), t("js.zoom.fit.label"), () => this.fit())];
  }
}
