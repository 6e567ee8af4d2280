// Journeys of one buyer: with the mouse, with keys alone, without scripts, in a standing area.

import assert from "node:assert/strict";
import { Buyer, api, at, heading, isChosen, look, lookScriptless, mapReady, newPage, path, seatOn } from "./stage.mjs";

/** From the hold's document to tickets, by the forms. */
async function payUp(page, pictures) {
  await page.getByRole("button", { name: "Continue to payment" }).click();
  await heading(page, "Pay for your order");
  if (pictures) await look(page, "pay");
  await page.locator("button.pay").click();
  await heading(page, "You are going!");
}

/** The scripts of the page have noted that card. */
const cardKept = (page, token) => page.waitForFunction((wanted) => sessionStorage.getItem("holdfast.card") === wanted, token);

/** The order's script does not come until what this answers with is called. */
async function withholdScript(page) {
  let come;
  const until = new Promise((done) => (come = done));
  await page.route("**/assets/order.js", async (route) => {
    await until;
    await route.continue();
  });
  return come;
}

export const buying = {
  async "finds a show by words, city and dates"(browser, { hall }) {
    const page = await newPage(browser, at(0));
    await page.goto("/");
    await page.locator(".event").first().waitFor();
    await look(page, "events");
    await page.getByLabel("Search").first().fill(hall.event_name.split(":")[0]);
    await page.getByLabel("City").selectOption(hall.city);
    await page.getByLabel("From").fill(hall.local_date);
    await page.getByLabel("Until").fill(hall.local_date);
    await page.getByRole("button", { name: "Search" }).click();
    await page.waitForURL(/from=/);
    assert.equal(await page.locator(".event").count(), 1);
    assert.equal(await page.locator(".shows a").count(), 1, "only the one date");
    await look(page, "found");
    await page.getByRole("heading", { level: 2 }).getByRole("link").click();
    await heading(page, hall.event_name);
    await look(page, "event");
    await page.locator(`a[href="/shows/${hall.id}"]`).click();
    await mapReady(page);
    assert.equal(path(page), `/shows/${hall.id}`);
  },

  async "chooses on the map, holds, takes more time, is declined, pays and finds the order again"(browser, { hall, row }) {
    const page = await newPage(browser, at(0));
    await page.goto(`/shows/${hall.id}`);
    await mapReady(page);
    await look(page, "show", { map: true });
    const [first, second] = await row();
    await seatOn(page, hall.map, first).click();
    await seatOn(page, hall.map, second).click();
    await page.getByRole("region", { name: "Your choice" }).getByText(`seat ${second.number}`).waitFor();
    await look(page, "choice");
    await page.locator("button.hold:visible").first().click();
    await heading(page, "These are yours for now");
    await look(page, "hold");
    const ends = () => page.locator("#countdown").getAttribute("data-expires-at-ms");
    assert.ok(Number(await ends()) > 0);
    const before = await page.getByRole("timer").textContent();
    await page.waitForFunction((was) => document.querySelector("[role=timer]").textContent !== was, before);
    await page.getByRole("button", { name: "More time" }).click();
    await page.locator("#live", { hasText: "The hold was extended." }).waitFor({ state: "attached" });
    await page.getByRole("button", { name: "Continue to payment" }).click();
    await heading(page, "Pay for your order");
    await look(page, "pay");
    await page.getByLabel("A card that is declined").check();
    await cardKept(page, "tok_decline");
    await page.reload();
    await isChosen(page, "A card that is declined");
    await page.locator("button.pay").click();
    await page.getByRole("heading", { name: "The payment was declined" }).waitFor();
    await look(page, "declined");
    await page.getByLabel("A card that is approved").check();
    await page.locator("button.pay").click();
    await heading(page, "You are going!");
    await page.locator(".ticket").nth(1).waitFor();
    await look(page, "tickets");
    await page.getByRole("link", { name: "All my orders" }).click();
    await heading(page, "My orders");
    await page.getByRole("link", { name: hall.event_name }).waitFor();
    await look(page, "orders");
    const map = await api(`/shows/${hall.id}/seats`);
    assert.equal(map.seats.find((seat) => seat.id === first.id).state, "sold");
  },

  async "buys with keys alone, through the grid"(browser, { hall, row }) {
    const seats = await row();
    const rival = await Buyer.of(at(1));
    await rival.hold(hall.id, [seats[0].id, seats[1].id]);
    const page = await newPage(browser, at(1));
    await page.goto(`/shows/${hall.id}`);
    await mapReady(page);
    const focused = () => page.evaluate(() => ({ name: document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent.trim(), role: document.activeElement.getAttribute("role"), disabled: document.activeElement.getAttribute("aria-disabled") }));
    const tabTo = async (name) => {
      for (let pressed = 0; pressed < 60; pressed += 1) {
        if ((await focused()).name.startsWith(name)) return;
        await page.keyboard.press("Tab");
      }
      assert.fail(`Tab does not reach ${name}`);
    };
    await tabTo("Skip to content");
    await tabTo("List");
    await page.keyboard.press("Enter");
    await look(page, "grid");
    await page.keyboard.press("Tab");
    const section = page.getByLabel("Section");
    await section.selectOption({ index: await section.evaluate((list, zone) => [...list.options].findIndex((option) => option.textContent.startsWith(zone)), seats[0].zone) });
    const jump = page.getByLabel("Go to row");
    await jump.selectOption({ label: seats[0].row });
    assert.match((await focused()).name, new RegExp(`row ${seats[0].row}, `), "jumping to a row goes to its first seat");
    assert.equal(await page.locator(".grid [tabindex='0']").count(), 1, "one tab stop");
    await page.keyboard.press("Home");
    assert.equal((await focused()).disabled, "true", "a seat that is gone has the focus like any other");
    assert.match((await focused()).name, /on hold$/);
    await page.keyboard.press("Space");
    await page.locator("#alert", { hasText: "on hold" }).waitFor({ state: "attached" });
    const home = await focused();
    await page.keyboard.press("ArrowLeft");
    assert.deepEqual(await focused(), home, "arrows stop at the edge");
    await page.keyboard.press("Control+End");
    const last = await focused();
    await page.keyboard.press("Control+Home");
    assert.notDeepEqual(await focused(), last);
    await page.keyboard.press("PageDown");
    await page.keyboard.press("PageUp");
    await page.keyboard.press("End");
    await page.keyboard.press("Escape");
    assert.equal((await focused()).name, "List", "Escape leaves the grid");
    await jump.selectOption({ index: (await jump.locator("option").count()) - 1 });
    await jump.selectOption({ label: seats[0].row });
    await page.keyboard.press("Home");
    for (let moved = 0; moved < 4; moved += 1) await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Space");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Enter");
    assert.equal(await page.locator(".cell[aria-selected='true']").count(), 2);
    await look(page, "grid-chosen");
    await tabTo("Hold 2 seats");
    await page.keyboard.press("Enter");
    await heading(page, "These are yours for now");
    await tabTo("Continue to payment");
    await page.keyboard.press("Enter");
    await heading(page, "Pay for your order");
    await tabTo("Pay ");
    await page.keyboard.press("Enter");
    await heading(page, "You are going!");
    await page.locator(".ticket").nth(1).waitFor();
  },

  async "keeps the card that was chosen before the scripts came"(browser, { hall }) {
    const page = await newPage(browser, at(1));
    await page.goto(`/shows/${hall.id}`);
    await page.getByRole("button", { name: "Find and hold" }).click();
    await heading(page, "These are yours for now");
    const come = await withholdScript(page);
    await page.getByRole("button", { name: "Continue to payment" }).click();
    await heading(page, "Pay for your order");
    await page.getByLabel("A card that is declined").check();
    come();
    await cardKept(page, "tok_decline");
    await isChosen(page, "A card that is declined");

    // What was kept earlier gives way to what is chosen now.
    const comeAgain = await withholdScript(page);
    await page.reload({ waitUntil: "commit" });
    await page.getByLabel("A provider that does not answer").check();
    comeAgain();
    await cardKept(page, "tok_timeout");
    await isChosen(page, "A provider that does not answer");
    await page.locator("button.cancel").click();
    await heading(page, "This order was cancelled");
  },

  async "moves over the map with keys as well"(browser, { hall }) {
    const page = await newPage(browser, at(2));
    await page.goto(`/shows/${hall.id}`);
    await mapReady(page);
    assert.equal(await page.locator(".seat[tabindex='0']").count(), 1, "one tab stop");
    await page.locator(".seat[tabindex='0']").focus();
    const name = () => page.evaluate(() => document.activeElement.getAttribute("aria-label"));
    const first = await name();
    assert.match(first, /row .+, seat .+, .+, available$/, "a seat says where it is, what it costs and its state");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowDown");
    assert.notEqual(await name(), first);
    for (let moved = 0; moved < 60 && !/available$/.test(await name()); moved += 1) await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Space");
    assert.match(await name(), /your choice$/);
    await page.keyboard.press("Space");
    await page.keyboard.press("+");
    await look(page, "map-near");
    await page.keyboard.press("Escape");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Map");
  },

  async "buys without scripts, from two sections"(browser, { hall, row }) {
    const page = await newPage(browser, at(2), { javaScriptEnabled: false });
    await page.goto("/");
    await page.locator(`a[href="/shows/${hall.id}"]`).first().click();
    await heading(page, hall.event_name);
    const [seat] = await row();
    await page.getByRole("button", { name: new RegExp(`^${seat.zone}`) }).click();
    await page.locator(`input[value="${seat.id}"]`).check();
    const other = hall.map.seats.find((s) => s.zone !== seat.zone && !s.accessible && !s.companion_of);
    await page.getByRole("button", { name: new RegExp(`^${other.zone}`) }).click();
    await page.getByRole("group", { name: "Also chosen" }).getByText(`seat ${seat.number}`).waitFor();
    await look(page, "list", { axe: false });
    await lookScriptless(browser, page, "list-choice");
    await page.locator("button.hold").first().click();
    await heading(page, "These are yours for now");
    await page.getByRole("button", { name: "More time" }).click();
    await heading(page, "These are yours for now");
    await look(page, "list-hold", { axe: false });
    await lookScriptless(browser, page, "list-hold");
    await payUp(page);
    await page.getByRole("link", { name: "My orders", exact: true }).click();
    await page.getByText("confirmed").waitFor();
  },

  async "buys standing places in the arena, cancels, and looks near"(browser, { arena }) {
    const page = await newPage(browser, at(1));
    await page.goto(`/shows/${arena.id}`);
    await mapReady(page);
    await look(page, "arena");
    await page.locator("[data-view=list]").click();
    await look(page, "arena-grid");
    await page.locator("[data-view=map]").click();
    await page.locator(".map-bar [aria-label='Zoom in']").click();
    await page.locator(".map-bar [aria-label='Zoom in']").click();
    await look(page, "arena-near");
    const [area] = arena.map.areas;
    // Roles are slow to look for among thousands of seats.
    const card = page.locator(`[data-area="${area.id}"]`);
    await card.locator("input[name=quantity]").fill("3");
    await card.locator("button").click();
    await heading(page, "These are yours for now");
    await page.getByRole("button", { name: "Continue to payment" }).click();
    await heading(page, "Pay for your order");
    await page.locator("button.cancel").click();
    await heading(page, "This order was cancelled");
    await look(page, "cancelled");
  },
};
