// Drives the web page through a headless Chromium against a running demo.
//
//   HOLDFAST_GATEWAYS=http://127.0.0.1:8080,http://127.0.0.1:8081,... node journey.mjs [WORD]
//
// HOLDFAST_DEMO names a file with what `holdfast-chaos demo --json` said, and HOLDFAST_BIN the directory of its programs (default
// target/debug): the journeys in which an operator acts, or a gateway has other limits, need them and are left out without.
// HOLDFAST_CHROMIUM names the browser (default /usr/bin/chromium), HOLDFAST_SCREENSHOTS a directory for pictures; WORD runs the
// journeys with that word in their names. Ends with 0 when every journey held, 1 with the first that did not.

import assert from "node:assert/strict";
import { buying } from "./buying.mjs";
import { contests } from "./contests.mjs";
import { doors } from "./doors.mjs";
import { demo } from "./house.mjs";
import { orders } from "./orders.mjs";
import { readers } from "./readers.mjs";
import { rooms } from "./rooms.mjs";
import { freeRow, gateways, launch, season, trouble } from "./stage.mjs";

if (gateways.length === 0) {
  console.error("HOLDFAST_GATEWAYS must name at least one gateway, such as http://127.0.0.1:8080");
  process.exit(2);
}

const word = process.argv[2] ?? "";
if (!demo) console.log("left out: journeys through the waiting room, past the door and to orders of a lost region (HOLDFAST_DEMO is not set)");
const journeys = Object.entries({ ...buying, ...contests, ...readers, ...(demo && { ...rooms, ...doors, ...orders }) }).filter(([name]) => name.includes(word));
const browser = await launch();
let failed = false;
try {
  const shows = await season();
  for (const [name, journey] of journeys) {
    const started = Date.now();
    await journey(browser, { ...shows, row: () => freeRow(shows.hall.id) });
    assert.deepEqual(trouble, [], "the page must not complain");
    await Promise.all(browser.contexts().map((context) => context.close()));
    console.log(`ok  ${name}  ${((Date.now() - started) / 1000).toFixed(1)} s`);
  }
} catch (error) {
  failed = true;
  console.error(error);
  for (const context of browser.contexts()) {
    for (const page of context.pages()) {
      console.error(`at ${page.url()}`);
      await page.screenshot({ path: `${process.env.HOLDFAST_SCREENSHOTS ?? "screenshots"}/failed.png` }).catch(() => {});
    }
  }
} finally {
  await browser.close();
}
process.exit(failed ? 1 : 0);
