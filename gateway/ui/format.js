// How money and times are written. Owns: wording only.

const digits = new Map();

/** Minor units in the reader's way of writing the currency. */
export function money(minor, currency) {
  if (minor === null || minor === undefined) return "";
  let format = digits.get(currency);
  if (!format) {
    format = new Intl.NumberFormat(undefined, { style: "currency", currency: currency || "EUR" });
    digits.set(currency, format);
  }
  return format.format(minor / 10 ** format.resolvedOptions().maximumFractionDigits);
}

/** "from 45 €", or one price. */
export function priceRange(show) {
  const { price_minor_min: low, price_minor_max: high, currency } = show;
  return low === high ? money(low, currency) : `from ${money(low, currency)}`;
}

/** Day and month of a local date, for the date block. */
export function day(localDate) {
  const date = new Date(`${localDate}T12:00:00Z`);
  const part = (options) => new Intl.DateTimeFormat(undefined, { timeZone: "UTC", ...options }).format(date);
  return { day: part({ day: "numeric" }), month: part({ month: "short" }), year: part({ year: "numeric" }), weekday: part({ weekday: "long" }) };
}

/** When a show starts, in the venue's own time, with the zone named. */
export function when(show) {
  const date = new Date(`${show.local_date}T12:00:00Z`);
  const text = new Intl.DateTimeFormat(undefined, { timeZone: "UTC", dateStyle: "full" }).format(date);
  return `${text}, ${show.local_time} (${show.time_zone.replace("_", " ")})`;
}

/** m:ss */
export function clock(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** "3 seats", "1 seat" */
export const count = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

/** The API's terse lower case as a sentence. */
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1).replace(/\.?$/, ".");

/** A place in a hold or order, for people. */
export const placeName = (place) => `${place.zone}, row ${place.row}, seat ${place.number}`;
