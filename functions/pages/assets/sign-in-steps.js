// What follows a first proof, and a lock: the steps of a sign-in, shown in `place` on the sign-in page and in the step-up's dialog alike.
// `sign_in` lives in these closures alone.

import * as api from "./api.js";
import { codeStep } from "./code-step.js";
import { choice, codeField, nameForManagers, passwordField } from "./fields.js";
import { lockedStep } from "./locked.js";
import { el, hold, hush, leaveWith, press } from "./page.js";
import { OF_APP, OF_CODE, OF_PASSKEY, OF_PASSWORD, sentence } from "./sentences.js";

/**
 * `passkey()` runs a passkey's ceremony; `begin(why)` goes back to the first step, whose page keeps the username; `done(result)` ends the
 * sign-in. `shown()` is called whenever a step takes the place of what was there. `next(result)` takes what a proof that is not enough leads to.
 */
export function signInSteps({ place, passkey, begin, done, shown = () => {}, next = null }) {
  let username = "";
  // The step that a person comes back to from the code.
  let back = () => begin();

  function show({ element, focus }) {
    shown();
    hush();
    place.replaceChildren(element);
    place.hidden = false;
    focus();
  }

  /** Tells what the step itself cannot: whether it did is returned. */
  const elsewhere = (method) => (error) => {
    if (error.code === "locked") {
      show(locked(error, method));
      return true;
    }
    if (error.code === "sign_in_expired") {
      begin(sentence(error));
      return true;
    }
    return false;
  };

  async function guarded(method, action) {
    try {
      await action();
    } catch (error) {
      if (!elsewhere(method)(error)) {
        throw error;
      }
    }
  }

  async function proven(result) {
    if (result.status === "next" && next !== null) {
      await next(result);
    } else if (result.status === "next") {
      back = () => show(nextStep(result));
      back();
    } else {
      await done(result);
    }
  }

  const byPasskey = (button) => press(button, async () => proven(await passkey()), OF_PASSKEY);

  /**
   * A guess at the secret of `method`, which `send()` brings; `wrong` says beside the field what is wrong with it, in the words of the
   * place, `instead`.
   */
  function guess({ method, button, note, send, wrong, instead }) {
    return press(button, () =>
      guarded(method, async () => {
        try {
          await proven(await send());
        } catch (error) {
          if (error.code === "too_many_requests" && error.retryAfter !== null) {
            hold([button], error.retryAfter, note, "You can try again in", "You can try again now.");
          }
          if (error.code !== "wrong_credentials") {
            throw error;
          }
          wrong(sentence(error, instead));
        }
      }),
    );
  }

  const byPassword = (button, note, body, wrong) =>
    guess({ method: "password", button, note, send: () => api.passwordSignIn(body), wrong, instead: OF_PASSWORD });

  /** Has a code sent for `who`, which is `{ username }` or `{ sign_in, phone }`, and shows where to enter it. */
  function bySending(button, buttons, note, who, channel, channels) {
    return press(
      button,
      () =>
        guarded("phone", async () => {
          let sent;
          try {
            sent = await api.phoneCodeSend({ ...who, channel });
          } catch (error) {
            if (error.code === "too_many_requests" && error.retryAfter !== null) {
              hold(buttons, error.retryAfter, note, "A code can be sent in", "You can have a code sent now.");
            }
            // The other channel is one key away.
            buttons.find((other) => other !== button && error.channels?.includes(other.value))?.focus();
            throw error;
          }
          show(enterCode(sent, who, channel, channels));
        }),
      OF_CODE,
    );
  }

  function enterCode(sent, who, channel, channels) {
    let { sign_in } = sent;
    return codeStep({
      title: "Enter the code",
      sent,
      channel,
      channels,
      submit: "Confirm",
      again: async (by) => {
        // A first proof by phone begins anew, so that a channel that its number lacks looks as it did the first time.
        const answer = await api.phoneCodeSend({ ...who, channel: by });
        ({ sign_in } = answer);
        return answer;
      },
      verify: async (code) => proven(await api.phoneCodeVerify({ sign_in, code })),
      elsewhere: elsewhere("phone"),
      back: { label: "Use another way", go: () => back() },
    });
  }

  // ---- the steps ----

  /** Everything that the account has left, the strongest first, as the server lists it. */
  function nextStep({ sign_in, proven: already, next }) {
    const parts = next.map((way) => PARTS[way.method]?.(sign_in, way)).filter(Boolean);
    const over = el("button", { type: "button", class: "plain" }, "Start again");
    over.addEventListener("click", () => begin());
    return {
      element: el(
        "section",
        { class: "step", "aria-label": "One more proof" },
        el("h2", { tabindex: "-1" }, "One more proof"),
        el("p", {}, `Your ${already.map((method) => NAMES[method] ?? method).join(" and ")} is right. `, MORE(parts.length)),
        ...parts.map(({ element }) => element),
        parts.length > 0 ? null : el("p", { class: "problem" }, "This page is older than your ID's other ways. Reload it and try again."),
        over,
      ),
      focus: () => parts[0]?.focus(),
    };
  }

  const PARTS = {
    passkey: () => {
      const button = el("button", { type: "button", class: "main full" }, "Use a passkey");
      button.addEventListener("click", () => byPasskey(button));
      return { element: el("div", { class: "part" }, button), focus: () => button.focus() };
    },
    password: (sign_in) => passwordPart({ sign_in }),
    authenticator: (sign_in) => appPart({ sign_in }),
    phone: (sign_in, { phones }) => phonePart(phones, (phone) => ({ sign_in, phone: phone.id })),
  };

  function passwordPart(who) {
    const password = passwordField("Password", { autocomplete: "current-password" });
    const button = el("button", { type: "submit", class: "main full" }, "Go on with the password");
    const note = el("p", { class: "hint" });
    const form = el("form", { class: "part", novalidate: true }, nameForManagers(username), password.element, button, note);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      password.hide();
      if (password.input.value === "") {
        password.wrong("Enter your password.");
        return;
      }
      password.wrong("");
      byPassword(button, note, { ...who, password: password.input.value }, password.wrong);
    });
    return { element: form, focus: () => password.input.focus() };
  }

  function appPart(who) {
    const code = codeField();
    code.hint.textContent = "Six digits, from your authenticator app.";
    const button = el("button", { type: "submit", class: "main full" }, "Confirm");
    const note = el("p", { class: "hint" });
    const title = who.sign_in && el("h3", {}, "By authenticator");
    const form = el("form", { class: "part", novalidate: true }, title ?? null, code.element, button, note);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const digits = code.code();
      if (digits !== null) {
        const send = () => api.authenticatorSignIn({ ...who, code: digits });
        guess({ method: "authenticator", button, note, send, wrong: code.wrong, instead: OF_APP });
      }
    });
    return { element: form, focus: () => code.input.focus() };
  }

  /** `phones` are those of the API; `who(phone)` names one of them, or the account where there was no proof yet. */
  function phonePart(phones, who) {
    const [only] = phones;
    const which =
      phones.length > 1
        ? choice(
            "Which number?",
            phones.map(({ id, ending, channels }) => ({
              value: id,
              label: `Ending in ${ending}`,
              hint: channels.includes("text") ? null : "calls only",
            })),
          )
        : null;
    const chosen = () => phones.find(({ id }) => id === which?.value()) ?? only;
    const note = el("p", { class: "hint" });
    const buttons = ["text", "call"].map((channel) =>
      el("button", { type: "button", class: "main", value: channel }, channel === "text" ? "Text me a code" : "Call me with a code"),
    );
    for (const button of buttons) {
      button.addEventListener("click", () => {
        const phone = chosen();
        bySending(button, buttons, note, who(phone), button.value, phone.channels);
      });
    }
    const offer = () => buttons.forEach((button) => (button.hidden = !chosen().channels.includes(button.value)));
    which?.element.addEventListener("change", offer);
    offer();
    const where = only.ending && !which ? `the number ending in ${only.ending}` : "a number of yours";
    const landline = only.ending && !which && !only.channels.includes("text");
    const element = el(
      "div",
      { class: "part" },
      only.id && el("h3", {}, "By phone"),
      el("p", {}, `A one-time code, to ${where}.`, landline ? " It is a landline and gets calls only." : ""),
      which && which.element,
      el("div", { class: "actions" }, ...buttons),
      note,
    );
    return { element, focus: () => buttons.find((button) => !button.hidden).focus() };
  }

  /** A phone as the first proof: nothing is known of it, and nothing is told. */
  const anyPhone = () => phonePart([{ id: null, ending: null, channels: ["text", "call"] }], () => ({ username }));

  /** A first step of its own, for the name that was given. */
  function firstStep(title, part) {
    const leaving = el("button", { type: "button", class: "plain" }, "Use another way");
    leaving.addEventListener("click", () => begin());
    return {
      element: el(
        "section",
        { class: "step", "aria-label": title },
        el("h2", {}, title),
        el("p", { class: "muted" }, "For ", el("strong", {}, username), "."),
        part.element,
        leaving,
      ),
      focus: part.focus,
    };
  }

  function locked({ retryAfter, unlock }, method) {
    // The way that is locked lifts no lock.
    const keys = unlock.filter((way) => way !== method && Object.hasOwn(UNLOCK, way));
    return lockedStep({ retryAfter, name: NAMES[method], ways: keys.map((way) => UNLOCK[way]), again: () => begin() });
  }

  const UNLOCK = {
    passkey: { label: "Use a passkey", go: byPasskey },
    phone: { label: "Get a code by text or call", go: () => byPhone(username) },
    recovery_code: { label: "Use my recovery code", go: () => leaveWith({ username }, "/recover") },
  };

  function byPhone(name) {
    username = name;
    back = () => show(firstStep("Get a code", anyPhone()));
    back();
  }

  function byApp(name) {
    username = name;
    back = () => show(firstStep("Enter a code of the app", appPart({ username })));
    back();
  }

  return {
    proven,
    byPasskey,
    byPhone,
    byApp,
    /** From here on the steps are those of this name. */
    name: (name) => (username = name),
    byPassword,
    /** The parts of a first step, for a place that builds its own. */
    passkeyPart: PARTS.passkey,
    passwordPart: () => passwordPart({ username }),
    appPart: () => appPart({ username }),
  };
}

const NAMES = { password: "password", phone: "phone code", authenticator: "authenticator code", passkey: "passkey" };

const MORE = (ways) => (ways > 1 ? "One of these as well, and you are in." : "This as well, and you are in.");
