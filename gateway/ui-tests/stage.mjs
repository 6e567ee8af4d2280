// What the journeys stand on: gateways, browsers, buyers outside a browser, the accessibility check, pictures.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

export const gateways = (process.env.HOLDFAST_GATEWAYS ?? "").split(",").map((url) => url.trim().replace(/\/$/, "")).filter(Boolean);
const pictures = process.env.HOLDFAST_SCREENSHOTS ?? "screenshots";
const PATIENCE_MS = 30_000;
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** The base address of gateway `n`; each stands in another region. */
export const at = (n) => gateways[n % gateways.length];

/** A buyer outside the browser. */
export class Buyer {
  static async of(base) {
    const response = await fetch(`${base}/v1/guests`, { method: "POST" });
    return Object.assign(new Buyer(), { base, token: (await response.json()).token });
  }

  async send(method, path, body) {
    const response = await fetch(`${this.base}/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${this.token}`, "idempotency-key": randomUUID(), "content-type": "application/json" },
      body: body && JSON.stringify(body),
    });
    return { status: response.status, body: await response.json() };
  }

  async hold(show, seats) {
    const held = await this.send("POST", `/shows/${show}/holds`, { seats });
    assert.equal(held.status, 201, JSON.stringify(held.body));
    return held.body;
  }

  /** Holds and pays; returns when the order is confirmed. */
  async buy(show, seats) {
    const { body: order } = await this.send("POST", "/orders", { hold: (await this.hold(show, seats)).id });
    await this.send("POST", `/orders/${order.id}/pay`, { payment_token: "tok_approve" });
    for (const until = Date.now() + PATIENCE_MS; ; await new Promise((done) => setTimeout(done, 100))) {
      const { state } = (await this.send("GET", `/orders/${order.id}`)).body;
      if (state === "confirmed") return;
      assert.ok(Date.now() < until, `${order.id} is ${state}`);
    }
  }
}

export const api = async (path, base = at(0)) => (await fetch(`${base}/v1${path}`)).json();

/** Shows with their maps, sorted out by what they have. */
export async function season() {
  const { events } = await api("/events?page_size=100");
  const shows = events.flatMap((event) => event.shows.map((show) => ({ ...show, event_name: event.name })));
  const all = await Promise.all(shows.map(async (show) => ({ ...show, map: await api(`/shows/${show.id}/seats`) })));
  const hall = all.find((show) => show.map.seats.length >= 400 && show.map.areas.length === 0);
  const arena = all.find((show) => show.map.areas.length > 0 && show.map.seats.length > 1000);
  const quick = all.find((show) => show.event_name === "Quick Set");
  const queued = all.find((show) => ![hall, arena, quick].includes(show) && show.map.seats.length < 400);
  assert.ok(hall && arena && quick && queued, "the sample season has a hall, an arena, a show with short holds and another small one");
  return { hall, arena, quick, queued };
}

/** A row that is free from end to end, seats from left to right: what is bought in it breaks no selling rule. */
export async function freeRow(show) {
  const { seats } = await api(`/shows/${show}/seats`);
  const rows = new Map();
  for (const seat of seats) rows.set(`${seat.zone}|${seat.row}`, [...(rows.get(`${seat.zone}|${seat.row}`) ?? []), seat]);
  const row = [...rows.values()]
    .map((all) => all.sort((a, b) => a.x - b.x).filter((seat) => !seat.accessible && !seat.companion_of))
    .find((all) => all.length >= 8 && all.every((seat) => seat.state === "available"));
  assert.ok(row, "the hall has a free row left");
  return row;
}

/** What the browser complained of. */
export const trouble = [];
let shot = 0;

export async function launch() {
  mkdirSync(pictures, { recursive: true });
  return chromium.launch({
    executablePath: process.env.HOLDFAST_CHROMIUM ?? "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

export async function newPage(browser, base, options = {}) {
  const context = await browser.newContext({ baseURL: base, viewport: { width: 1280, height: 800 }, locale: "en-GB", ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  page.on("pageerror", (error) => trouble.push(`page error: ${error.message}`));
  page.on("console", (message) => message.type() === "error" && /Content Security|Refused|TypeError|Error:/.test(message.text()) && trouble.push(message.text()));
  return page;
}

export const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };

/**
 * Runs axe. Of the seats of a map that look and speak alike it sees one, unless it is to see `everySeat`: whole houses take minutes. The
 * others leave the document meanwhile, and come back between those that stayed: what has the focus keeps it.
 */
const checkRules = async (everySeat) => {
  const kinds = new Set();
  const gone = [];
  for (const seat of everySeat ? [] : document.querySelectorAll(".seat-map .seat")) {
    const told = seat.getAttributeNames().filter((name) => /^(class|role|tabindex|aria-(?!label)|data-(?!at))/.test(name));
    const kind = told.map((name) => `${name}=${seat.getAttribute(name)}`).join(" ");
    if (kinds.has(kind) && seat !== document.activeElement) gone.push([seat, seat.parentNode, seat.nextSibling]);
    kinds.add(kind);
  }
  for (const [seat] of gone) seat.remove();
  try {
    const found = await window.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] });
    return found.violations;
  } finally {
    for (const [seat, parent, next] of gone.reverse()) parent.insertBefore(seat, next?.parentNode === parent ? next : null);
  }
};

/** Takes a picture, and holds the view against the accessibility rules (WCAG 2.2 A and AA, and good practice): no violation. */
export async function look(page, name, { axe = true, map = false } = {}) {
  shot += 1;
  await page.screenshot({ path: join(pictures, `${String(shot).padStart(2, "0")}-${name}.png`) });
  if (!axe) return;
  await page.evaluate(AXE);
  const violations = await page.evaluate(checkRules, map);
  const told = violations.map((rule) => `${rule.id} (${rule.impact}): ${rule.help}\n${rule.nodes.slice(0, 4).map((node) => `    ${node.target.join(" ")}: ${node.failureSummary.split("\n").slice(1).join(";")}`).join("\n")}`);
  assert.deepEqual(told, [], `accessibility of ${name}`);
}

/** The same for a document as a browser without scripts has it. The rules are checked by a script, so a twin with the same content is. */
export async function lookScriptless(browser, page, name, base = new URL(page.url()).origin) {
  const html = (await page.content()).replace(/<script\b[^>]*><\/script>/g, "").replace(/<\/?noscript>/g, "");
  const twin = await newPage(browser, base, { viewport: page.viewportSize() });
  const address = new URL(new URL(page.url()).pathname, base).href;
  await twin.route(address, (route) => route.fulfill({ contentType: "text/html; charset=utf-8", body: html }));
  await twin.goto(address);
  await look(twin, `${name}-scriptless`);
  await twin.context().close();
}

/** The document must not be wider than the window. */
export async function fits(page, name) {
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.ok(overflow <= 0, `${name} must not scroll sideways, it does by ${overflow} px`);
}

export const heading = (page, text, options) => page.getByRole("heading", { level: 1, name: text }).waitFor(options);

/** The live map is there and its first answer as well. */
export const mapReady = (page) => page.locator(".map-bar").waitFor();

/** That choice is made; scripts may make it a moment after the document came. */
export const isChosen = (page, label) => page.getByLabel(label).and(page.locator(":checked")).waitFor();

export const seatOn = (page, map, seat) => page.locator(`.seat[data-at="${map.seats.findIndex((s) => s.id === seat.id)}"]`);

export const path = (page) => new URL(page.url()).pathname;
