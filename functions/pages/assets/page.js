// What every page shares: building elements, saying things, being busy once, and where to go next.

import { sentence, wait } from "./sentences.js";

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

/**
 * The live regions stand in the page from the start: screen readers miss those that come with their text. A dialog brings its own,
 * because everything behind it is inert: the innermost is spoken to.
 */
const regions = [{ status: byId("status"), alert: byId("alert") }];

const here = () => regions.at(-1);

/** Speaks into `status` and `alert` until the returned function is called. */
export function speakInto(status, alert) {
  const mine = { status, alert };
  regions.push(mine);
  return () => {
    const at = regions.indexOf(mine);
    if (at > 0) {
      regions.splice(at, 1);
    }
  };
}

export function say(text) {
  here().alert.textContent = "";
  here().status.textContent = text;
}

export function warn(text) {
  here().status.textContent = "";
  here().alert.textContent = text;
  here().alert.scrollIntoView({ block: "nearest" });
}

export function hush() {
  here().status.textContent = "";
  here().alert.textContent = "";
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
  if (held.has(button)) {
    say(wait(held.get(button).left()));
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

const held = new WeakMap();

/**
 * Keeps buttons from being pressed for `seconds`, and shows in `note` how long still: "`words` 0:27". The note's own live region says
 * nothing while it counts, and `free` once at the end.
 */
export function hold(buttons, seconds, note, words, free) {
  buttons.forEach((button) => held.get(button)?.stop());
  note.replaceChildren();
  const status = el("span", { role: "status" });
  const timer = el("span", { role: "timer" });
  const counting = el("span", {}, `${words} `, timer, ".");
  note.append(counting, status);
  const release = () => {
    for (const button of buttons) {
      held.delete(button);
      button.removeAttribute("aria-disabled");
    }
  };
  const count = countDown(note, seconds, {
    tick: (left) => (timer.textContent = minutes(left)),
    done: () => {
      release();
      counting.remove();
      status.textContent = free;
    },
  });
  const entry = {
    left: count.left,
    stop: () => {
      count.stop();
      release();
      note.replaceChildren();
    },
  };
  for (const button of seconds > 0 ? buttons : []) {
    held.set(button, entry);
    button.setAttribute("aria-disabled", "true");
  }
  return entry;
}

/**
 * Counts whole seconds down for as long as `place` is in the page. By the difference of two readings of the clock here: what the clock
 * says matters not, and a machine that slept has not stood still.
 */
export function countDown(place, seconds, { tick, done }) {
  const end = Date.now() + seconds * 1000;
  const left = () => Math.max(0, Math.ceil((end - Date.now()) / 1000));
  let seen = false;
  let timer;
  const step = () => {
    if (seen && !place.isConnected) {
      return;
    }
    seen ||= place.isConnected;
    tick(left());
    if (left() === 0) {
      done();
    } else {
      timer = setTimeout(step, (end - Date.now()) % 1000 || 1000);
    }
  };
  // Not within the caller's turn: what it sets up after this call stands by the time that the count may be done.
  timer = setTimeout(step);
  tick(left());
  return { left, stop: () => clearTimeout(timer) };
}

/** "0:27", "9:05", "1:00:00". */
export function minutes(seconds) {
  const two = (number) => String(number).padStart(2, "0");
  const [hours, rest] = [Math.floor(seconds / 3600), seconds % 3600];
  const ending = `${two(rest % 60)}`;
  return hours > 0 ? `${hours}:${two(Math.floor(rest / 60))}:${ending}` : `${Math.floor(rest / 60)}:${ending}`;
}

/** Leaves the page, and stops whoever awaits this from going on with it. */
export function leave(address) {
  location.assign(address);
  return new Promise(() => {});
}

/**
 * Goes to a page with something in hand that belongs in no address: the entry of the history holds it, also when the page is reloaded.
 * Nothing secret: a browser may keep its history.
 */
export function leaveWith(state, address) {
  history.pushState(state, "", address);
  location.reload();
  return new Promise(() => {});
}

export const carried = (name) => history.state?.[name] ?? null;

// The entry before one that was left so has the same document for the browser: going back to it changes the address alone.
const { pathname } = location;
window.addEventListener("popstate", () => {
  if (location.pathname !== pathname) {
    location.reload();
  }
});

const WHY = {
  "signed-out": "You are signed out.",
  "sign-in-first": "Sign in to go on. A session ends after an hour without use, and after twelve hours in all.",
  "more-needed": "You have proven who you are. The portal asks for more than that now: complete what is missing, and you are in.",
};

/** A word on arrival, once: a reload does not repeat it. Only words from the list, so no link can put its own here. */
export function sayWhy() {
  const why = new URLSearchParams(location.search).get("why");
  if (why !== null) {
    history.replaceState(history.state, "", location.pathname + location.hash);
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

/** Offers to go on to whoever is signed in already; `open` shows the page's own form, whose first field is `first`. */
export function offerToGoOn(account, open, first = byId("username")) {
  byId("signed-in").hidden = false;
  byId("signed-in-as").textContent = account.username;
  byId("go-on").setAttribute("href", nextPage(account));
  byId("someone-else").addEventListener("click", () => {
    byId("signed-in").hidden = true;
    open();
    first.focus();
  });
}

export const locale = navigator.languages.find((language) => language.startsWith("en")) ?? "en";
const dayAndTime = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });

export const time = (instant) => el("time", { datetime: instant }, dayAndTime.format(new Date(instant)));
