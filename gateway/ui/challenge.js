// The document that asks for a proof before a form is taken: it is worked out here, and the form goes on by itself.
// Owns: nothing; without scripts the same form goes on after a wait.

import { prove } from "./proof.js";

export async function enhance() {
  const place = document.getElementById("proof");
  const plain = document.getElementById("plain");
  const form = document.getElementById("again");
  plain.hidden = true;
  try {
    const solution = await prove(place, JSON.parse(place.dataset.work));
    form.action = `${form.action.split("?")[0]}?altcha=${encodeURIComponent(solution)}`;
    form.submit();
  } catch (error) {
    // The form as it came is still good.
    console.error(error);
    plain.hidden = false;
  }
}
