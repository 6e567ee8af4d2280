// Small ways to make and announce things. Owns: no state of its own.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An HTML element; attributes that start with "on" are listeners. */
export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

/** An SVG element. */
export const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/** Says something politely to a screen reader; the same text twice is said twice. */
export function announce(text) {
  say("live", text);
}

/** Interrupts a screen reader: for what the buyer must know now. */
export function alarm(text) {
  say("alert", text);
}

function say(id, text) {
  const region = document.getElementById(id);
  region.textContent = "";
  setTimeout(() => (region.textContent = text), 50);
}

/** A box that tells of trouble, or of anything worth a box. */
export function notice(kind, title, text, ...more) {
  return h("div", { class: `notice ${kind}` }, h("h2", {}, title), text && h("p", {}, text), ...more);
}

/** Shows what was wrong in the document's place for it, and says it. */
export function complain(...boxes) {
  const messages = document.getElementById("messages");
  messages.replaceChildren(...boxes.filter(Boolean));
  messages.scrollIntoView({ block: "nearest" });
  const title = messages.querySelector("h2")?.textContent;
  if (title) alarm(title);
}
