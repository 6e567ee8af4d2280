// Journeys to "my orders": the same list at every gateway, also where this browser knows nothing by itself, and while a part of the
// world is away. Everything here needs the demo: a node is stopped for a while.

import assert from "node:assert/strict";
import { withNodeFrozen } from "./house.mjs";
import { PHONE, at, fits, heading, look, lookScriptless, newPage, path } from "./stage.mjs";

const LOOKS = 60;
const LOOK_MS = 500;

/** Looks again until `/orders` of a gateway is as wanted: an index hears of an order a moment after its buyer. */
async function ordersUntil(page, base, wanted) {
  for (let looked = 0; looked < LOOKS; looked += 1) {
    await page.goto(`${base}/orders`);
    await heading(page, "My orders");
    if (await wanted()) return;
    await page.waitForTimeout(LOOK_MS);
  }
  assert.fail(`the list did not come: ${await page.locator("main").textContent()}`);
}

/** Buys what the form of a show finds, at `base`; the address of the order. */
async function buy(page, base, show) {
  await page.goto(`${base}/shows/${show.id}`);
  await page.getByRole("button", { name: "Find and hold" }).click();
  await heading(page, "These are yours for now");
  await page.getByRole("button", { name: "Continue to payment" }).click();
  await heading(page, "Pay for your order");
  await page.locator("button.pay").click();
  await heading(page, "You are going!");
  return path(page);
}

export const orders = {
  async "lists the same orders everywhere, and says when some cannot be listed"(browser, { hall, quick }) {
    const page = await newPage(browser, at(0), PHONE);
    const context = page.context();
    const first = await buy(page, at(0), hall);
    const second = await buy(page, at(1), quick);
    // What this browser has opened is forgotten: from here on it is the index that knows.
    await context.clearCookies({ name: "hf_orders" });
    const row = (address) => page.locator(`ul.orders a[href="${address}"]`);
    const both = async () => (await row(first).count()) > 0 && (await row(second).count()) > 0;
    const partial = page.locator(".notice.warn", { hasText: "Not all orders can be listed just now" });
    await ordersUntil(page, at(2), async () => (await both()) && (await partial.count()) === 0);
    await look(page, "my-orders-phone");
    await fits(page, "my orders");

    const desk = await newPage(browser, at(0), { storageState: await context.storageState() });
    await ordersUntil(desk, at(1), async () => (await desk.locator("ul.orders li").count()) === 2);
    await look(desk, "my-orders");

    // The third region's index has its one replica there. The others' orders are listed all the same.
    await withNodeFrozen(2, async () => {
      await ordersUntil(page, at(0), async () => (await partial.count()) > 0 && (await both()));
      await look(page, "my-orders-partial-phone");
      await fits(page, "my orders without a part of the world");
      await ordersUntil(desk, at(0), async () => (await desk.locator(".notice.warn").count()) > 0);
      await look(desk, "my-orders-partial");
      await lookScriptless(browser, desk, "my-orders-partial");
    });
    await ordersUntil(page, at(0), async () => (await partial.count()) === 0 && (await both()));
  },
};
