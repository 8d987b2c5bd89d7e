// `/set-up`: the notice's three set-ups, each carried out here; the choice is the address's fragment.

import * as api from "./api.js";
import { authenticatorForm } from "./authenticator-form.js";
import { byId, el, leave, nextPage, policyDate, press, report } from "./page.js";
import { enrol, noPasskeys } from "./passkeys.js";
import { passwordForm } from "./password-form.js";
import { phoneForm } from "./phone-form.js";
import { sendOn, withSession } from "./step-up.js";

const TITLES = {
  passkey: "Passkey",
  authenticator_and_phone: "Authenticator and phone",
  password_and_phone: "Password and phone",
};

/** The set-ups that are walked through in steps. */
const PATHS = { "#authenticator-and-phone": "authenticator_and_phone", "#password-and-phone": "password_and_phone" };

let account = null;
let policy = null;

async function start() {
  [account, policy] = await Promise.all([api.account(), api.policy()]).catch(sendOn);
  byId("who").textContent = account.username;
  show();
}

function show() {
  const path = PATHS[location.hash] ?? null;
  const walk = path !== null && !account.set_ups[path];
  byId("choices").hidden = walk;
  byId("path").hidden = !walk;
  byId("title").textContent = walk ? `Set up: ${TITLES[path].toLowerCase()}` : "Choose how you will sign in";
  if (walk) {
    showPath(path);
  } else {
    showChoices();
  }
}

window.addEventListener("hashchange", () => {
  if (account === null) {
    return;
  }
  show();
  if (!byId("choices").hidden) {
    byId("main").focus();
    window.scrollTo(0, 0);
  }
});

// ---- the three set-ups ----

function showChoices() {
  byId("rule").textContent = rule(policy);
  byId("other-set-ups").replaceChildren();
  for (const setUp of policy.set_ups) {
    const facts = [
      ["What it is", setUp.what],
      ["How it works", setUp.how],
      ["What to do", setUp.action],
    ].flatMap(([term, text]) => [el("dt", {}, term), el("dd", {}, text)]);
    if (setUp.id === "passkey") {
      byId("passkey-facts").replaceChildren(...facts);
      tellDone(byId("passkey-done"), doneOf("passkey"));
    } else {
      byId("other-set-ups").append(card(setUp.id, facts));
    }
  }

  const lacking = noPasskeys();
  byId("cannot").hidden = lacking === null || account.set_ups.passkey;
  byId("cannot").textContent = lacking ?? "";
  byId("add-passkey").hidden = lacking !== null || account.set_ups.passkey;
  byId("go-on").hidden = !Object.values(account.set_ups).includes(true);
  byId("go-on").setAttribute("href", nextPage(account));
}

function card(id, facts) {
  const done = el("ul", { class: "done" });
  tellDone(done, doneOf(id));
  const [address] = Object.entries(PATHS).find(([, path]) => path === id) ?? [];
  let way = null;
  if (address && !account.set_ups[id]) {
    way = el("a", { class: "button full", href: address }, `Set up ${TITLES[id].toLowerCase()}`);
  }
  return el("section", { class: "card" }, el("h3", {}, TITLES[id] ?? id), el("dl", { class: "facts" }, ...facts), done, way);
}

/** What the account has of a set-up, in words. */
function doneOf(id) {
  const { passkeys, password, authenticator, phones } = account.methods;
  const phone = phones.map(({ ending }) => `Phone verified, ending in ${ending}`).slice(0, 1);
  return {
    passkey: passkeys.length > 0 ? ["A passkey is added"] : [],
    authenticator_and_phone: [...(authenticator ? ["Authenticator added"] : []), ...phone],
    password_and_phone: [...(password ? ["Password set"] : []), ...phone],
  }[id];
}

function tellDone(list, items = []) {
  list.replaceChildren(...items.map((item) => el("li", {}, item)));
  list.hidden = items.length === 0;
}

byId("add-passkey").addEventListener("click", () =>
  press(byId("add-passkey"), async () => {
    await withSession(account, () => enrol(account));
    await goOn("passkey", await api.account());
  }),
);

// ---- an authenticator or a password, and then a phone, step by step ----

const GET = {
  at: "Step 1 of 2",
  title: "Get an authenticator app",
  what: "The app shows a new code every half minute. You sign in with it, and with a code to your phone.",
};
const SCAN = { at: "Step 1 of 2", title: "Scan the QR code", what: "" };
const PASSWORD = {
  at: "Step 1 of 2",
  title: "Choose a password",
  what: "You sign in with it, and with a code to your phone. Use it nowhere else.",
};
const NUMBER = {
  at: "Step 2 of 2",
  title: "Add your phone",
  what: "A one-time code goes to it when you sign in, and when you are locked out.",
};
// Its own heading says what it is.
const CODE = { at: "Step 2 of 2", title: "", what: "" };

function showPath(path) {
  const done = (after) => goOn(path, after);
  const { authenticator, password } = account.methods;
  tellDone(byId("path-done"), doneOf(path));
  if (path === "authenticator_and_phone" && authenticator === null) {
    authenticatorForm(byId("path-step"), account, { done, step: (name) => stand(name === "scan" ? SCAN : GET) });
  } else if (path === "password_and_phone" && password === null) {
    const form = passwordForm(account, { submit: "Go on", done });
    byId("path-step").replaceChildren(form.element);
    stand(PASSWORD);
    form.focus();
  } else {
    phoneForm(byId("path-step"), account, {
      done,
      step: (name) => stand(name === "code" ? CODE : NUMBER),
    });
  }
}

function stand({ at, title, what }) {
  byId("path-at").textContent = at;
  byId("path-title").textContent = title;
  byId("path-title").hidden = title === "";
  byId("path-what").textContent = what;
  byId("path-what").hidden = what === "";
}

/** The next step, by the account as the server tells it; once the set-up is complete, the next page. */
async function goOn(setUp, after) {
  account = after;
  if (account.set_ups[setUp]) {
    await leave(nextPage(account));
  }
  show();
}

function rule({ email_recovery_ends_at, set_up_required_from }) {
  const email = policyDate(email_recovery_ends_at);
  const setUp = policyDate(set_up_required_from);
  const first = email.past
    ? `Since ${email.text}, email no longer gets you back in.`
    : `From ${email.text}, email no longer gets you back in.`;
  const second = setUp.past
    ? "To sign in to the portal you need one of three verified set-ups."
    : `From ${setUp.text}, you need one of three verified set-ups to sign in to the portal.`;
  return `${first} ${second}`;
}

window.addEventListener("pageshow", (event) => {
  if (event.persisted) {
    location.reload();
  }
});

start().catch(report);
