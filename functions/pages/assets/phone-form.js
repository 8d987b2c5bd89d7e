// Adds a phone: its number, text or call, and the code that proves it. The set-up and the managing of one's ID share it.

import * as api from "./api.js";
import { codeStep } from "./code-step.js";
import { choice, numberField } from "./fields.js";
import { el, hold, press, say, warn } from "./page.js";
import { OF_CODE, sentence } from "./sentences.js";
import { withSession } from "./step-up.js";

const OVER = {
  too_many_requests: "There were too many wrong codes for this number. Have another one sent.",
  locked: "There were too many wrong codes for this number. Have another one sent.",
  not_found: "That took longer than it may. Have another code sent.",
  sign_in_expired: "That took longer than it may. Have another code sent.",
};

/**
 * Shows the steps in `place`. `done(account, phone)` gets the account as it is afterwards; `cancel` leaves; `step(name)` is told which of
 * "number" and "code" is shown.
 */
export function phoneForm(place, account, { done, cancel = null, cancelLabel = "Cancel", step = () => {} }) {
  const number = numberField();
  const how = choice("How should the code reach you?", [
    { value: "text", label: "By text message", hint: "to a mobile" },
    { value: "call", label: "By phone call", hint: "to a mobile or a landline" },
  ]);
  const send = el("button", { type: "submit", class: "main" }, "Send the code");
  const note = el("p", { class: "hint" });
  const away = cancel && el("button", { type: "button" }, cancelLabel);
  away?.addEventListener("click", cancel);
  const form = el("form", { novalidate: true }, number.element, how.element, el("div", { class: "actions" }, send, away), note);

  const label = () => (send.textContent = how.value() === "text" ? "Send the code" : "Call me with the code");
  how.element.addEventListener("change", label);
  // Another number may well take texts.
  number.input.addEventListener("input", () => how.allow(["text", "call"]));

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (number.input.value.trim() === "") {
      number.wrong("Enter your phone number.");
      return;
    }
    number.wrong("");
    press(send, async () => {
      const channel = how.value();
      let sent;
      try {
        sent = await withSession(account, () => api.phoneAdd({ number: number.input.value.trim(), channel }));
      } catch (error) {
        refused(error);
        return;
      }
      enterCode(sent, channel);
    });
  });

  function refused(error) {
    if (error.code === "invalid_phone") {
      if (error.reasons.some((reason) => reason === "text_to_landline" || reason === "opted_out")) {
        how.allow(["call"]);
        how.choose("call");
        label();
      }
      number.wrong(sentence(error));
      return;
    }
    if (error.channels?.length === 1) {
      how.choose(error.channels[0]);
      label();
    }
    if (error.code === "too_many_requests" && error.retryAfter !== null) {
      hold([send], error.retryAfter, note, "A code can be sent in", "You can have a code sent now.");
    }
    throw error;
  }

  function enterCode(sent, channel) {
    const typed = number.input.value.trim();
    // Each sending is an enrolment of its own; the last one's code is the one that counts.
    let { id } = sent;
    const it = codeStep({
      title: "Enter the code",
      sent,
      channel,
      channels: sent.channels,
      submit: "Confirm the number",
      again: async (by) => {
        const answer = await withSession(account, () => api.phoneAdd({ number: typed, channel: by }));
        ({ id } = answer);
        return answer;
      },
      verify: async (code) => {
        const after = await confirm(id, code);
        await done(after, { ending: sent.ending });
      },
      elsewhere: (error, verifying) => {
        const over = verifying && Object.hasOwn(OVER, error.code ?? "");
        if (over) {
          enterNumber();
          warn(sentence(error, OVER));
        }
        return over;
      },
      back: { label: "Use another number", go: enterNumber },
    });
    place.replaceChildren(it.element);
    step("code");
    it.focus();
    if (sent.line_type === "landline") {
      say("This is a landline: codes reach it by call only.");
    }
  }

  function confirm(id, code) {
    const verified = ({ methods }) => methods.phones.find((phone) => phone.id === id)?.verified_at;
    return api.orAccount(
      () => api.phoneConfirm(id, code),
      (after) => verified(after) !== verified(account),
    );
  }

  function enterNumber() {
    place.replaceChildren(form);
    step("number");
    number.input.focus();
  }

  enterNumber();
}
