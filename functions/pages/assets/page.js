// What every page shares: building elements, saying things, being busy once, and where to go next.

import { sentence } from "./sentences.js";

export const byId = (id) => document.getElementById(id);

/** Builds an element without a parser in between: text stays text whatever it holds. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") {
      element.addEventListener(name, value);
    } else if (value !== null && value !== false) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** The live regions stand in the page from the start: screen readers miss those that come with their text. */
export function say(text) {
  byId("alert").textContent = "";
  byId("status").textContent = text;
}

export function warn(text) {
  byId("status").textContent = "";
  byId("alert").textContent = text;
  byId("alert").scrollIntoView({ block: "nearest" });
}

export function hush() {
  byId("status").textContent = "";
  byId("alert").textContent = "";
}

/** The person said no to a question of ours: nothing to report. */
export class Declined extends Error {}

/**
 * Runs one thing at a time for a button and reports what goes wrong. The button keeps the focus: `disabled` would drop it.
 * Returns whether it went well.
 */
export async function press(button, action, instead = {}) {
  if (button.getAttribute("aria-busy") === "true") {
    return false;
  }
  button.setAttribute("aria-busy", "true");
  hush();
  try {
    await action();
    return true;
  } catch (error) {
    report(error, instead);
    return false;
  } finally {
    button.removeAttribute("aria-busy");
  }
}

export function report(error, instead = {}) {
  if (error instanceof Declined) {
    return;
  }
  if (!(error instanceof DOMException) && !error.code && error.name !== "Unreachable") {
    console.error(error);
  }
  warn(sentence(error, instead));
}

/** Leaves the page, and stops whoever awaits this from going on with it. */
export function leave(address) {
  location.assign(address);
  return new Promise(() => {});
}

const WHY = {
  "signed-out": "You are signed out.",
  "sign-in-first": "Sign in to go on. A session ends after an hour without use, and after twelve hours in all.",
};

/** A word on arrival, once: a reload does not repeat it. Only words from the list, so no link can put its own here. */
export function sayWhy() {
  const why = new URLSearchParams(location.search).get("why");
  if (why !== null) {
    history.replaceState(null, "", location.pathname + location.hash);
    if (Object.hasOwn(WHY, why)) {
      say(WHY[why]);
    }
  }
}

/** The next thing that this account lacks, else its own page. */
export function nextPage(account) {
  const setUps = Object.values(account.set_ups);
  if (!setUps.includes(true)) {
    return "/set-up";
  }
  if (!account.recovery_code?.downloaded_at) {
    return "/recovery-code";
  }
  return "/manage";
}

export const needSignIn = () => leave("/?why=sign-in-first");

/** Offers to go on to whoever is signed in already; `open` shows the page's own form. */
export function offerToGoOn(account, open) {
  byId("signed-in").hidden = false;
  byId("signed-in-as").textContent = account.username;
  byId("go-on").setAttribute("href", nextPage(account));
  byId("someone-else").addEventListener("click", () => {
    byId("signed-in").hidden = true;
    open();
    byId("username").focus();
  });
}

const locale = navigator.languages.find((language) => language.startsWith("en")) ?? "en";
const dayAndTime = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });

export const time = (instant) => el("time", { datetime: instant }, dayAndTime.format(new Date(instant)));

/**
 * A date of the policy. One to come is an instant, so it is told to the minute and with its zone; of one that has passed the day
 * is enough, as the notice names it.
 */
export function policyDate(instant) {
  const date = new Date(instant);
  const past = date.getTime() <= Date.now();
  const format = new Intl.DateTimeFormat(
    locale,
    past
      ? { dateStyle: "long", timeZone: "UTC" }
      : { year: "numeric", month: "long", day: "numeric", hour: "numeric", minute: "2-digit", timeZoneName: "short" },
  );
  return { past, text: format.format(date) };
}
