// `/manage`: my ID, its passkeys, app, phones and password, and the menu on the right. The view is the address's fragment, so that it can
// be linked to.

import * as api from "./api.js";
import { authenticatorForm } from "./authenticator-form.js";
import { isOver, needed, notice, showDates } from "./notice.js";
import { byId, carried, el, hush, leave, press, report, say, time } from "./page.js";
import { enrol, noPasskeys } from "./passkeys.js";
import { passwordForm } from "./password-form.js";
import { phoneForm } from "./phone-form.js";
import { showCode } from "./recovery-code-card.js";
import { device, provenBy } from "./sentences.js";
import { ask, sendOn, withSession } from "./step-up.js";

const LONGEST_NAME = 64;
const MOST_PHONES = 5;

let account = null;
let policy = null;
let takeCodeAway = () => {};

const VIEWS = { id: showId, "recovery-code": showCodeChoice, sessions: showSessions, activity: showActivity };

async function start() {
  byId("try-again").hidden = true;
  [account, policy] = await Promise.all([api.account(), notice()]).catch(sendOn);
  byId("who").textContent = account.username;
  byId("desk").hidden = false;
  if (!account.ready || !isOver(policy)) {
    showDates(byId("dates"), policy);
  }
  const lacking = noPasskeys();
  if (lacking) {
    byId("cannot").textContent = lacking;
    byId("cannot").hidden = false;
    byId("add-passkey").hidden = true;
  }
  await show();
  if (carried("recovered")) {
    say("You are set up anew. Look through what your ID has, and remove what you have lost.");
  }
}

const view = () => (Object.hasOwn(VIEWS, location.hash.slice(1)) ? location.hash.slice(1) : "id");

async function show() {
  const chosen = view();
  takeCodeAway();
  for (const name of Object.keys(VIEWS)) {
    byId(`view-${name}`).hidden = name !== chosen;
  }
  for (const link of document.querySelectorAll(".menu a")) {
    if (link.hash === `#${chosen}`) {
      link.setAttribute("aria-current", "page");
    } else {
      link.removeAttribute("aria-current");
    }
  }
  await VIEWS[chosen]();
}

window.addEventListener("hashchange", () => {
  if (account === null || !Object.hasOwn(VIEWS, location.hash.slice(1) || "id")) {
    return;
  }
  hush();
  byId("try-again").hidden = true;
  show().catch(failed);
  byId(`${view()}-title`).focus();
});

function failed(error) {
  report(error);
  byId("try-again").hidden = false;
}

byId("try-again").addEventListener("click", () => {
  byId("try-again").hidden = true;
  press(byId("try-again"), () => (account === null ? start() : show())).then((well) => {
    byId("try-again").hidden = well;
  });
});

async function refresh() {
  account = await api.account().catch(sendOn);
  showId();
}

// ---- my ID ----

function showId() {
  byId("state").replaceChildren(
    account.ready
      ? el("span", { class: "badge" }, "Ready for the portal")
      : el("span", { class: "badge warn" }, "Something is missing"),
  );
  byId("needed").replaceChildren(...needed(account, policy.now));
  byId("needed").hidden = byId("needed").childElementCount === 0;
  byId("facts").replaceChildren(
    ...facts([
      ["Username", account.username],
      ["Email", account.email],
      ["Registered", time(account.created_at)],
    ]),
  );
  const { passkeys } = account.methods;
  byId("no-passkeys").hidden = passkeys.length > 0;
  byId("passkeys").replaceChildren(...passkeys.map(passkeyItem));
  showAuthenticator();
  showPhones();
  showPassword();
}

const facts = (pairs) => pairs.flatMap(([term, text]) => [el("dt", {}, term), el("dd", {}, text)]);

// ---- passkeys ----

function passkeyItem(passkey) {
  const item = el("li", { "data-id": passkey.id });
  const rename = el("button", { type: "button", class: "plain" }, "Rename", hiddenName(passkey));
  rename.addEventListener("click", () => item.replaceChildren(renameForm(passkey, item)));
  const remove = el("button", { type: "button", class: "plain danger" }, "Remove", hiddenName(passkey));
  remove.addEventListener("click", () => removePasskey(remove, passkey));

  const about = [passkey.backed_up ? "Synced by its provider" : "On one device only"];
  if (passkey.provider && passkey.provider !== passkey.name) {
    about.unshift(passkey.provider);
  }
  item.append(
    el(
      "div",
      { class: "row" },
      el(
        "div",
        {},
        el("h4", {}, passkey.name),
        el("p", { class: "muted small" }, about.join(" · ")),
        el(
          "p",
          { class: "muted small" },
          "Added ",
          time(passkey.created_at),
          ...(passkey.last_used_at ? [", last used ", time(passkey.last_used_at)] : [", not used yet"]),
        ),
      ),
      el("div", { class: "buttons" }, rename, remove),
    ),
  );
  return item;
}

/** Five buttons named "Remove" in a row are one riddle: each says to ears what it is about. */
const hiddenName = ({ name }) => el("span", { class: "visually-hidden" }, ` ${name}`);

function renameForm(passkey, item) {
  const input = el("input", {
    id: "new-name",
    type: "text",
    autocomplete: "off",
    maxlength: LONGEST_NAME,
    "aria-describedby": "new-name-wrong",
  });
  input.value = passkey.name;
  const wrong = el("p", { class: "wrong", id: "new-name-wrong" });
  const send = el("button", { type: "submit", class: "main" }, "Save");
  const cancel = el("button", { type: "button" }, "Cancel");
  const form = el(
    "form",
    { novalidate: true, class: "inline-form" },
    el("div", { class: "field" }, el("label", { for: "new-name" }, "Name of this passkey"), input, wrong),
    send,
    cancel,
  );
  const back = () => {
    showId();
    item = byId("passkeys").querySelector(`[data-id="${CSS.escape(passkey.id)}"]`);
    item?.querySelector("button").focus();
  };
  cancel.addEventListener("click", back);
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      back();
    }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const name = input.value.trim();
    if (name === "") {
      wrong.textContent = "Enter a name, such as the device that holds this passkey.";
      input.setAttribute("aria-invalid", "true");
      input.focus();
      return;
    }
    press(
      send,
      async () => {
        await withSession(account, () => api.passkeyRename(passkey.id, name));
        await refresh();
        back();
        say("The passkey has its new name.");
      },
      { bad_request: `Use at most ${LONGEST_NAME} characters for the name.` },
    );
  });
  // In the page by the time that the focus can go there.
  queueMicrotask(() => input.select());
  return form;
}

async function removePasskey(button, passkey) {
  await removeMethod(button, {
    question: `Remove "${passkey.name}"?`,
    consequence:
      "It opens your ID no more, and the sessions that were signed in with it end. It stays in your device's or password manager's list until you delete it there too.",
    remove: () => api.passkeyRemove(passkey.id),
    section: "passkeys-title",
    removed: "The passkey is removed.",
    refusals: {
      not_found: "This passkey was removed before. Reload the page to see how things stand.",
      would_break_set_up:
        "This is what you sign in with: without it you could no longer get in. Add another passkey first, then remove this one.",
    },
  });
}

/** Asks, removes, and says so where the method stood: `section` is the id of its heading. */
async function removeMethod(button, { question, consequence, remove, section, removed, refusals }) {
  if (!(await ask({ question, consequence, agree: "Remove", decline: "Keep it" }))) {
    return;
  }
  await press(
    button,
    async () => {
      await withSession(account, remove);
      await refresh();
      byId(section).focus();
      say(removed);
    },
    refusals,
  );
}

byId("add-passkey").addEventListener("click", () =>
  press(byId("add-passkey"), async () => {
    const passkey = await withSession(account, () => enrol(account));
    await refresh();
    say(`The passkey "${passkey.name}" is added. Give it a name that you will know it by.`);
  }),
);

// ---- the authenticator app ----

function showAuthenticator() {
  const { authenticator } = account.methods;
  byId("authenticator-state").replaceChildren(
    ...(authenticator ? ["Added ", time(authenticator.confirmed_at), "."] : ["You have no authenticator app yet."]),
  );
  byId("set-authenticator").textContent = authenticator ? "Use another app or phone" : "Add an authenticator app";
  byId("remove-authenticator").hidden = authenticator === null;
  byId("authenticator-actions").hidden = !byId("authenticator-form").hidden;
}

byId("set-authenticator").addEventListener("click", () => {
  hush();
  const had = account.methods.authenticator !== null;
  byId("authenticator-form").hidden = false;
  byId("authenticator-actions").hidden = true;
  authenticatorForm(byId("authenticator-form"), account, {
    done: async (after) => {
      account = after;
      closeForm("authenticator-form");
      byId("authenticator-title").focus();
      say(
        had
          ? "The new app is added. Codes of the one before are worthless: take the entry out of that app."
          : "The authenticator app is added.",
      );
    },
    cancel: () => {
      closeForm("authenticator-form");
      byId("set-authenticator").focus();
    },
  });
});

byId("remove-authenticator").addEventListener("click", () =>
  removeMethod(byId("remove-authenticator"), {
    question: "Remove the authenticator app?",
    consequence:
      "Its codes open your ID no more, and the other sessions that were signed in with it end. The entry stays in the app until you delete it there too.",
    remove: api.authenticatorRemove,
    section: "authenticator-title",
    removed: "The authenticator app is removed.",
    refusals: {
      not_found: "The app was removed before. Reload the page to see how things stand.",
      would_break_set_up:
        "You sign in with this app: without it you could no longer get in. Add a passkey or a password first, then remove the app.",
    },
  }),
);

// ---- phones ----

const LINES = { mobile: "Mobile", landline: "Landline", voip: "Internet phone" };

function showPhones() {
  const { phones } = account.methods;
  byId("no-phones").hidden = phones.length > 0;
  byId("phones").replaceChildren(...phones.map(phoneItem));
  const full = phones.length >= MOST_PHONES;
  byId("enough-phones").hidden = !full;
  byId("add-phone").hidden = full || !byId("phone-form").hidden;
}

function phoneItem(phone) {
  const name = `the number ending in ${phone.ending}`;
  const remove = el("button", { type: "button", class: "plain danger" }, "Remove", hiddenName({ name }));
  remove.addEventListener("click", () => removePhone(remove, phone));
  const gets = phone.channels.includes("text") ? "texts and calls" : "calls only";
  return el(
    "li",
    { "data-id": phone.id },
    el(
      "div",
      { class: "row" },
      el(
        "div",
        {},
        el("h4", {}, `Ending in ${phone.ending}`),
        el("p", { class: "muted small" }, [LINES[phone.line_type], gets].filter(Boolean).join(" · ")),
        el("p", { class: "muted small" }, "Verified ", time(phone.verified_at)),
      ),
      el("div", { class: "buttons" }, remove),
    ),
  );
}

byId("add-phone").addEventListener("click", () => {
  hush();
  byId("phone-form").hidden = false;
  byId("add-phone").hidden = true;
  phoneForm(byId("phone-form"), account, {
    done: async (after, { ending }) => {
      account = after;
      closeForm("phone-form");
      byId("phones-title").focus();
      say(`The number ending in ${ending} is verified and added.`);
    },
    cancel: () => {
      closeForm("phone-form");
      byId("add-phone").focus();
    },
  });
});

function closeForm(id) {
  byId(id).replaceChildren();
  byId(id).hidden = true;
  showId();
}

async function removePhone(button, phone) {
  await removeMethod(button, {
    question: `Remove the number ending in ${phone.ending}?`,
    consequence: "No code goes to it any more, and the other sessions that were signed in with it end.",
    remove: () => api.phoneRemove(phone.id),
    section: "phones-title",
    removed: `The number ending in ${phone.ending} is removed.`,
    refusals: {
      not_found: "This number was removed before. Reload the page to see how things stand.",
      would_break_set_up:
        "You sign in with this number: without it you could no longer get in. Add another number or a passkey first, then remove this one.",
    },
  });
}

// ---- password ----

function showPassword() {
  const { password } = account.methods;
  byId("password-state").replaceChildren(...(password ? ["Changed ", time(password.changed_at), "."] : ["You have no password."]));
  byId("set-password").textContent = password ? "Change the password" : "Set a password";
  byId("set-password").hidden = !byId("password-form").hidden;
}

byId("set-password").addEventListener("click", () => {
  hush();
  const had = account.methods.password !== null;
  const form = passwordForm(account, {
    submit: had ? "Change the password" : "Set the password",
    done: async (after) => {
      account = after;
      closeForm("password-form");
      byId("password-title").focus();
      say(had ? "The password is changed. Every other session has ended." : "The password is set.");
    },
    cancel: () => {
      closeForm("password-form");
      byId("set-password").focus();
    },
  });
  byId("password-form").replaceChildren(form.element);
  byId("password-form").hidden = false;
  byId("set-password").hidden = true;
  form.focus();
});

// ---- recovery code ----

function showCodeChoice() {
  const code = account.recovery_code;
  byId("code-choice").hidden = false;
  byId("code-facts").replaceChildren(
    ...facts(
      code === null
        ? [["Issued", "Not yet"]]
        : [
            ["Issued", time(code.issued_at)],
            ["Saved", code.downloaded_at ? time(code.downloaded_at) : "Not yet"],
          ],
    ),
  );
  byId("show-code").hidden = code === null;
}

byId("show-code").addEventListener("click", () =>
  press(byId("show-code"), async () => {
    reveal(await withSession(account, api.recoveryCode));
  }),
);

byId("new-code").addEventListener("click", async () => {
  const agreed =
    account.recovery_code === null ||
    (await ask({
      question: "Issue a new recovery code?",
      consequence:
        "The code that you have dies at once: every copy, file and printed page of it is worthless. The new one has to be saved before your ID is ready for the portal again.",
      agree: "Issue a new code",
      decline: "Keep the code that I have",
    }));
  if (!agreed) {
    return;
  }
  await press(byId("new-code"), async () => {
    await withSession(account, api.recoveryCodeIssue);
    // Known from here on, also when the answer to the next call is lost: there is a code to get.
    account.recovery_code = { issued_at: new Date().toISOString(), downloaded_at: null };
    byId("show-code").hidden = false;
    reveal(await withSession(account, api.recoveryCode));
    say("This is your new code. Save it now: the old one is worthless.");
  });
});

function reveal(code) {
  byId("code-choice").hidden = true;
  const takeDown = showCode(byId("code"), code, account, () => {});
  const done = el("button", { type: "button" }, "Hide the code");
  done.addEventListener("click", () => {
    takeCodeAway();
    press(done, refreshCode);
    byId("recovery-code-title").focus();
  });
  byId("code").append(el("div", { class: "actions" }, done));
  takeCodeAway = () => {
    takeDown();
    takeCodeAway = () => {};
  };
  byId("code").querySelector("button").focus();
}

async function refreshCode() {
  account = await api.account().catch(sendOn);
  showCodeChoice();
}

// ---- sessions ----

async function showSessions() {
  const { sessions } = await withSession(account, api.sessions);
  byId("sessions").replaceChildren(...sessions.map(sessionItem));
}

function sessionItem(session) {
  const proof = provenBy(session.amr);
  const name = device(session.user_agent);
  const end = el("button", { type: "button", class: "plain danger" }, "End", hiddenName({ name: `the session of ${name}` }));
  end.addEventListener("click", () =>
    press(
      end,
      async () => {
        await withSession(account, () => api.sessionEnd(session.id));
        await showSessions();
        byId("sessions-title").focus();
        say("The session is ended.");
      },
      { not_found: "That session has ended already. Reload the page to see how things stand." },
    ),
  );
  return el(
    "li",
    { "data-id": session.id },
    el(
      "div",
      { class: "row" },
      el(
        "div",
        {},
        el("h3", {}, name),
        el("p", { class: "muted small" }, [session.where, proof ? `signed in with ${proof}` : "nothing proven in it yet"].filter(Boolean).join(" · ")),
        el("p", { class: "muted small" }, "Since ", time(session.created_at), ", last seen ", time(session.last_seen_at)),
      ),
      session.current ? el("span", { class: "badge" }, "This one") : el("div", { class: "buttons" }, end),
    ),
  );
}

// ---- activity ----

const WHAT = {
  account_registered: "ID registered",
  signed_in: "Signed in",
  passkey_added: "Passkey added",
  passkey_renamed: "Passkey renamed",
  passkey_removed: "Passkey removed",
  passkey_counter_refused: "A passkey was refused: it may have been copied",
  password_set: "Password set",
  password_changed: "Password changed",
  password_locked: "Password locked: too many wrong ones",
  password_disabled: "Password switched off: a hundred wrong ones in a row",
  phone_added: "Phone number added",
  phone_removed: "Phone number removed",
  phone_locked: "Phone codes locked: too many wrong ones",
  phone_disabled: "Phone codes switched off: a hundred wrong ones in a row",
  authenticator_added: "Authenticator app added",
  authenticator_replaced: "Authenticator app replaced",
  authenticator_removed: "Authenticator app removed",
  authenticator_locked: "Authenticator codes locked: too many wrong ones",
  authenticator_disabled: "Authenticator app switched off: a hundred wrong codes in a row",
  recovery_code_issued: "Recovery code issued",
  recovery_code_downloaded: "Recovery code shown or downloaded",
  recovery_code_locked: "Recovery code locked: too many wrong ones",
  recovery_code_disabled: "Recovery code switched off: a hundred wrong ones in a row",
  email_code_locked: "Email codes locked: too many wrong ones",
  email_code_disabled: "Email codes switched off: a hundred wrong ones in a row",
  recovered: "Recovered: every other session ended",
  session_ended: "Session ended",
};

let cursor = null;

async function showActivity() {
  const page = await withSession(account, () => api.activity());
  byId("events").replaceChildren();
  appendEvents(page);
}

function appendEvents(page) {
  const items = page.events.map(({ at, what, where }) =>
    el(
      "li",
      {},
      el("h3", { tabindex: "-1" }, WHAT[what] ?? what.replaceAll("_", " ")),
      el("p", { class: "muted small" }, time(at), where ? ` · ${where}` : ""),
    ),
  );
  byId("events").append(...items);
  cursor = page.cursor ?? null;
  byId("more").hidden = cursor === null;
  return items;
}

byId("more").addEventListener("click", () =>
  press(byId("more"), async () => {
    const items = appendEvents(await withSession(account, () => api.activity(cursor)));
    // The button may be gone now, and the focus with it: it goes to the first of the earlier ones.
    items[0]?.querySelector("h3").focus();
  }),
);

// ---- sign out ----

byId("sign-out").addEventListener("click", () =>
  press(byId("sign-out"), async () => {
    try {
      await api.signOut();
    } catch (error) {
      if (error.code !== "not_signed_in") {
        throw error;
      }
    }
    await leave("/?why=signed-out");
  }),
);

window.addEventListener("pageshow", (event) => {
  if (event.persisted) {
    location.reload();
  }
});

start().catch(failed);
