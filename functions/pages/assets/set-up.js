// `/set-up`: the notice's three set-ups, each carried out here; the choice is the address's fragment.

import * as api from "./api.js";
import { authenticatorForm } from "./authenticator-form.js";
import { TITLES, notice, showDates } from "./notice.js";
import { byId, carried, el, leave, leaveWith, nextPage, press, report, sayWhy, time } from "./page.js";
import { enrol, noPasskeys } from "./passkeys.js";
import { passwordForm } from "./password-form.js";
import { phoneForm } from "./phone-form.js";
import { sendOn, withSession } from "./step-up.js";

/** The set-ups that are walked through in steps. */
const PATHS = { "#authenticator-and-phone": "authenticator_and_phone", "#password-and-phone": "password_and_phone" };

let account = null;
let policy = null;
/** After a recovery: the methods that this session has added or replaced, and so proven. Null in any other session. */
let renewed = null;
/** By what this page was reached: "code" or "email", if by a recovery. */
const recovered = carried("recovered");

async function start() {
  sayWhy();
  [account, policy] = await Promise.all([api.account(), notice()]).catch(sendOn);
  byId("who").textContent = account.username;
  showDates(byId("dates"), policy);
  if (await recovers()) {
    renewed = new Set();
    byId("came-by").textContent = "Get back in";
    showRecovered();
  }
  show();
}

function show() {
  const path = PATHS[location.hash] ?? null;
  const walk = path !== null && !isDone(path);
  byId("choices").hidden = walk;
  byId("path").hidden = !walk;
  byId("title").textContent = walk ? `Set up: ${TITLES[path].toLowerCase()}` : "Choose how you will sign in";
  byId("recovered").hidden = renewed === null || walk;
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
  if (renewed !== null) {
    history.replaceState({ recovered }, "");
  }
  show();
  if (!byId("choices").hidden) {
    byId("main").focus();
    window.scrollTo(0, 0);
  }
});

// ---- the three set-ups ----

function showChoices() {
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
  byId("cannot").hidden = lacking === null || isDone("passkey");
  byId("cannot").textContent = lacking ?? "";
  byId("add-passkey").hidden = lacking !== null || isDone("passkey");
  byId("go-on").hidden = !Object.keys(account.set_ups).some(isDone);
  byId("go-on").setAttribute("href", nextPage(account));
}

function card(id, facts) {
  const done = el("ul", { class: "done" });
  tellDone(done, doneOf(id));
  const [address] = Object.entries(PATHS).find(([, path]) => path === id) ?? [];
  let way = null;
  if (address && !isDone(id)) {
    way = el("a", { class: "button full", href: address }, `Set up ${TITLES[id].toLowerCase()}`);
  }
  return el("section", { class: "card" }, el("h3", {}, TITLES[id] ?? id), el("dl", { class: "facts" }, ...facts), done, way);
}

/** What the account has of a set-up, in words. */
function doneOf(id) {
  const { passkeys, password, authenticator, phones } = standing(account.methods);
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
  tellDone(byId("path-done"), doneOf(path));
  byId("later").hidden = !mayWait();
  if (path === "authenticator_and_phone" && lacks("authenticator")) {
    authenticatorForm(byId("path-step"), account, { done, step: (name) => stand(name === "scan" ? SCAN : GET) });
  } else if (path === "password_and_phone" && lacks("password")) {
    const form = passwordForm(account, { submit: "Go on", done, anew: renewed !== null });
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
  note(account, after);
  account = after;
  if (isDone(setUp)) {
    await (renewed === null ? leave(nextPage(account)) : leaveWith({ recovered }, nextPage(account)));
  }
  show();
}

// ---- after a recovery ----

const NOTHING = { passkeys: [], authenticator: null, phones: [], password: null };

const METHODS = {
  passkey: ["passkeys"],
  authenticator_and_phone: ["authenticator", "phones"],
  password_and_phone: ["password", "phones"],
};

/** What the account had before the recovery may be lost: then only what was added since counts. */
const isDone = (setUp) => account.set_ups[setUp] && (renewed === null || METHODS[setUp].every((method) => renewed.has(method)));

const lacks = (method) => account.methods[method] === null || (renewed !== null && !renewed.has(method));

const standing = (methods) => (renewed === null ? methods : { ...NOTHING, ...Object.fromEntries([...renewed].map((method) => [method, methods[method]])) });

function note(before, after) {
  const changed = Object.keys(after.methods).filter(
    (method) => JSON.stringify(after.methods[method]) !== JSON.stringify(before.methods[method]),
  );
  changed.forEach((method) => renewed?.add(method));
}

/**
 * Whether the session still lives by the recovery that began it. The history knows that it began so; where that is lost, an account that
 * is ready and a session that must prove more tell as much.
 */
async function recovers() {
  if (recovered === null && !account.ready) {
    return false;
  }
  return api.token().then(
    () => false,
    (error) => {
      if (error.status !== 403) {
        return sendOn(error);
      }
      return recovered !== null || error.code === "step_up_required";
    },
  );
}

const CODE_NEXT = {
  spent: "Save your new recovery code. The one that you used is spent.",
  none: "Save your recovery code.",
  kept: "Your recovery code is still good: keep it.",
};

function showRecovered() {
  const { passkeys, phones, password, authenticator } = account.methods;
  const had = [
    ...passkeys.map(({ name, created_at }) => [`the passkey "${name}", added `, time(created_at)]),
    ...phones.map(({ ending }) => [`the phone number ending in ${ending}`]),
    ...(authenticator ? [["the authenticator app, added ", time(authenticator.confirmed_at)]] : []),
    ...(password ? [["the password, changed ", time(password.changed_at)]] : []),
  ];
  byId("recovered-next").replaceChildren(
    el("li", {}, "Add a way to sign in: one of the three set-ups below. A new password needs no old one."),
    el("li", {}, CODE_NEXT[account.recovery_code !== null ? "kept" : recovered === "code" ? "spent" : "none"]),
    had.length > 0
      ? el(
          "li",
          {},
          "Then remove or replace what you lost, on ",
          el("a", { href: "/manage" }, "Manage my ID"),
          ". Your ID still has:",
          el("ul", {}, ...had.map((words) => el("li", {}, ...words))),
        )
      : "",
  );
}

/** Until the date a password opens the ID by itself, and what goes with it can be added later. */
const mayWait = () => account.methods.password !== null && !lacks("password") && Date.parse(policy.set_up_required_from) > policy.now();

window.addEventListener("pageshow", (event) => {
  if (event.persisted) {
    location.reload();
  }
});

start().catch(report);
