// Journeys of buyers whom the door asks for something, or for patience: a proof, a wait, another moment. Nothing chosen is lost.

import assert from "node:assert/strict";
import { withGateway } from "./house.mjs";
import { PHONE, api, at, fits, heading, look, lookScriptless, mapReady, newPage, seatOn } from "./stage.mjs";

/** Everybody has to solve a challenge, this machine too. */
const STRICT = '[rates]\nexempt = []\nchallenge = "always"\naddress_per_s = 10000\naddress_burst = 10000\n';

const choice = (page, seat) => page.getByRole("region", { name: "Your choice" }).getByText(`seat ${seat.number}`, { exact: false }).waitFor();

/** A proof box, when there is one, is still there to be looked at. */
async function withoutWork(page) {
  await page.route("**/assets/work.js", (route) => route.fulfill({ contentType: "text/javascript", body: "" }));
}

export const doors = {
  async "proves by work that no robot asks, without a hand, and holds what was chosen"(browser, { hall, row }) {
    await withGateway(STRICT, async (base) => {
      const page = await newPage(browser, base);
      const proofs = [];
      page.on("request", (request) => request.headers()["x-altcha"] && proofs.push(request.url()));
      await page.goto(`/shows/${hall.id}`);
      await mapReady(page);
      const [seat] = await row();
      await seatOn(page, hall.map, seat).click();
      await page.locator("button.hold:visible").first().click();
      await heading(page, "These are yours for now");
      assert.deepEqual(proofs.map((url) => new URL(url).pathname), ["/v1/guests", `/v1/shows/${hall.id}/holds`]);
      await page.getByText(`seat ${seat.number}`).waitFor();
      await page.getByRole("button", { name: "Let go" }).click();
      await heading(page, hall.event_name);
    });
  },

  async "lets who cannot work wait instead, and says how long"(browser, { hall, row }) {
    await withGateway(STRICT, async (base) => {
      const page = await newPage(browser, base, PHONE);
      await page.goto(`/shows/${hall.id}`);
      await mapReady(page);
      const [seat] = await row();
      await withoutWork(page);
      await seatOn(page, hall.map, seat).dispatchEvent("click");
      await page.locator("button.hold:visible").first().click();
      await page.getByRole("heading", { name: "One moment, please" }).waitFor();
      await look(page, "proof");
      await fits(page, "a proof");
      // Nothing was lost by it, and nothing is in the way: the choice can still be seen.
      await choice(page, seat);
      await page.unroute("**/assets/work.js");
      await page.getByRole("button", { name: "Wait 20 seconds instead" }).click();
      await page.getByText("seconds to go").first().waitFor();
      await look(page, "proof-waiting");
      await heading(page, "These are yours for now", { timeout: 90_000 });
      await page.getByRole("button", { name: "Let go" }).click();
      await heading(page, hall.event_name);
    });
  },

  async "goes on without scripts after the wait, with every seat still ticked"(browser, { hall, row }) {
    await withGateway(STRICT, async (base) => {
      const page = await newPage(browser, base, { javaScriptEnabled: false });
      const [seat, beside] = await row();
      await page.goto(`/shows/${hall.id}?zone=${encodeURIComponent(seat.zone)}`);
      for (const { id } of [seat, beside]) await page.locator(`input[value="${id}"]`).check();
      await page.locator("button.hold").first().click();
      await heading(page, "One moment, please");
      await look(page, "proof-list", { axe: false });
      await lookScriptless(browser, page, "proof-list");
      await page.getByRole("button", { name: "Go on" }).click();
      await heading(page, "One moment, please");
      await page.waitForTimeout(20_500);
      await page.getByRole("button", { name: "Go on" }).click();
      await heading(page, "These are yours for now", { timeout: 90_000 });
      for (const { number } of [seat, beside]) await page.getByText(`seat ${number}`).first().waitFor();
      await page.getByRole("button", { name: "Let go" }).click();
      await heading(page, hall.event_name);
    });
  },

  async "solves a form's challenge by itself"(browser, { hall }) {
    await withGateway(STRICT, async (base) => {
      const page = await newPage(browser, base);
      await page.goto("/");
      // A form as documents have it, sent as a browser sends it when the scripts of its page have not come yet.
      await page.evaluate((show) => {
        const form = document.createElement("form");
        Object.assign(form, { method: "post", action: `/shows/${show}/hold` });
        for (const [name, value] of [["key", "abc"], ["way", "best"], ["quantity", "1"]]) {
          const field = document.createElement("input");
          Object.assign(field, { type: "hidden", name, value });
          form.append(field);
        }
        document.body.append(form);
        form.submit();
      }, hall.id);
      await heading(page, "These are yours for now");
      await page.getByRole("button", { name: "Let go" }).click();
      await heading(page, hall.event_name);
    });
  },

  async "says when to come back, and keeps the choice until then"(browser, { hall, row }) {
    const [seat] = await row();
    const page = await newPage(browser, at(0));
    await page.goto(`/shows/${hall.id}`);
    await mapReady(page);
    await seatOn(page, hall.map, seat).click();
    const say = (status, code, after) => page.route("**/holds", (route) => route.fulfill({
      status,
      headers: { "content-type": "application/problem+json", "retry-after": String(after) },
      body: JSON.stringify({ type: `/docs/errors/${code}`, title: code, status, code, detail: code }),
    }));
    for (const [status, code, after, title] of [[429, "rate_limited", 7, "Too much at once"], [503, "overloaded", 2, "Very many people are here just now"]]) {
      await say(status, code, after);
      await page.locator("button.hold:visible").first().click();
      await page.locator(".notice.bad", { hasText: title }).filter({ hasText: `in ${after} seconds` }).waitFor();
      await look(page, code);
      await choice(page, seat);
      await page.unroute("**/holds");
    }
    await page.locator("button.hold:visible").first().click();
    await heading(page, "These are yours for now");
    await page.getByRole("button", { name: "Let go" }).click();
    await heading(page, hall.event_name);
  },

  async "turns people away with a document that leads back"(browser, { hall }) {
    const few = '[rates]\nexempt = []\naddress_per_s = 1\naddress_burst = 30\nchallenge = "never"\n';
    await withGateway(few, async (base) => {
      const page = await newPage(browser, base, { ...PHONE, javaScriptEnabled: false });
      await page.goto(`/shows/${hall.id}`);
      // Once a second there is room for one request again: it may be the page's.
      for (let tries = 0; ; tries += 1) {
        for (let asked = 0; asked < 200; asked += 1) {
          if ((await fetch(`${base}/v1/shows/${hall.id}`)).status === 429) break;
        }
        if ((await page.goto("/orders")).status() === 429) break;
        assert.ok(tries < 20, "nobody is turned away");
      }
      await heading(page, "Too much at once");
      await look(page, "too-much", { axe: false });
      await lookScriptless(browser, page, "too-much", at(0));
      await page.waitForTimeout(3000);
      await page.getByRole("link", { name: "Try again" }).click();
      await heading(page, "My orders");
    });
    assert.equal((await api(`/shows/${hall.id}`)).id, hall.id);
  },
};
