// `/recover`: back in by the recovery code; by a code to the email address as long as the policy has it.

import * as api from "./api.js";
import { codeStep } from "./code-step.js";
import { field, recoveryCodeField } from "./fields.js";
import { lockedStep } from "./locked.js";
import { dateOf, left, notice, watch } from "./notice.js";
import { byId, carried, el, hold, hush, leave, leaveWith, nextPage, offerToGoOn, press, report, warn } from "./page.js";
import { inPlace, signIn } from "./passkeys.js";
import { OF_EMAIL_CODE, OF_RECOVERY_CODE, sentence } from "./sentences.js";
import { signInSteps } from "./sign-in-steps.js";

const who = field(
  "Username or email",
  { name: "username", autocomplete: "username", autocapitalize: "none", spellcheck: "false", maxlength: "254" },
);
const code = recoveryCodeField();
const send = el("button", { type: "submit", class: "main full" }, "Get back in");
const note = el("p", { class: "hint" });
byId("by-code").append(who.element, code.element, send, note);

async function start() {
  if (!inPlace()) {
    return;
  }
  who.input.value = carried("username") ?? "";
  const [policy, account] = await Promise.all([
    notice().catch((error) => {
      // The code needs no policy.
      report(error);
      return null;
    }),
    api.account().catch(() => null),
  ]);
  if (policy !== null) {
    offerEmail(policy);
  }
  if (account === null) {
    open();
  } else {
    offerToGoOn(account, open, who.input);
  }
}

function open() {
  byId("ways").hidden = false;
  (who.input.value === "" ? who : code).input.focus();
}

/** The session that a recovery begins may set up anew: that is the next page, and it knows from where. */
const recovered = (by) => leaveWith({ recovered: by }, "/set-up");

function showStep({ element, focus }) {
  hush();
  byId("ways").hidden = true;
  byId("steps").replaceChildren(element);
  byId("steps").hidden = false;
  focus();
}

function begin(why, input = code.input) {
  byId("steps").hidden = true;
  byId("steps").replaceChildren();
  byId("ways").hidden = false;
  if (why) {
    warn(why);
  }
  input.focus();
}

// ---- by the recovery code ----

const redeem = api.keyed(api.recoverByCode);

/** No username has an @, and every address has one. */
const named = (text) => (text.includes("@") ? { email: text } : { username: text.toLowerCase() });

byId("by-code").addEventListener("submit", (event) => {
  event.preventDefault();
  const given = who.input.value.trim();
  const symbols = code.symbols();
  // The last that is marked has the focus: the first.
  who.wrong(given === "" ? "Enter your username, or the email address of your ID." : "");
  if (given !== "" && symbols !== null) {
    press(send, () => recover({ code: symbols, ...named(given) }), OF_RECOVERY_CODE);
  }
});

async function recover(body) {
  try {
    await redeem(body);
  } catch (error) {
    if (error.code === "wrong_credentials") {
      code.wrong(sentence(error, OF_RECOVERY_CODE));
      return;
    }
    if (error.code === "locked") {
      // What was counted by an address is lifted by nothing but time.
      showStep(locked(error, "recovery code", { username: body.username, lifts: body.username !== undefined }));
      return;
    }
    if (error.code === "second_proof_required") {
      proveAsWell(body);
      return;
    }
    if (error.code === "too_many_requests" && error.retryAfter !== null) {
      hold([send], error.retryAfter, note, "You can try again in", "You can try again now.");
    }
    throw error;
  }
  code.input.value = "";
  await recovered("code");
}

/** The other ways begin on the sign-in page. */
function locked({ retryAfter, unlock }, name, { username = "", lifts, also = [] }) {
  const go = () => leaveWith({ username }, "/");
  const labels = { passkey: "Use a passkey", phone: "Get a code by text or call" };
  const ways = unlock.filter((way) => Object.hasOwn(labels, way)).map((way) => ({ label: labels[way], go }));
  return lockedStep({ retryAfter, name, ways: [...also, ...ways], lifts, again: () => begin() });
}

/**
 * Where the deployment asks for a second proof beside the code (NIST SP 800-63B-4 §4.2.2.2): a sign-in is begun with what the person
 * still has, and goes along with the code.
 */
function proveAsWell(body) {
  if (body.username === undefined) {
    who.wrong("Here the code alone is not enough: another proof goes with it, and for that your username is needed, not your email.");
    return;
  }
  const steps = signInSteps({
    place: byId("steps"),
    passkey: signIn,
    begin,
    // What was proven let them in: the code is not needed, and not spent.
    done: ({ status, account }) => leave(status === "signed_in" ? "/manage" : nextPage(account)),
    shown: () => (byId("ways").hidden = true),
    next: ({ sign_in }) => {
      begin();
      return recover({ ...body, sign_in });
    },
  });
  steps.name(body.username);
  const parts = [steps.passwordPart(), steps.phonePart()];
  const back = el("button", { type: "button", class: "plain" }, "Back to the code");
  back.addEventListener("click", () => begin());
  showStep({
    element: el(
      "section",
      { class: "step", "aria-label": "Another proof" },
      el("h2", {}, "Another proof as well"),
      el("p", {}, "Here the code alone is not enough. Prove one more thing that you still have, and the code is used."),
      ...parts.map(({ element }) => element),
      back,
    ),
    focus: () => parts[0].focus(),
  });
}

// ---- by email, until it ends ----

const mailbox = field("Username", {
  name: "email-username",
  autocomplete: "username",
  autocapitalize: "none",
  spellcheck: "false",
  maxlength: "64",
});
const sendEmail = el("button", { type: "submit", class: "full" }, "Email me a code");
const emailNote = el("p", { class: "hint" });
byId("email-form").append(mailbox.element, sendEmail, emailNote);

function offerEmail({ email_recovery_ends_at: end, now }) {
  mailbox.input.value = carried("username") ?? "";
  const until = byId("email-until");
  watch(until, end, now, (rest) => {
    if (rest <= 0) {
      emailIsOver(end, now);
      return;
    }
    const { text } = dateOf(end, now());
    const timer = el("strong", { role: "timer", class: "left" }, left(rest));
    if (byId("by-email").hidden) {
      until.replaceChildren("It gets you back in until ", el("time", { datetime: end }, text), ". ", timer);
      byId("by-email").hidden = false;
    } else {
      until.querySelector(".left").textContent = timer.textContent;
    }
  });
}

function emailIsOver(end, now) {
  byId("by-email").hidden = true;
  byId("email-over").textContent = `Since ${dateOf(end, now()).text}, email no longer gets you back in. Your recovery code does.`;
  byId("email-over").hidden = false;
}

/** Also where the page was not told in time, and in the middle of it. */
function emailRetired(error) {
  byId("by-email").hidden = true;
  begin(sentence(error), who.input.value === "" ? who.input : code.input);
}

byId("email-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const username = mailbox.input.value.trim().toLowerCase();
  mailbox.wrong(username === "" ? "Enter your username: the code goes to its email address." : "");
  if (username !== "") {
    press(sendEmail, () => guarded(username, async () => showStep(emailStep(username, await api.recoveryEmailSend(username)))), OF_EMAIL_CODE);
  }
});

async function guarded(username, action) {
  try {
    await action();
  } catch (error) {
    if (error.code === "too_many_requests" && error.retryAfter !== null) {
      hold([sendEmail], error.retryAfter, emailNote, "A code can be sent in", "You can have a code sent now.");
    }
    if (!elsewhere(username)(error)) {
      throw error;
    }
  }
}

const elsewhere = (username) => (error) => {
  if (error.code === "email_recovery_retired") {
    emailRetired(error);
    return true;
  }
  if (error.code === "locked") {
    const also = [{ label: "Use my recovery code", go: () => begin() }];
    showStep(locked(error, "email code", { username, lifts: false, also }));
    return true;
  }
  if (error.code === "sign_in_expired") {
    begin(sentence(error), mailbox.input);
    return true;
  }
  return false;
};

function emailStep(username, sent) {
  let { recovery } = sent;
  return codeStep({
    title: "Enter the code",
    sent,
    channel: "email",
    channels: ["email"],
    submit: "Get back in",
    again: async () => {
      const answer = await api.recoveryEmailSend(username);
      ({ recovery } = answer);
      return answer;
    },
    verify: async (digits) => {
      await api.recoveryEmailVerify({ recovery, code: digits });
      await recovered("email");
    },
    elsewhere: elsewhere(username),
    back: { label: "Use another way", go: () => begin() },
  });
}

byId("back").addEventListener("click", (event) => {
  const username = who.input.value.trim();
  if (username !== "" && !username.includes("@") && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    leaveWith({ username }, "/");
  }
});

window.addEventListener("pageshow", (event) => {
  if (event.persisted) {
    location.reload();
  }
});

start();
