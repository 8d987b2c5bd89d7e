// The step in which a code is entered that went out by text, call or email: until when it is good, and how to have another one.

import { codeField } from "./fields.js";
import { countDown, el, hold, minutes, press, say } from "./page.js";
import { OF_CODE, sentence } from "./sentences.js";

// By the contract: a code lives no longer than this, and a number gets another one no sooner than that.
const CODE_LIVES = 10 * 60;
const RESEND_AFTER = 30;

/**
 * How long until `resend_at` and `expires_at`, in seconds. Counted from the answer's own date; where that cannot be, as with a proxy
 * whose clock is wrong, from what the contract says of the two instants. Never from the clock of this device.
 */
export function waits({ expires_at, resend_at = null, date }) {
  const expires = Date.parse(expires_at);
  const earliest = expires - CODE_LIVES * 1000;
  const resend = resend_at === null ? earliest : Date.parse(resend_at);
  // A sign-in with less time left bounds its codes: then the other instant is the better witness.
  const likely = Math.max(earliest, resend - RESEND_AFTER * 1000);
  // The header has whole seconds only.
  const now = date >= earliest - 2_000 && date < expires ? Math.max(date, earliest) : likely;
  return { resend: Math.max(0, Math.ceil((resend - now) / 1000)), expires: Math.floor((expires - now) / 1000) };
}

const ANOTHER = { text: "Send another text", call: "Call me again", email: "Send another email" };
const INSTEAD = { text: "Send a text instead", call: "Call me instead" };

export function onItsWay(channel, ending) {
  if (channel === "email") {
    return "If that is an ID, a code is on its way to its email address. It may take a minute; look in the spam folder too.";
  }
  if (!ending) {
    return channel === "text"
      ? "If that ID has a number that takes texts, a code is on its way to it."
      : "If that ID has a number, it is being called and told a code.";
  }
  return channel === "text"
    ? `A text with a code is on its way to the number ending in ${ending}.`
    : `The number ending in ${ending} is being called. Answer, and the code is told twice.`;
}

/**
 * `sent` is the API's answer to the sending; `again(channel)` has another code sent and returns its answer; `verify(code)` does the rest.
 * What either throws is told here, unless `elsewhere(error, verifying)` takes it on. `back` names and does what else there is to do.
 */
export function codeStep({ title, sent, channel, channels, again, verify, elsewhere, back, submit }) {
  const where = el("p", {});
  const expiry = el("p", { class: "hint expiry" });
  const code = codeField();
  code.hint.after(expiry);
  const send = el("button", { type: "submit", class: "main full" }, submit);
  const others = ["text", "call", "email"]
    .filter((each) => channels.includes(each))
    .map((each) => [each, el("button", { type: "button" })]);
  const note = el("p", { class: "hint" });
  const leaving = el("button", { type: "button", class: "plain" }, back.label);
  const form = el("form", { novalidate: true }, code.element, send);
  const step = el(
    "section",
    { class: "step", "aria-label": title },
    el("h2", {}, title),
    where,
    form,
    el("div", { class: "actions again" }, ...others.map(([, button]) => button)),
    note,
    leaving,
  );

  const wait = (seconds) =>
    hold(
      others.map(([, button]) => button),
      seconds,
      note,
      "Another code can be sent in",
      "You can have another code sent now.",
    );
  let expiring;
  const tell = (answer, by) => {
    channel = by;
    where.textContent = onItsWay(channel, answer.ending);
    for (const [each, button] of others) {
      button.textContent = each === channel ? ANOTHER[each] : INSTEAD[each];
    }
    const { resend, expires } = waits(answer);
    expiring?.stop();
    expiring = countExpiry(
      expiry,
      expires,
      "The code is good for another",
      "The code is no longer good. Have another one sent.",
    );
    wait(resend);
  };

  const attempt = (button, action) =>
    press(
      button,
      async () => {
        try {
          await action();
        } catch (error) {
          if (!elsewhere(error, button === send)) {
            throw error;
          }
        }
      },
      OF_CODE,
    );

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const digits = code.code();
    if (digits === null) {
      return;
    }
    attempt(send, async () => {
      try {
        await verify(digits);
      } catch (error) {
        if (error.code !== "wrong_credentials") {
          throw error;
        }
        code.wrong(sentence(error, OF_CODE));
      }
    });
  });
  for (const [each, button] of others) {
    button.addEventListener("click", () =>
      attempt(button, async () => {
        try {
          tell(await again(each), each);
        } catch (error) {
          if (error.code === "too_many_requests" && error.retryAfter !== null) {
            wait(error.retryAfter);
          }
          throw error;
        }
        code.input.value = "";
        code.wrong("");
        code.input.focus();
        say(where.textContent);
      }),
    );
  }
  leaving.addEventListener("click", back.go);
  tell(sent, channel);
  return { element: step, focus: () => code.input.focus() };
}

/** Shows in `place` how long something is good: "`words` 9:05", and `over` at the end. */
export function countExpiry(place, seconds, words, over) {
  const timer = el("span", { role: "timer" });
  const counting = el("span", {}, `${words} `, timer, ".");
  const status = el("span", { role: "status" });
  place.replaceChildren(counting, status);
  return countDown(place, seconds, {
    tick: (left) => (timer.textContent = minutes(left)),
    done: () => {
      counting.remove();
      status.textContent = over;
    },
  });
}
