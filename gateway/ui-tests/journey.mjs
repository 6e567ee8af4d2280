// Drives the web page through a headless Chromium against a running demo.
//
//   HOLDFAST_GATEWAYS=http://127.0.0.1:8080,http://127.0.0.1:8081,... node journey.mjs
//
// HOLDFAST_CHROMIUM names the browser (default /usr/bin/chromium), HOLDFAST_SCREENSHOTS a directory for pictures.
// Ends with 0 when every step held, 1 with the first that did not.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const gateways = (process.env.HOLDFAST_GATEWAYS ?? "").split(",").map((url) => url.trim().replace(/\/$/, "")).filter(Boolean);
const pictures = process.env.HOLDFAST_SCREENSHOTS ?? "screenshots";
const PATIENCE_MS = 30_000;

if (gateways.length === 0) {
  console.error("HOLDFAST_GATEWAYS must name at least one gateway, such as http://127.0.0.1:8080");
  process.exit(2);
}
mkdirSync(pictures, { recursive: true });
const at = (n) => gateways[n % gateways.length];

/** A buyer outside the browser. */
class Buyer {
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
}

const api = async (path, base = at(0)) => (await fetch(`${base}/v1${path}`)).json();

/** Shows with their maps, sorted out by what they have. */
async function season() {
  const { events } = await api("/events?page_size=100");
  const shows = events.flatMap((event) => event.shows.map((show) => ({ ...show, event_name: event.name })));
  const withMaps = await Promise.all(shows.map(async (show) => ({ ...show, map: await api(`/shows/${show.id}/seats`) })));
  const hall = withMaps.find((show) => show.map.seats.length >= 400 && show.map.areas.length === 0) ?? withMaps.find((show) => show.map.seats.length >= 100);
  const arena = withMaps.find((show) => show.map.areas.length > 0 && show.map.seats.length > 1000) ?? withMaps.find((show) => show.map.areas.length > 0);
  return { hall, arena, all: withMaps };
}

/** Free seats that sit side by side in the middle of a row, so that no selling rule objects. */
function pairs(map) {
  const rows = new Map();
  for (const seat of map.seats) rows.set(`${seat.zone}|${seat.row}`, [...(rows.get(`${seat.zone}|${seat.row}`) ?? []), seat]);
  return [...rows.values()]
    .map((row) => row.sort((a, b) => a.x - b.x).filter((seat) => !seat.accessible && !seat.companion_of))
    .filter((row) => row.length >= 8 && row.every((seat) => seat.state === "available"))
    .map((row) => row.slice(0, 2));
}

const trouble = [];
let shot = 0;

async function newPage(browser, base, options = {}) {
  const context = await browser.newContext({ baseURL: base, viewport: { width: 1360, height: 900 }, locale: "en-GB", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on("pageerror", (error) => trouble.push(`page error: ${error.message}`));
  page.on("console", (message) => message.type() === "error" && /Content Security|Refused|TypeError/.test(message.text()) && trouble.push(message.text()));
  return page;
}

async function picture(page, name) {
  shot += 1;
  await page.screenshot({ path: join(pictures, `${String(shot).padStart(2, "0")}-${name}.png`) });
}

const seatOn = (page, map, seat) => page.locator(`.seat[data-at="${map.seats.findIndex((s) => s.id === seat.id)}"]`);
const heading = (page, text) => page.getByRole("heading", { level: 1, name: text }).waitFor();

const steps = {
  async "finds an event by search"(browser, { hall }) {
    const page = await newPage(browser, at(0));
    await page.goto("/");
    await page.locator(".event").first().waitFor();
    await picture(page, "events");
    await page.getByLabel("Search").first().fill(hall.event_name);
    await page.getByRole("button", { name: "Search" }).click();
    await page.getByRole("heading", { level: 2, name: hall.event_name }).waitFor();
    await page.getByLabel("City").selectOption(hall.city);
    await page.getByRole("button", { name: "Search" }).click();
    await page.locator(`a[href="#/shows/${hall.id}"]`).click();
    await heading(page, hall.event_name);
    await page.context().close();
  },

  async "chooses on the map, holds, is declined, pays and gets tickets"(browser, { hall }) {
    const page = await newPage(browser, at(0));
    await page.goto(`/#/shows/${hall.id}`);
    await heading(page, hall.event_name);
    const [first, second] = pairs(hall.map)[0];
    await seatOn(page, hall.map, first).click();
    await seatOn(page, hall.map, second).click();
    await page.getByRole("region", { name: "Your choice" }).getByText(`seat ${second.number}`).waitFor();
    await picture(page, "choice");
    await page.locator("button.hold").first().click();
    await heading(page, "These are yours for now");
    await picture(page, "hold");
    const before = await page.getByRole("timer").textContent();
    await page.waitForTimeout(1500);
    assert.notEqual(await page.getByRole("timer").textContent(), before, "the countdown must move");
    if (await page.locator("button.extend").isVisible()) await page.locator("button.extend").click();
    await page.getByRole("button", { name: "Continue to payment" }).click();
    await heading(page, "Pay for your order");
    await picture(page, "pay");
    await page.getByLabel("A card that is declined").check();
    await page.locator("button.pay").click();
    await page.locator(".notice.bad").waitFor();
    await picture(page, "declined");
    await page.getByLabel("A card that is approved").check();
    await page.locator("button.pay").click();
    await heading(page, "You are going!");
    assert.equal(await page.locator(".ticket").count(), 2);
    await picture(page, "tickets");
    const map = await api(`/shows/${hall.id}/seats`);
    assert.equal(map.seats.find((seat) => seat.id === first.id).state, "sold");
    await page.context().close();
  },

  async "chooses with the keyboard alone, in the list and on the map, and lets go"(browser, { hall }) {
    const page = await newPage(browser, at(1));
    await page.goto(`/#/shows/${hall.id}`);
    await heading(page, hall.event_name);
    await page.locator(".seat[tabindex='0']").focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowDown");
    await page.locator(".seat:focus").waitFor();
    const name = await page.locator(".seat:focus").getAttribute("aria-label");
    assert.match(name, /row .+, seat .+/, "a seat says where it is");
    const [seat, beside] = pairs(await api(`/shows/${hall.id}/seats`, at(1)))[1];
    await page.getByRole("button", { name: "List", exact: true }).press("Enter");
    await page.locator(".list > details > summary", { hasText: seat.zone }).first().press("Enter");
    await page.locator(".list details[open] details > summary").filter({ has: page.getByText(`Row ${seat.row}`, { exact: true }) }).first().press("Enter");
    for (const { zone, row, number } of [seat, beside]) await page.getByRole("checkbox", { name: `${zone}, row ${row}, seat ${number},` }).and(page.locator("input")).press("Space");
    await picture(page, "list");
    await page.locator("button.hold").first().press("Enter");
    await heading(page, "These are yours for now");
    await page.locator("button.release").click();
    await heading(page, hall.event_name);
    await page.context().close();
  },

  async "names the seat when another buyer in another region was quicker"(browser, { hall }) {
    const [seat, beside] = pairs(await api(`/shows/${hall.id}/seats`, at(2)))[2];
    const page = await newPage(browser, at(2));
    await page.goto(`/#/shows/${hall.id}`);
    await heading(page, hall.event_name);
    // The page must not hear of it early.
    await page.route("**/seats?fields=state", (route) => route.abort());
    await seatOn(page, hall.map, seat).click();
    await seatOn(page, hall.map, beside).click();
    const rival = await Buyer.of(at(0));
    const held = await rival.send("POST", `/shows/${hall.id}/holds`, { seats: [seat.id, beside.id] });
    assert.equal(held.status, 201, JSON.stringify(held.body));
    await page.unroute("**/seats?fields=state");
    await page.locator("button.hold").first().click();
    await page.locator(".notice.bad, .notice.warn").first().waitFor();
    const text = await page.locator("main").textContent();
    assert.match(text, new RegExp(`row ${seat.row}, seat ${seat.number}`), "the lost seat is named");
    await picture(page, "conflict");
    await page.context().close();
    const released = await rival.send("DELETE", `/holds/${held.body.id}`);
    assert.equal(released.status, 200);
  },

  async "buys standing places in the arena and cancels"(browser, { arena }) {
    if (!arena) return "no show with general admission";
    const page = await newPage(browser, at(1));
    await page.goto(`/#/shows/${arena.id}`);
    await heading(page, arena.event_name);
    await picture(page, "arena");
    await page.getByRole("button", { name: "Zoom in" }).click();
    await page.getByRole("button", { name: "Zoom in" }).click();
    await picture(page, "arena-near");
    const area = arena.map.areas[0];
    await page.locator(`#area-${CSS_escape(area.id)}`).fill("3");
    await page.getByRole("region", { name: area.name, exact: true }).getByRole("button", { name: "Hold places" }).click();
    await heading(page, "These are yours for now");
    await page.getByRole("button", { name: "Continue to payment" }).click();
    await heading(page, "Pay for your order");
    await page.locator("button.cancel").click();
    await heading(page, "This order was cancelled");
    await picture(page, "cancelled");
    await page.context().close();
    return null;
  },

  async "tells when a hold has run out"(browser, { all }) {
    const shows = [...all].sort((a, b) => a.places - b.places);
    const buyer = await Buyer.of(at(0));
    for (const show of shows.slice(0, 3)) {
      const held = await buyer.send("POST", `/shows/${show.id}/holds`, { best_available: { quantity: 2 } });
      if (held.status !== 201) continue;
      const lasts = held.body.expires_at_ms - held.body.now_ms;
      await buyer.send("DELETE", `/holds/${held.body.id}`);
      if (lasts > 20_000) continue;
      const page = await newPage(browser, at(0));
      await page.goto(`/#/shows/${show.id}`);
      await page.getByRole("button", { name: "Find and hold" }).click();
      await heading(page, "These are yours for now");
      await page.getByRole("button", { name: "Try the same seats again" }).waitFor();
      await picture(page, "expired");
      await page.context().close();
      return null;
    }
    return "no show with a short hold";
  },

  async "fits a phone and a dark room"(browser, { hall, arena }) {
    const phone = await newPage(browser, at(0), { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 });
    await phone.goto("/");
    await phone.locator(".event").first().waitFor();
    await picture(phone, "phone-events");
    await phone.goto(`/#/shows/${hall.id}`);
    await heading(phone, hall.event_name);
    const [seat] = pairs(await api(`/shows/${hall.id}/seats`))[3];
    await seatOn(phone, hall.map, seat).dispatchEvent("click");
    await picture(phone, "phone-show");
    const overflow = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `the page must not scroll sideways, it does by ${overflow} px`);
    await phone.context().close();
    const dark = await newPage(browser, at(0), { colorScheme: "dark" });
    await dark.goto(`/#/shows/${(arena ?? hall).id}`);
    await heading(dark, (arena ?? hall).event_name);
    await picture(dark, "dark");
    await dark.context().close();
  },
};

/** Enough of CSS.escape for plan identifiers. */
function CSS_escape(text) {
  return text.replace(/[^a-zA-Z0-9_-]/g, (letter) => `\\${letter}`);
}

const browser = await chromium.launch({
  executablePath: process.env.HOLDFAST_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
let failed = false;
try {
  const shows = await season();
  assert.ok(shows.hall, "the season must have a hall with numbered seats");
  for (const [name, step] of Object.entries(steps)) {
    const started = Date.now();
    const skipped = await step(browser, shows);
    assert.deepEqual(trouble, [], "the page must not complain");
    console.log(`${skipped ? `skip (${skipped})` : "ok"}  ${name}  ${((Date.now() - started) / 1000).toFixed(1)} s`);
  }
} catch (error) {
  failed = true;
  console.error(error);
  for (const context of browser.contexts()) for (const page of context.pages()) await page.screenshot({ path: join(pictures, "failed.png") }).catch(() => {});
} finally {
  await browser.close();
}
process.exit(failed ? 1 : 0);
