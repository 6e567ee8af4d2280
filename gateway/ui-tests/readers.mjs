// Journeys of readers: another language, the dark, little room, no motion.

import assert from "node:assert/strict";
import { PHONE, api, at, fits, gateways, heading, look, lookScriptless, mapReady, newPage, seatOn } from "./stage.mjs";

const LOOKS = 60;
const LOOK_MS = 250;

export const readers = {
  async "measures the way to every region, once"(browser) {
    const page = await newPage(browser, at(0));
    const asked = [];
    page.on("requestfinished", (request) => {
      const { origin, pathname } = new URL(request.url());
      if (pathname === "/v1/route/echo") asked.push(origin);
    });
    await page.goto("/");
    // Once to open the connection, and two times to take the time.
    for (let looked = 0; looked < LOOKS && asked.length < 3 * gateways.length; looked += 1) await page.waitForTimeout(LOOK_MS);
    assert.deepEqual([...new Set(asked)].sort(), gateways.map((url) => new URL(url).origin).sort());
    const { client, entry } = await api("/route/explain?client=127.0.0.1");
    assert.equal(client.known_by, "measured");
    assert.equal(client.range, "127.0.0.0/24", "a network, and no address");
    assert.ok(entry.region, "somebody is named");
    const before = asked.length;
    await page.reload();
    await page.waitForTimeout(4 * LOOK_MS);
    assert.equal(asked.length, before, "not again on the same day");
  },

  async "speaks German, and keeps to it"(browser, { hall, row }) {
    const page = await newPage(browser, at(0), { locale: "de-DE" });
    await page.goto("/");
    await heading(page, "Was möchten Sie erleben?");
    await look(page, "german");
    await page.goto(`/shows/${hall.id}`);
    await mapReady(page);
    const [seat] = await row();
    await seatOn(page, hall.map, seat).click();
    await page.getByRole("button", { name: "1 Platz reservieren" }).first().click();
    await heading(page, "Diese Plätze gehören vorerst Ihnen");
    const price = await page.locator(".total .money").textContent();
    assert.match(price, /\d,\d\d\s\D/, "money as Germans write it");
    await look(page, "german-hold");
    await page.getByRole("link", { name: "English" }).click();
    await heading(page, "These are yours for now");
    await page.getByRole("button", { name: "Let go" }).click();
    await heading(page, hall.event_name);
    assert.equal(await page.locator("html").getAttribute("lang"), "en");
  },

  async "fits a phone"(browser, { hall, arena, row }) {
    const page = await newPage(browser, at(0), PHONE);
    await page.goto("/");
    await look(page, "phone-events");
    await fits(page, "the list of events");
    await page.goto(`/shows/${hall.id}`);
    await mapReady(page);
    const [seat] = await row();
    await seatOn(page, hall.map, seat).dispatchEvent("click");
    await look(page, "phone-show");
    await fits(page, "the show");
    await page.getByRole("button", { name: "List", exact: true }).tap();
    await look(page, "phone-grid");
    await fits(page, "the grid");
    const small = await page.evaluate(() => [...document.querySelectorAll("button, .cell, select, input")].filter((e) => e.checkVisibility()).map((e) => [e.className || e.tagName, e.getBoundingClientRect()]).filter(([, box]) => box.width > 0 && (box.width < 24 || box.height < 24)).map(([name]) => name).filter((name) => name !== "INPUT"));
    assert.deepEqual(small, [], "targets are at least 24 px");
    await page.locator(".sticky button.hold").tap();
    await heading(page, "These are yours for now");
    await look(page, "phone-hold");
    await fits(page, "the hold");
    await page.getByRole("button", { name: "Let go" }).tap();
    await heading(page, hall.event_name);
    await page.goto(`/shows/${arena.id}`);
    await mapReady(page);
    await look(page, "phone-arena");
  },

  async "reflows at four times the size"(browser, { hall, arena }) {
    // 1280 px at 400 % are 320 CSS px.
    const page = await newPage(browser, at(0), { viewport: { width: 320, height: 256 } });
    for (const [name, address] of Object.entries({ events: "/", show: `/shows/${hall.id}`, arena: `/shows/${arena.id}`, orders: "/orders" })) {
      await page.goto(address);
      await page.locator("h1").waitFor();
      if (address.startsWith("/shows")) await mapReady(page);
      await fits(page, address);
      await look(page, `narrow-${name}`);
    }
    await page.getByRole("link", { name: "All events" }).first().waitFor();
  },

  async "has nothing to complain about without scripts either"(browser, { hall, arena, row }) {
    const page = await newPage(browser, at(1), { javaScriptEnabled: false });
    const views = { events: "/", none: "/?q=nothing-of-that-name", event: `/events/${hall.event}`, list: `/shows/${hall.id}`, "arena-list": `/shows/${arena.id}`, orders: "/orders", missing: "/no/such/page", "no-show": "/shows/s999999", "no-hold": "/holds/h1-999999", error: "/docs/errors/seats_taken" };
    for (const [name, address] of Object.entries(views)) {
      await page.goto(address);
      await lookScriptless(browser, page, name);
    }
    await page.goto(`/shows/${hall.id}`);
    const [seat] = await row();
    await page.getByRole("button", { name: new RegExp(`^${seat.zone}`) }).click();
    await page.locator(`input[value="${seat.id}"]`).check();
    await page.locator("button.hold").first().click();
    await heading(page, "These are yours for now");
    await lookScriptless(browser, page, "hold");
    await page.getByRole("button", { name: "Continue to payment" }).click();
    await heading(page, "Pay for your order");
    await lookScriptless(browser, page, "pay");
    await page.locator("button.pay").click();
    await heading(page, "You are going!");
    await lookScriptless(browser, page, "tickets");
  },

  async "is at home in the dark and does without motion"(browser, { hall, arena, row }) {
    const page = await newPage(browser, at(0), { colorScheme: "dark", reducedMotion: "reduce" });
    await page.goto("/");
    await look(page, "dark-events");
    for (const [name, address] of Object.entries({ event: `/events/${hall.event}`, missing: "/no/such/page", error: "/docs/errors/seats_taken", orders: "/orders" })) {
      await page.goto(address);
      await look(page, `dark-${name}`);
    }
    await page.goto(`/shows/${arena.id}`);
    await mapReady(page);
    await look(page, "dark-arena");
    await page.goto(`/shows/${hall.id}`);
    await mapReady(page);
    const [seat] = await row();
    await seatOn(page, hall.map, seat).click();
    await look(page, "dark-show");
    await page.getByRole("button", { name: "List", exact: true }).click();
    await look(page, "dark-grid");
    await page.locator("button.hold:visible").first().click();
    await heading(page, "These are yours for now");
    await look(page, "dark-hold");
    const moving = await page.evaluate(() => [...document.querySelectorAll("*")].filter((e) => getComputedStyle(e).transitionDuration.split(",").some((d) => parseFloat(d) > 0)).map((e) => e.className || e.tagName));
    assert.deepEqual(moving, [], "nothing moves");
    await page.getByRole("button", { name: "Let go" }).click();
    await heading(page, hall.event_name);
  },
};
