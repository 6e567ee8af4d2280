// Where scripts begin. The document is complete without them; they bring what only they can: the live map, a running clock.
// Owns: which enhancement belongs to this document.

import { loadMessages } from "./messages.js";
import { polish } from "./format.js";

const view = document.body.dataset.view;
try {
  await loadMessages();
  polish(document);
  if (view) (await import(`./${view}.js`)).enhance();
} catch (error) {
  // The document goes on working as it came.
  console.error(error);
}
