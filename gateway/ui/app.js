// Where scripts begin. The document is complete without them; they bring what only they can: the live map, a running clock.
// Owns: which enhancement belongs to this document.

import { loadMessages } from "./messages.js";
import { polish } from "./format.js";

const view = document.body.dataset.view;
let loaded = false;
try {
  await loadMessages();
  const module = view && (await import(`./${view}.js`));
  loaded = true;
  polish(document);
  if (module) await module.enhance();
} catch (error) {
  // The document goes on working as it came. A gateway that cannot be reached is no fault of the page's, and who goes on to the next
  // page at once ends what this one fetches: a TypeError, as browsers have it.
  const unreachable = error.code === "unreachable" || (!loaded && error instanceof TypeError);
  if (unreachable) console.warn("the document stays as it came: the gateway cannot be reached");
  else console.error(error);
}

// Last of all, and missed by nobody when it fails.
const measure = () => import("./round-trips.js").then((module) => module.measure()).catch(() => {});
if (window.requestIdleCallback) requestIdleCallback(measure);
else setTimeout(measure, 2000);
