// What the notice asks of everyone, and from when: by the policy's instants and the server's time, never by the clock of this device.

import * as api from "./api.js";
import { el, locale, minutes } from "./page.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const TITLES = {
  passkey: "Passkey",
  authenticator_and_phone: "Authenticator and phone",
  password_and_phone: "Password and phone",
};

/** The policy, and with it `now()`: the server's time, run on by the difference of two readings of the clock here. */
export async function notice() {
  const policy = await api.policy();
  const read = Date.now();
  // A proxy may have dropped the date: then the clock here is all there is.
  const told = Number.isNaN(policy.date) ? read : policy.date;
  return { ...policy, now: () => told + Date.now() - read };
}

/**
 * A date of the policy. One to come is an instant, so it is told to the minute and with its zone; of one that has passed the day
 * is enough, as the notice names it.
 */
export function dateOf(instant, now) {
  const date = new Date(instant);
  const past = date.getTime() <= now;
  const format = new Intl.DateTimeFormat(
    locale,
    past
      ? { dateStyle: "long", timeZone: "UTC" }
      : { year: "numeric", month: "long", day: "numeric", hour: "numeric", minute: "2-digit", timeZoneName: "short" },
  );
  return { past, text: format.format(date) };
}

/** "77 days left", on the last two days "31 hours left", in the last hour "9:05 left". Rounded down: nobody is late by it. */
export function left(milliseconds) {
  if (milliseconds < HOUR) {
    return `${minutes(Math.max(0, Math.floor(milliseconds / 1000)))} left`;
  }
  const [count, unit] =
    milliseconds < 2 * DAY ? [Math.floor(milliseconds / HOUR), "hour"] : [Math.floor(milliseconds / DAY), "day"];
  return `${count} ${unit}${count === 1 ? "" : "s"} left`;
}

/** Calls `tick` now and as often as what `left` says of `instant` may change, for as long as `place` is in the page. */
export function watch(place, instant, now, tick) {
  const at = Date.parse(instant);
  let seen = false;
  const step = () => {
    if (seen && !place.isConnected) {
      return;
    }
    seen ||= place.isConnected;
    const rest = at - now();
    tick(rest);
    if (rest > 0) {
      setTimeout(step, rest < HOUR + MINUTE ? rest % 1000 || 1000 : MINUTE);
    }
  };
  step();
}

const EMAIL = "email no longer gets you back in: your recovery code does";
const SET_UP = "signing in takes one of three verified set-ups and a saved recovery code";

/** Shows in `place` what the dates ask: before each of them how long it is until then, and after it what holds now. */
export function showDates(place, policy) {
  const { email_recovery_ends_at: email, set_up_required_from: setUp, now } = policy;
  const together = Date.parse(email) === Date.parse(setUp);
  const lines = together
    ? [[setUp, `${SET_UP}, and ${EMAIL}`]]
    : [[email, EMAIL], [setUp, SET_UP]].sort(([one], [other]) => Date.parse(one) - Date.parse(other));
  place.replaceChildren(...lines.map(([instant, words]) => line(instant, words, now)));
  place.hidden = false;
}

function line(instant, words, now) {
  const text = el("span", {});
  const timer = el("strong", { role: "timer", class: "left" });
  const paragraph = el("p", {}, text, " ", timer);
  let said = null;
  watch(paragraph, instant, now, (rest) => {
    const { past, text: date } = dateOf(instant, now());
    if (said !== past) {
      text.replaceChildren(past ? "Since " : "From ", el("time", { datetime: instant }, date), `, ${words}.`);
      timer.hidden = past;
      said = past;
    }
    timer.textContent = past ? "" : left(rest);
  });
  return paragraph;
}

export const isOver = ({ email_recovery_ends_at, set_up_required_from, now }) =>
  Math.max(Date.parse(email_recovery_ends_at), Date.parse(set_up_required_from)) <= now();

// ---- what is asked of one account ----

const DOING = {
  add_passkey: "add a passkey",
  get_authenticator: "get an authenticator",
  verify_phone: "verify a phone number",
  set_password: "set a password",
};

/** What is asked of the account, and until when. Of the set-ups one is enough: they are one thing to do, not as many as they are. */
export function needed(account, now) {
  const items = [];
  const ofSetUps = account.action_needed.filter(({ completes }) => completes.length > 0);
  if (ofSetUps.length > 0) {
    const ways = [...new Set(ofSetUps.flatMap(({ completes }) => completes))].map((setUp) =>
      ofSetUps.filter(({ action, completes }) => completes.includes(setUp) && Object.hasOwn(DOING, action)).map(({ action }) => action),
    );
    // A way that takes all of another and more is no way to recommend.
    const best = ways.filter((way) => !ways.some((other) => other.length < way.length && other.every((action) => way.includes(action))));
    const words = best.map((way) => way.map((action) => DOING[action]).join(" and "));
    items.push([el("a", { href: "/set-up" }, "Complete a set-up"), ` ${by(ofSetUps[0], now)}: ${words.join(", or ")}.`]);
  }
  const code = account.action_needed.find(({ action }) => action === "download_recovery_code");
  if (code) {
    items.push([el("a", { href: "/recovery-code" }, "Save your recovery code"), ` ${by(code, now)}.`]);
  }
  return items.map((item) => el("li", {}, ...item));
}

function by({ deadline }, now) {
  const { past, text } = dateOf(deadline, now());
  return past ? "(it is asked of everyone now)" : `by ${text}`;
}
