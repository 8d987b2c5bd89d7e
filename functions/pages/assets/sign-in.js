// `/`: sign in. The ways to begin stand here; what follows a first proof, whichever it was, is `sign-in-steps.js`.

import * as api from "./api.js";
import { markField, showable } from "./fields.js";
import { left, needed, notice, showDates, watch } from "./notice.js";
import { byId, carried, el, hush, leave, leaveWith, nextPage, offerToGoOn, press, report, warn } from "./page.js";
import { autofillAvailable, inPlace, noPasskeys, signIn } from "./passkeys.js";
import { OF_PASSKEY } from "./sentences.js";
import { signInSteps } from "./sign-in-steps.js";

// The options live five minutes; a ceremony that the person begins just before the change has the rest of them.
const REFRESH_MS = 4 * 60_000;

let autofill = null;

const steps = signInSteps({
  place: byId("steps"),
  passkey: signInByButton,
  begin: beginAgain,
  done: signedIn,
  shown: () => {
    autofill?.abort();
    byId("ways").hidden = true;
  },
});

async function start() {
  if (!inPlace()) {
    return;
  }
  byId("username").value ||= carried("username") ?? "";
  // Nothing waits for the dates: whoever signs in reads them again then.
  const dates = notice().then((policy) => showDates(byId("dates"), policy));
  dates.catch(() => {});
  const lacking = noPasskeys();
  if (lacking) {
    byId("passkey-way").hidden = true;
    byId("no-passkeys").textContent = lacking;
    byId("no-passkeys").hidden = false;
    byId("username-hint").hidden = true;
  }
  const account = await api.account().catch((error) => {
    if (error.code !== "not_signed_in") {
      report(error);
    }
    return null;
  });
  if (account) {
    offerToGoOn(account, openWays);
  } else {
    openWays();
  }
}

function openWays() {
  byId("ways").hidden = false;
  offerAutofill();
}

/** The first step anew, with the username and without the password; `why` says what led back to it. */
function beginAgain(why) {
  byId("steps").hidden = true;
  byId("steps").replaceChildren();
  byId("password").value = "";
  mark({});
  openWays();
  if (why) {
    warn(why);
  }
  byId(byId("username").value === "" ? "username" : "password").focus();
}

/**
 * A result of the contract that ends the sign-in. The access token is for the portal: these pages live by the cookie and let the token go.
 * Who is signed in and lacks something reads what and until when, each time; who is not in goes to where it can be had.
 */
async function signedIn({ status, account }) {
  if (status !== "signed_in") {
    return leave(`${nextPage(account)}?why=more-needed`);
  }
  return account.action_needed.length === 0 ? leave("/manage") : prompt(account);
}

async function prompt(account) {
  const now = await notice().then((policy) => policy.now, () => Date.now);
  const [{ deadline }] = account.action_needed;
  const timer = el("strong", { role: "timer", class: "left" });
  const title = el("h2", { tabindex: "-1" }, "You are signed in, and something is missing");
  autofill?.abort();
  byId("ways").hidden = true;
  byId("dates").hidden = true;
  byId("steps").hidden = false;
  byId("steps").replaceChildren(
    el(
      "section",
      { class: "step", "aria-label": "What is missing" },
      title,
      el("p", {}, "From the date below on, the portal does not let you in without it. ", timer),
      el("ul", { class: "checks" }, ...needed(account, now)),
      el("p", {}, el("a", { href: "/help" }, "What the three set-ups are")),
      el(
        "div",
        { class: "actions" },
        el("a", { class: "button main", href: nextPage(account) }, "Do it now"),
        el("a", { class: "button", href: "/manage" }, "Later"),
      ),
    ),
  );
  watch(timer, deadline, now, (rest) => (timer.textContent = rest > 0 ? left(rest) : ""));
  hush();
  title.focus();
}

// ---- password, or a code ----

const hidePassword = showable(byId("password"));

byId("password-way").addEventListener("submit", (event) => {
  event.preventDefault();
  hidePassword();
  const body = { username: username(), password: byId("password").value };
  const well = mark({
    username: body.username === "" ? "Enter your username." : "",
    password: body.password === "" ? "Enter your password." : "",
  });
  if (well) {
    steps.name(body.username);
    steps.byPassword(byId("use-password"), byId("password-note"), body, (text) => mark({ password: text }));
  }
});

byId("use-app").addEventListener("click", () => {
  if (mark({ username: username() === "" ? "Enter your username: the app's code is for it." : "" })) {
    press(byId("use-app"), async () => steps.byApp(username()));
  }
});

byId("use-phone").addEventListener("click", () => {
  if (mark({ username: username() === "" ? "Enter your username: the code goes to its number." : "" })) {
    press(byId("use-phone"), async () => steps.byPhone(username()));
  }
});

byId("cannot-sign-in").addEventListener("click", (event) => {
  // With the name that was typed, unless another window is asked for.
  if (username() !== "" && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    leaveWith({ username: username() }, "/recover");
  }
});

const username = () => byId("username").value.trim().toLowerCase();

/** Says beside each field what is wrong with it, and goes to the first. Returns whether all is well. */
function mark(wrong) {
  for (const name of ["password", "username"]) {
    markField(byId(name), byId(`${name}-wrong`), wrong[name] ?? "");
  }
  return !wrong.username && !wrong.password;
}

// ---- passkey, by the button ----

byId("use-passkey").addEventListener("click", () => steps.byPasskey(byId("use-passkey")));

async function signInByButton() {
  // One ceremony at a time: the browser refuses a second beside the one that waits in the autofill.
  autofill?.abort();
  try {
    return await signIn();
  } catch (error) {
    offerAutofill();
    throw error;
  }
}

// ---- passkey, by the username field's autofill ----

async function offerAutofill() {
  autofill?.abort();
  if (document.hidden || !(await autofillAvailable()) || byId("ways").hidden) {
    return;
  }
  const mine = new AbortController();
  autofill = mine;
  const refresh = setTimeout(offerAutofill, REFRESH_MS);
  mine.signal.addEventListener("abort", () => clearTimeout(refresh));
  let chosen = false;
  try {
    const ceremony = { mediation: "conditional", signal: mine.signal, chosen: () => (chosen = true) };
    await steps.proven(await signIn(ceremony));
  } catch (error) {
    if (mine.signal.aborted) {
      return;
    }
    mine.abort();
    // Nobody asked for autofill: that it cannot be had is no news, and the button is there. Left to say is why a passkey that was
    // chosen did not open the door.
    if (chosen) {
      report(error, OF_PASSKEY);
    }
    // Offered again when the field is visited again, and not at once: a failure that repeats must not spin.
    byId("username").addEventListener("focus", offerAutofill, { once: true });
  }
}

// A hidden page asks for nothing. The timer sleeps with the machine, so coming back always begins afresh.
document.addEventListener("visibilitychange", () => {
  if (byId("ways").hidden || byId("use-passkey").getAttribute("aria-busy") === "true") {
    return;
  }
  if (document.hidden) {
    autofill?.abort();
  } else {
    offerAutofill();
  }
});

// A page from the back-forward cache may show the state of another session.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) {
    location.reload();
  }
});

start();
