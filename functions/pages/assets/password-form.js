// Sets a password, or changes it: a form that the set-up and the managing of one's ID share.

import * as api from "./api.js";
import { nameForManagers, newPasswordField, passwordField } from "./fields.js";
import { el, hold, press } from "./page.js";
import { sentence } from "./sentences.js";
import { withSession } from "./step-up.js";

const OF_CURRENT = {
  wrong_credentials: "That is not your current password.",
  locked: "There were too many wrong passwords. Sign out and in again by a code or a passkey, and the lock is lifted.",
};

/**
 * `done(account)` gets the account as it is afterwards; `cancel` adds a button that calls it; `anew` sets it without the old one, as a
 * session may that a recovery began.
 */
export function passwordForm(account, { submit, done, cancel = null, anew = false }) {
  const has = account.methods.password !== null && !anew;
  const current = has ? passwordField("Current password", { autocomplete: "current-password", name: "current" }) : null;
  const fresh = newPasswordField(has ? "New password" : "Password");
  const send = el("button", { type: "submit", class: "main" }, submit);
  const note = el("p", { class: "hint" });
  const away = cancel && el("button", { type: "button" }, "Cancel");
  away?.addEventListener("click", cancel);
  const form = el(
    "form",
    { novalidate: true },
    nameForManagers(account.username),
    current && current.element,
    fresh.element,
    el("div", { class: "actions" }, send, away),
    note,
  );

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    current?.hide();
    fresh.hide();
    const body = { password: fresh.input.value, ...(current && { current: current.input.value }) };
    // The last that is marked has the focus: the first.
    fresh.wrong(fresh.lacks() === 0 ? "" : sentence(new api.Problem({ status: 422, code: "weak_password", reasons: ["too_short"] })));
    current?.wrong(body.current === "" ? "Enter your current password." : "");
    if (fresh.lacks() > 0 || body.current === "") {
      return;
    }
    press(
      send,
      async () => {
        try {
          await done(await withSession(account, () => set(body)));
        } catch (error) {
          if (error.code === "wrong_credentials" && current) {
            current.wrong(sentence(error, OF_CURRENT));
          } else if (error.code === "weak_password") {
            fresh.wrong(sentence(error));
          } else {
            if (error.status === 429 && error.retryAfter !== null) {
              hold([send], error.retryAfter, note, "You can try again in", "You can try again now.");
            }
            throw error;
          }
        }
      },
      OF_CURRENT,
    );
  });

  const changedAt = ({ methods }) => methods.password?.changed_at;
  const set = (body) =>
    api.orAccount(
      () => api.passwordSet(body),
      (after) => after.methods.password !== null && changedAt(after) !== changedAt(account),
    );

  return { element: form, focus: () => (current ?? fresh).input.focus() };
}
