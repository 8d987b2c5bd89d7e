// What a session may not do yet: confirm in place and do it again, or go where it can be mended.

import * as api from "./api.js";
import { Declined, byId, el, leave, needSignIn, nextPage, speakInto, warn } from "./page.js";
import { noPasskeys, signIn } from "./passkeys.js";
import { signInSteps } from "./sign-in-steps.js";

/** Runs `action` for the account as the page last saw it; what the session lacks is asked for, and the action repeated once. */
export async function withSession(account, action) {
  try {
    return await action();
  } catch (error) {
    if (error.code !== "step_up_required") {
      return sendOn(error);
    }
  }
  await confirmIdentity(account);
  return action().catch(sendOn);
}

/** Throws the error on, unless another page is the answer to it. */
export async function sendOn(error) {
  if (error.code === "not_signed_in") {
    return needSignIn();
  }
  if (error.code === "set_up_required") {
    const next = nextPage(await api.account());
    if (next !== location.pathname) {
      return leave(next);
    }
  }
  throw error;
}

/**
 * Asks first: a prompt of the operating system that nobody expects is a prompt that people learn to wave through. The click also
 * gives the ceremony the user activation that some browsers want. Any sign-in of the same account that admits serves.
 */
function confirmIdentity(account) {
  const status = el("div", { role: "status" });
  const problem = el("p", { class: "problem", role: "alert" });
  const place = el("div", {});
  const cancel = el("button", { type: "button" }, "Cancel");
  const dialog = el(
    "dialog",
    { "aria-labelledby": "step-up-title", "aria-describedby": "step-up-why" },
    el("h2", { id: "step-up-title" }, "Confirm that it is you"),
    el(
      "p",
      { id: "step-up-why" },
      "It has been more than five minutes since you last proved who you are, and this step asks for it again.",
    ),
    status,
    problem,
    place,
    el("div", { class: "actions" }, cancel),
  );
  byId("main").append(dialog);
  const quiet = speakInto(status, problem);

  return new Promise((resolve, reject) => {
    const steps = signInSteps({
      place,
      passkey: signIn,
      begin,
      done: async (result) => {
        if (result.account.id !== account.id) {
          // Another ID's passkey: the session is that ID's now, and this page shows the wrong one.
          await leave(nextPage(result.account));
        }
        // The close event may come after what the action has to say.
        quiet();
        resolve();
        dialog.close();
      },
    });
    steps.name(account.username);

    function begin(why) {
      const parts = firstParts(account, steps);
      place.replaceChildren(...parts.map(({ element }) => element));
      if (why) {
        warn(why);
      }
      (parts[0] ?? { focus: () => cancel.focus() }).focus();
    }

    cancel.addEventListener("click", () => dialog.close());
    // Also on Escape. After `resolve` this rejection changes nothing.
    dialog.addEventListener("close", () => {
      quiet();
      dialog.remove();
      reject(new Declined());
    });
    dialog.showModal();
    begin();
  });
}

/** What the account can begin with and be admitted: a passkey; else a password, or an authenticator where a phone follows. */
function firstParts({ methods }, steps) {
  const parts = [];
  if (methods.passkeys.length > 0 && noPasskeys() === null) {
    parts.push(steps.passkeyPart());
  }
  const pair = methods.phones.length > 0 || methods.authenticator !== null;
  if (methods.password !== null && pair) {
    parts.push(steps.passwordPart());
  } else if (methods.phones.length > 0 && methods.authenticator !== null) {
    parts.push(steps.appPart());
  }
  return parts;
}

/** A question before what cannot be undone. Resolves to whether the person agreed. */
export function ask({ question, consequence, agree, decline = "Cancel" }) {
  const no = el("button", { type: "button" }, decline);
  const yes = el("button", { type: "button", class: "main danger" }, agree);
  const dialog = el(
    "dialog",
    { "aria-labelledby": "ask-title", "aria-describedby": "ask-consequence" },
    el("h2", { id: "ask-title" }, question),
    el("p", { id: "ask-consequence" }, consequence),
    el("div", { class: "actions" }, no, yes),
  );
  byId("main").append(dialog);
  return new Promise((resolve) => {
    no.addEventListener("click", () => dialog.close());
    yes.addEventListener("click", () => {
      resolve(true);
      dialog.close();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(false);
    });
    dialog.showModal();
    // The harmless answer has the focus.
    no.focus();
  });
}
