// The texts of the page, from the catalogue that documents are made from too. Owns: looking up, putting values in, one and many.

let texts = {};
let plural = new Intl.PluralRules("en");

/** The document's language, and the browser's flavour of it where it has one: `en-GB` rather than `en`. */
export const locale = navigator.languages?.find((tag) => tag.split("-")[0] === document.documentElement.lang) ?? document.documentElement.lang;

export async function loadMessages() {
  const { lang } = document.documentElement;
  const response = await fetch(`/assets/messages-${lang}.json`);
  if (!response.ok) throw new Error(`messages: HTTP ${response.status}`);
  texts = await response.json();
  plural = new Intl.PluralRules(lang);
}

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

/** The text `key` with `{name}` replaced; a key that is missing shows itself. */
export function t(key, values = {}) {
  const text = texts[key] ?? key;
  return fill(typeof text === "string" ? text : text.other, values);
}

/** The text `key` for `n` things. */
export function tn(key, n) {
  const text = texts[key] ?? key;
  return fill(typeof text === "string" ? text : (text[plural.select(n)] ?? text.other), { n });
}

/** Refusals that say when to come back. */
const LATER = new Set(["rate_limited", "overloaded"]);

/** Title and advice for a refusal, as documents word them. */
export function refusalText(error) {
  const key = `no.${error.code}`;
  if (!(key in texts)) return [t("no.other"), error.message];
  const advice = `${key}.advice` in texts ? t(`${key}.advice`) : "";
  if (!LATER.has(error.code)) return [t(key), advice];
  return [t(key), `${advice} ${tn("retry.after", Math.ceil((error.retryAfterMs ?? 1000) / 1000))}`];
}
