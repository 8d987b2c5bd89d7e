// `/register`: a username and an email address, then on to the set-up.

import * as api from "./api.js";
import { byId, leave, nextPage, offerToGoOn, press } from "./page.js";
import { inPlace } from "./passkeys.js";
import { sentence } from "./sentences.js";

const form = byId("register");
const fields = { username: byId("username"), email: byId("email") };

const FIELD_OF = { invalid_username: "username", username_taken: "username", invalid_email: "email" };

const send = api.keyed(api.register);

async function start() {
  if (!inPlace()) {
    return;
  }
  // Whoever came back with the browser's arrow is registered by now.
  const account = await api.account().catch(() => null);
  if (account) {
    offerToGoOn(account, () => (byId("ways").hidden = false));
  } else {
    byId("ways").hidden = false;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const body = { username: fields.username.value.trim().toLowerCase(), email: fields.email.value.trim() };
  // The language of notices and calls. A tag with extensions is more than the contract takes, and more than it needs.
  if (/^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2}|-\d{3})?$/.test(navigator.language)) {
    body.locale = navigator.language;
  }
  const wrong = {};
  if (body.username === "") {
    wrong.username = "Enter a username.";
  } else if (!/^[a-z0-9._-]{3,64}$/.test(body.username)) {
    wrong.username = problem("invalid_username");
  }
  if (!/^[^\s@]+@[^\s@]+$/.test(body.email)) {
    wrong.email = problem("invalid_email");
  }
  mark(wrong);
  if (Object.keys(wrong).length > 0) {
    return;
  }

  press(byId("send"), async () => {
    try {
      const { account } = await send(body);
      await leave(nextPage(account));
    } catch (error) {
      const field = FIELD_OF[error.code];
      if (!field) {
        throw error;
      }
      mark({ [field]: sentence(error) });
    }
  });
});

const problem = (code) => sentence(new api.Problem({ status: 422, code }));

/** Says beside each field what is wrong with it, and goes to the first. */
function mark(wrong) {
  for (const [name, input] of Object.entries(fields)) {
    byId(`${name}-wrong`).textContent = wrong[name] ?? "";
    if (wrong[name]) {
      input.setAttribute("aria-invalid", "true");
    } else {
      input.removeAttribute("aria-invalid");
    }
  }
  const first = Object.keys(fields).find((name) => wrong[name]);
  if (first) {
    fields[first].focus();
  }
}

window.addEventListener("pageshow", (event) => {
  if (event.persisted) {
    location.reload();
  }
});

start();
