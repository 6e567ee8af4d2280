// How money and times are written. Owns: the reader's locale, through Intl.

import { locale, t } from "./messages.js";

const formats = new Map();

/** Minor units in the reader's way of writing the currency. */
export function money(minor, currency) {
  let known = formats.get(currency);
  if (!known) {
    const format = new Intl.NumberFormat(locale, { style: "currency", currency: currency || "EUR" });
    known = { format, unit: 10 ** format.resolvedOptions().maximumFractionDigits };
    formats.set(currency, known);
  }
  return known.format.format(minor / known.unit);
}

/** m:ss */
export function clock(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** A place in a hold or order, for people. */
export const seatName = ({ zone, row, number }) => t("seat.name", { zone, row, number });

/** The zone's long name at that moment, such as "Central European Summer Time". */
function zoneName(zone, atMs) {
  const parts = new Intl.DateTimeFormat(locale, { timeZone: zone, timeZoneName: "long" }).formatToParts(new Date(atMs));
  return parts.find((part) => part.type === "timeZoneName")?.value;
}

/** Writes amounts and zones of `root` as the browser's own locale has them. */
export function polish(root) {
  for (const amount of root.querySelectorAll("data.money")) amount.textContent = money(Number(amount.value), amount.dataset.currency);
  for (const option of root.querySelectorAll("option[data-minor]")) option.textContent = `${option.value}, ${money(Number(option.dataset.minor), option.dataset.currency)}`;
  for (const time of root.querySelectorAll("time[data-zone]")) {
    try {
      const name = zoneName(time.dataset.zone, Number(time.dataset.startsAtMs));
      if (name) time.querySelector(".zone").textContent = `(${name})`;
    } catch {
      // A zone that this browser does not know stays as the document names it.
    }
  }
}
