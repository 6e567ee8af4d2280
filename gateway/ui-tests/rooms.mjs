// Journeys through the waiting room: the draw, the line, the turn, with and without scripts. Operators open and close it.

import assert from "node:assert/strict";
import { openRoom, operate, smallShow } from "./house.mjs";
import { Buyer, PHONE, at, fits, heading, look, lookScriptless, newPage, path } from "./stage.mjs";

/** Looks again until the document has that heading: what a buyer without scripts does. */
async function reloadUntil(page, title) {
  for (let looked = 0; looked < 180; looked += 1) {
    if (await page.getByRole("heading", { level: 1, name: title }).isVisible()) return;
    await page.waitForTimeout(500);
    await page.reload();
  }
  assert.fail(`${title} did not come; the page says ${await page.locator("h1").textContent()}`);
}

/** From the show's document into its waiting room. */
async function enterRoom(page, show) {
  await page.goto(`/shows/${show.id}`);
  await heading(page, show.event_name);
  await page.getByRole("link", { name: "To the waiting room" }).click();
}

export const rooms = {
  async "waits for the draw, comes in by itself and holds; the next one waits until there is room"(browser, { queued }) {
    await openRoom(queued.id, "--sale-at", "+30", "--capacity", 1, "--rate", 600);
    const first = await newPage(browser, at(0));
    await first.goto(`/shows/${queued.id}`);
    await look(first, "room-sign");
    await first.getByRole("button", { name: "Find and hold" }).click();
    await first.locator(".notice.bad", { hasText: "First the waiting room" }).waitFor();
    await enterRoom(first, queued);
    await heading(first, "The sale has not begun");
    await look(first, "room-before");
    await first.getByRole("button", { name: "Join the line" }).click();
    await first.getByText("You take part in the draw").waitFor();
    await look(first, "room-drawn");

    // The draw is made, the turn comes, and the claim is made without a hand.
    await first.getByRole("heading", { level: 1, name: queued.event_name }).waitFor({ timeout: 90_000 });
    await first.getByRole("heading", { name: "You are in" }).waitFor();
    await look(first, "room-in");

    // There is room for one: whoever joins now waits, in another region and on a phone, without scripts.
    const second = await newPage(browser, at(1), { ...PHONE, javaScriptEnabled: false });
    await enterRoom(second, queued);
    await second.getByRole("button", { name: "Join the line" }).click();
    await second.locator("[data-position]").waitFor();
    await look(second, "room-waiting-phone", { axe: false });
    await lookScriptless(browser, second, "room-waiting");
    await fitsScriptless(second);
    await operate("queue", "pause", queued.id);
    await reloadUntil(second, "The line stands still for a moment");
    await lookScriptless(browser, second, "room-paused");
    await operate("queue", "resume", queued.id);

    const third = await newPage(browser, at(2), PHONE);
    await enterRoom(third, queued);
    await third.getByRole("button", { name: "Join the line" }).click();
    await third.locator("[data-position]").waitFor();
    await look(third, "room-waiting-live");
    await fits(third, "the waiting room");

    await first.getByRole("button", { name: "Find and hold" }).click();
    await heading(first, "These are yours for now");
    await first.getByRole("button", { name: "Continue to payment" }).click();
    await heading(first, "Pay for your order");
    await first.locator("button.pay").click();
    await heading(first, "You are going!");

    await reloadUntil(second, "It is your turn");
    await lookScriptless(browser, second, "room-turn");
    await second.getByRole("button", { name: "Claim my place" }).click();
    await heading(second, queued.event_name);
    await second.getByRole("heading", { name: "You are in" }).waitFor();
    await look(second, "room-in-phone", { axe: false });
    await lookScriptless(browser, second, "room-in");
    await second.getByRole("button", { name: "Find and hold" }).click();
    await heading(second, "These are yours for now");
    await second.getByRole("button", { name: "Continue to payment" }).click();
    await second.locator("button.pay").click();
    await heading(second, "You are going!");

    await third.getByRole("heading", { level: 1, name: queued.event_name }).waitFor({ timeout: 90_000 });
    assert.equal(path(third), `/shows/${queued.id}`);
    await operate("queue", "end", queued.id);
  },

  async "finds the room closed, misses the turn twice, and is told"(browser) {
    const show = await smallShow("The Missed Turn", at(0));
    await openRoom(show, "--opens-at", "+20", "--sale-at", "+40", "--capacity", 1, "--rate", 600, "--claim-window-s", 1);
    // Without scripts nothing claims a turn but a hand.
    const page = await newPage(browser, at(0), { ...PHONE, javaScriptEnabled: false });
    const watcher = await newPage(browser, at(0));
    for (const each of [page, watcher]) await each.goto(`/shows/${show}/queue`);
    await heading(watcher, "The waiting room is not open yet");
    await look(watcher, "room-closed");
    await watcher.close();
    await reloadUntil(page, "The sale has not begun");
    await page.getByRole("button", { name: "Join the line" }).click();
    await reloadUntil(page, "Your turn has passed");
    await lookScriptless(browser, page, "room-late");
    await fitsScriptless(page);
    await page.getByRole("button", { name: "Join at the end" }).click();
    await reloadUntil(page, "Your turn has passed");
    await page.getByText("Nobody may join a third time").waitFor();
    await lookScriptless(browser, page, "room-late-over");
    await operate("queue", "end", show);
  },

  async "finds everything sold, and gets on the list"(browser) {
    const show = await smallShow("The Full House", at(0));
    const rival = await Buyer.of(at(0));
    await rival.buy(show, ["A-1", "A-2", "A-3", "A-4"]);
    await openRoom(show, "--sale-at", "+1", "--capacity", 1, "--rate", 600);
    const page = await newPage(browser, at(1), PHONE);
    await page.goto(`/shows/${show}/queue`);
    await reloadUntil(page, "Sold out, for now");
    await look(page, "room-sold-out");
    await fits(page, "a room before a full house");
    await page.getByRole("button", { name: "Put me on the list" }).click();
    await page.getByText("You are on the list.").first().waitFor();
    await look(page, "room-listed");
    const scriptless = await newPage(browser, at(1), { javaScriptEnabled: false });
    await scriptless.goto(`/shows/${show}/queue`);
    await heading(scriptless, "Sold out, for now");
    await lookScriptless(browser, scriptless, "room-sold-out");
    await operate("queue", "end", show);
  },
};

async function fitsScriptless(page) {
  const { width } = page.viewportSize();
  const box = await page.locator("main").boundingBox();
  assert.ok(box.width <= width, `the waiting room is ${box.width} px wide on a phone`);
}
