// What a session may not do yet: confirm in place and do it again, or go where it can be mended.

import * as api from "./api.js";
import { Declined, byId, el, leave, needSignIn, nextPage } from "./page.js";
import { signIn } from "./passkeys.js";
import { sentence } from "./sentences.js";

/** Runs `action`; what the session lacks for it is asked for, and the action repeated once. */
export async function withSession(accountId, action) {
  try {
    return await action();
  } catch (error) {
    if (error.code !== "step_up_required") {
      return sendOn(error);
    }
  }
  await confirmIdentity(accountId);
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

/** The ways to confirm; a method to come adds its own here. Each returns a sign-in's result. */
const WAYS = [{ label: "Use a passkey", confirm: () => signIn() }];

/**
 * Asks first: a prompt of the operating system that nobody expects is a prompt that people learn to wave through. The click also
 * gives the ceremony the user activation that some browsers want.
 */
function confirmIdentity(accountId) {
  const title = el("h2", { id: "step-up-title" }, "Confirm that it is you");
  const problem = el("p", { class: "problem", role: "alert" });
  const cancel = el("button", { type: "button" }, "Cancel");
  const actions = el("div", { class: "actions" }, cancel);
  const dialog = el(
    "dialog",
    { "aria-labelledby": "step-up-title", "aria-describedby": "step-up-why" },
    title,
    el(
      "p",
      { id: "step-up-why" },
      "It has been more than five minutes since you last signed in. For this step the portal needs to see your passkey again.",
    ),
    problem,
    actions,
  );
  byId("main").append(dialog);

  return new Promise((resolve, reject) => {
    const buttons = WAYS.map(({ label, confirm }) => {
      const button = el("button", { type: "button", class: "main" }, label);
      button.addEventListener("click", async () => {
        if (button.getAttribute("aria-busy") === "true") {
          return;
        }
        button.setAttribute("aria-busy", "true");
        problem.textContent = "";
        try {
          const result = await confirm();
          if (result.account.id !== accountId) {
            // Another ID's passkey: the session is that ID's now, and this page shows the wrong one.
            await leave(nextPage(result.account));
          }
          resolve();
          dialog.close();
        } catch (error) {
          problem.textContent = sentence(error);
        } finally {
          button.removeAttribute("aria-busy");
        }
      });
      return button;
    });
    actions.append(...buttons);
    cancel.addEventListener("click", () => dialog.close());
    // Also on Escape. After `resolve` this rejection changes nothing.
    dialog.addEventListener("close", () => {
      dialog.remove();
      reject(new Declined());
    });
    dialog.showModal();
    buttons[0].focus();
  });
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
