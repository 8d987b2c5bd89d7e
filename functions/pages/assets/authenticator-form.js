// Adds an authenticator app, or puts another in the place of the one before: a secret for the app, and the first code of it. The set-up
// and the managing of one's ID share it. The secret lives in the page alone: no storage, no address, no log.

import * as api from "./api.js";
import { countExpiry, waits } from "./code-step.js";
import { codeField } from "./fields.js";
import { el, press, say, warn } from "./page.js";
import { OF_APP, sentence } from "./sentences.js";
import { withSession } from "./step-up.js";

const OVER = {
  too_many_requests: "There were too many wrong codes for this QR code. Take what the app has of it out of the app, and begin again.",
};

/**
 * Shows the steps in `place`. `done(account)` gets the account as it is afterwards; `cancel` leaves; `step(name)` is told which of "get"
 * and "scan" is shown.
 */
export function authenticatorForm(place, account, { done, cancel = null, step = () => {} }) {
  const begin = el("button", { type: "button", class: "main" }, "Show the QR code");
  const away = () => cancel && el("button", { type: "button", click: cancel }, "Cancel");
  const get = el(
    "div",
    {},
    el(
      "p",
      {},
      "Any authenticator app does that shows codes of six digits: Google Authenticator, Microsoft Authenticator, 2FAS, Aegis, or the one in " +
        "your password manager. They are free in your phone's app store.",
    ),
    el("div", { class: "actions" }, begin, away()),
  );
  begin.addEventListener("click", () => press(begin, async () => scan(await withSession(account, api.authenticatorEnrol))));

  function start() {
    place.replaceChildren(get);
    step("get");
    begin.focus();
  }

  function scan(begun) {
    // As an image: no parser of this page ever sees it.
    const picture = el("img", {
      class: "qr",
      src: `data:image/svg+xml;charset=utf-8,${encodeURIComponent(begun.qr_svg)}`,
      alt: "QR code for your authenticator app",
    });
    const groups = begun.secret.match(/.{1,4}/g);
    const key = el(
      "p",
      { class: "code key", translate: "no" },
      ...groups.flatMap((group, index) => (index === 0 ? [el("span", {}, group)] : [" ", el("span", {}, group)])),
    );
    const copy = el("button", { type: "button" }, "Copy the key");
    copy.addEventListener("click", () =>
      press(
        copy,
        async () => {
          await navigator.clipboard.writeText(begun.secret);
          say("The key is copied. Paste it into the app as a new entry, based on time.");
        },
        { NotAllowedError: "The browser did not allow copying. Type the key into the app by hand." },
      ),
    );
    const code = codeField();
    code.hint.textContent = "The six digits that the app now shows for this ID.";
    const expiry = el("p", { class: "hint expiry" });
    code.hint.after(expiry);
    const send = el("button", { type: "submit", class: "main" }, "Confirm");
    const again = el("button", { type: "button", class: "plain" }, "Show another QR code");
    again.addEventListener("click", start);
    const form = el("form", { novalidate: true }, code.element, el("div", { class: "actions" }, send, away()));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const digits = code.code();
      if (digits === null) {
        return;
      }
      press(send, async () => {
        let after;
        try {
          after = await confirm(digits);
        } catch (error) {
          refused(error, code);
          return;
        }
        await done(after);
      });
    });
    place.replaceChildren(
      el(
        "div",
        { class: "scan" },
        picture,
        el(
          "div",
          {},
          el("p", {}, "In the app, add an entry and scan this."),
          el("p", { class: "muted" }, "On the phone itself, or without a camera, type this key instead:"),
          key,
          el("div", { class: "actions" }, copy),
        ),
      ),
      form,
      again,
    );
    countExpiry(expiry, waits(begun).expires, "The QR code is good for another", "The QR code is no longer good. Show another one.");
    step("scan");
    code.input.focus();
  }

  const confirmedAt = ({ methods }) => methods.authenticator?.confirmed_at;
  const confirm = (code) =>
    api.orAccount(
      () => withSession(account, () => api.authenticatorConfirm(code)),
      (after) => after.methods.authenticator !== null && confirmedAt(after) !== confirmedAt(account),
    );

  function refused(error, code) {
    if (error.code === "wrong_credentials") {
      code.wrong(sentence(error, OF_APP));
    } else if (error.code === "too_many_requests") {
      start();
      warn(OVER.too_many_requests);
    } else {
      throw error;
    }
  }

  start();
}
