// Journeys in which somebody else is quicker, or the clock is.

import assert from "node:assert/strict";
import { Buyer, at, heading, look, lookScriptless, mapReady, newPage, path, seatOn } from "./stage.mjs";

/** Lets `page` see the seats once and keeps it from hearing of changes, as if the network were slow. */
const deafen = async (page) => {
  let asked = 0;
  await page.route("**/seats/live*", (route) => route.abort());
  await page.route(/\/seats$/, (route) => (asked++ === 0 ? route.continue() : route.abort()));
};

export const contests = {
  async "names a lost seat and offers the nearest block, which is taken only when asked for"(browser, { hall, row }) {
    const [seat, beside] = await row();
    const page = await newPage(browser, at(2));
    await deafen(page);
    await page.goto(`/shows/${hall.id}`);
    await mapReady(page);
    await seatOn(page, hall.map, seat).click();
    await seatOn(page, hall.map, beside).click();
    const rival = await Buyer.of(at(0));
    await rival.hold(hall.id, [seat.id, beside.id]);
    await page.locator("button.hold:visible").first().click();
    await page.locator(".notice.bad", { hasText: `Someone was quicker: ${seat.zone}, row ${seat.row}, seat ${seat.number}` }).waitFor();
    await page.locator(".notice.offer").waitFor();
    await look(page, "conflict");
    assert.equal(path(page), `/shows/${hall.id}`, "nothing was swapped in silence");
    await page.getByRole("button", { name: "Hold these 2 seats instead" }).click();
    await heading(page, "These are yours for now");
    await page.getByRole("button", { name: "Let go" }).click();
    await heading(page, hall.event_name);
  },

  async "keeps the list where the seats, the texts or the script cannot be fetched"(browser, { hall }) {
    const [seat] = hall.map.seats;
    for (const missing of [/\/(layout|seats)$/, /\/messages-en\.json$/, /\/show\.js$/]) {
      const page = await newPage(browser, at(2));
      await page.route(missing, (route) => route.abort());
      const told = page.waitForEvent("console", (message) => message.type() === "warning" && message.text().includes("stays as it came"));
      await page.goto(`/shows/${hall.id}?zone=${encodeURIComponent(seat.zone)}`);
      await told;
      await page.locator(`input[value="${seat.id}"]`).waitFor();
    }
  },

  async "sees a chosen seat go while looking at it"(browser, { hall, row }) {
    const [seat, beside] = await row();
    const page = await newPage(browser, at(1));
    await page.goto(`/shows/${hall.id}`);
    await mapReady(page);
    await seatOn(page, hall.map, seat).click();
    const rival = await Buyer.of(at(0));
    await rival.hold(hall.id, [seat.id, beside.id]);
    await page.locator("#alert", { hasText: "Just taken by someone else" }).waitFor({ state: "attached" });
    assert.equal(await seatOn(page, hall.map, seat).getAttribute("data-state"), "held");
    await page.getByRole("region", { name: "Your choice" }).getByText("Nothing chosen yet").waitFor();
  },

  async "names a lost seat without scripts too"(browser, { hall, row }) {
    const [seat, beside] = await row();
    const page = await newPage(browser, at(0), { javaScriptEnabled: false });
    await page.goto(`/shows/${hall.id}?zone=${encodeURIComponent(seat.zone)}`);
    await page.locator(`input[value="${seat.id}"]`).check();
    await page.locator(`input[value="${beside.id}"]`).check();
    const rival = await Buyer.of(at(1));
    await rival.hold(hall.id, [seat.id, beside.id]);
    await page.locator("button.hold").first().click();
    await page.getByRole("heading", { name: "Someone was quicker" }).waitFor();
    await look(page, "list-conflict", { axe: false });
    await lookScriptless(browser, page, "list-conflict");
    await page.getByRole("button", { name: "Hold these 2 seats instead" }).click();
    await heading(page, "These are yours for now");
  },

  async "two browsers in two regions want one seat: one gets it, the other an offer"(browser, { hall, row }) {
    const [seat] = await row();
    const pages = await Promise.all([at(0), at(1)].map((base) => newPage(browser, base)));
    await Promise.all(pages.map(async (page) => {
      await deafen(page);
      await page.goto(`/shows/${hall.id}`);
      await mapReady(page);
      await seatOn(page, hall.map, seat).click();
    }));
    await Promise.all(pages.map((page) => page.locator("button.hold:visible").first().click()));
    const ends = await Promise.all(pages.map((page) => Promise.race([
      page.waitForURL(/\/holds\//).then(() => "won"),
      page.locator(".notice.offer").waitFor().then(() => "lost"),
    ])));
    assert.deepEqual([...ends].sort(), ["lost", "won"], "exactly one wins");
    const loser = pages[ends.indexOf("lost")];
    await loser.locator(".notice.bad", { hasText: `seat ${seat.number}` }).waitFor();
    await loser.getByRole("button", { name: "Hold this seat instead" }).click();
    await heading(loser, "These are yours for now");
  },

  async "tells when a hold has run out, and tries the same seats again"(browser, { quick }) {
    const page = await newPage(browser, at(0));
    await page.goto(`/shows/${quick.id}`);
    await mapReady(page);
    await page.getByRole("button", { name: "Find and hold" }).click();
    await heading(page, "These are yours for now");
    const held = path(page);
    await heading(page, "This hold is over");
    await look(page, "expired");
    await page.getByRole("button", { name: "Try the same seats again" }).click();
    await heading(page, "These are yours for now");
    assert.notEqual(path(page), held, "a new hold");
    await page.goto(held);
    await heading(page, "This hold is over");
  },
};
