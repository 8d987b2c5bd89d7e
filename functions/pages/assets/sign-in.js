// `/`: sign in. The ways to sign in stand side by side; each ends in `proven`, whatever proved it.

import * as api from "./api.js";
import { byId, leave, nextPage, offerToGoOn, press, report, sayWhy, warn } from "./page.js";
import { autofillAvailable, obstacle, signIn } from "./passkeys.js";

// The options live five minutes; a ceremony that the person begins just before the change has the rest of them.
const REFRESH_MS = 4 * 60_000;

let autofill = null;

async function start() {
  const hindrance = obstacle();
  if (hindrance) {
    byId("alert").append(...hindrance);
    return;
  }
  sayWhy();
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

/** A result of the contract. `next`, the step of the two-part set-ups, has no form on this page yet. */
function proven(result) {
  switch (result.status) {
    case "signed_in":
    case "set_up_required":
      // The access token is for the portal: these pages live by the cookie and let the token go.
      return leave(nextPage(result.account));
    default:
      return warn("This sign-in needs a step that this page does not offer yet. Use a passkey.");
  }
}

// ---- passkey, by the button ----

byId("passkey-way").addEventListener("submit", (event) => {
  event.preventDefault();
  press(byId("use-passkey"), async () => {
    // One ceremony at a time: the browser refuses a second beside the one that waits in the autofill.
    autofill?.abort();
    try {
      await proven(await signIn());
    } finally {
      offerAutofill();
    }
  });
});

// ---- passkey, by the username field's autofill ----

async function offerAutofill() {
  autofill?.abort();
  if (document.hidden || !(await autofillAvailable())) {
    return;
  }
  const mine = new AbortController();
  autofill = mine;
  const refresh = setTimeout(offerAutofill, REFRESH_MS);
  mine.signal.addEventListener("abort", () => clearTimeout(refresh));
  let chosen = false;
  try {
    const ceremony = { mediation: "conditional", signal: mine.signal, chosen: () => (chosen = true) };
    await proven(await signIn(ceremony));
  } catch (error) {
    if (mine.signal.aborted) {
      return;
    }
    mine.abort();
    // Nobody asked for autofill: that it cannot be had is no news, and the button is there. Left to say is why a passkey that was
    // chosen did not open the door.
    if (chosen) {
      report(error);
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
