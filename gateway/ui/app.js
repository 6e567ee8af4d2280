// Where scripts begin. The document is complete without them; they bring what only they can: the live map, a running clock.
// Owns: which enhancement belongs to this document.

import { loadMessages } from "./messages.js";
import { polish } from "./format.js";

const view = document.body.dataset.view;
try {
  await loadMessages();
  polish(document);
  if (view) await (await import(`./${view}.js`)).enhance();
} catch (error) {
  // The document goes on working as it came. A gateway that cannot be reached is no fault of the page's.
  if (error.code === "unreachable") console.warn("the document stays as it came: the gateway cannot be reached");
  else console.error(error);
}

// Last of all, and missed by nobody when it fails.
const measure = () => import("./round-trips.js").then((module) => module.measure()).catch(() => {});
if (window.requestIdleCallback) requestIdleCallback(measure);
else setTimeout(measure, 2000);
