// Every refusal as a sentence that says what to do. The keys are the contract's `code`s and the browser's own error names.

import { Problem, Unreachable } from "./api.js";

const REFUSALS = {
  bad_request: "The portal did not understand that. Check what you entered, reload the page and try again.",
  unsupported_media_type: "The portal did not understand that. Reload the page and try again.",
  method_not_allowed: "The portal does not offer that here. Reload the page and try again.",
  not_found: "That is no longer there. Reload the page to see how things stand.",
  body_too_large: "That was too long. Shorten what you entered and try again.",
  wrong_origin: "This page was not opened at the portal's own address. Open the portal afresh and try again.",
  idempotency_key_reused: "That was sent before with other words. Press the button again.",
  wrong_credentials: "That does not open the ID. Check what you entered and try again.",
  sign_in_expired: "That took longer than it may, or was used before. Start again: the new attempt has all its time.",
  locked: "There were too many wrong attempts.",
  too_many_requests: "That was too often in a short time.",
  unavailable: "The portal cannot answer right now. Nothing is lost.",
  not_signed_in: "Your session has ended. Sign in again to go on.",
  username_taken: "That username is taken. Choose another, or sign in if it is yours.",
  invalid_username: "That username is too short, too long, or has a character that a username cannot have.",
  invalid_email: "Enter an email address, like name@example.org.",
  weak_password: "That password is too easy to guess. Choose a longer one that you use nowhere else.",
  passkey_exists: "This passkey is on your ID already. There is nothing more to do.",
  passkey_refused: "The portal could not take this passkey. Add it again; if that fails too, use another device, browser or security key.",
  would_break_set_up:
    "This is what you sign in with: without it you could no longer get in. Add another way to sign in first, then remove this one.",
  too_many_phones: "Your ID has five numbers, and more it cannot have. Remove one first.",
  no_recovery_code: "You have no recovery code yet. Issue one.",
  step_up_required: "Confirm that it is you, then try again.",
  set_up_required: "Finish your set-up first, and save your recovery code.",
  email_recovery_retired: "Email no longer gets you back in, and codes that were on their way are worthless. Use your recovery code.",
  second_proof_required: "Here the code alone is not enough: another proof goes with it.",
  invalid_phone: "That number cannot be used. Enter a mobile or a direct landline number, without an extension.",
};

/** What `reasons` add to a refusal: every one is a sentence of its own. */
const REASONS = {
  invalid_phone: {
    not_a_number: "That is not a whole phone number. Enter it with its area code, like (212) 555-0123.",
    extension:
      "A number with an extension cannot be used: nobody could dial it for the code. Enter a mobile or a direct landline number.",
    line_type: "That kind of number cannot be used. Enter a mobile or a direct landline number, not an internet, toll-free or premium one.",
    country: "Numbers of that country cannot be used here. Enter another number.",
    text_to_landline: "That number is a landline, and a landline cannot get texts. Have the code told in a call instead.",
    opted_out:
      "That number has said no to texts from here, so none can be sent to it. Have the code told in a call, or use another number.",
  },
  weak_password: {
    too_short: "That password is too short. Use at least 8 characters.",
    too_long: "That password is too long: it has more than 1,024 bytes.",
    common: "That password is on the lists of passwords that are tried first. Choose one that is yours alone.",
    contains_username: "That password contains your username, or is a part of it. Leave the name out.",
    guessable: "That password is too easy to guess. Make it longer, or use a few words that do not belong together.",
  },
};

/** How the places say some of the refusals; see `instead`. */
export const OF_RECOVERY_CODE = {
  wrong_credentials:
    "That code does not open this ID: check the name, every character, and that it is your newest code; if you have no other and no way " +
    "to sign in, you need a new ID, see below.",
  bad_request: "The portal could not read that code. Check every character of it.",
};
export const OF_EMAIL_CODE = {
  wrong_credentials: "That code is not right, or no longer good. Check the digits, or have another email sent.",
  locked: "There were too many wrong codes.",
};
export const OF_PASSKEY = {
  wrong_credentials:
    "That passkey does not open an ID here. It may have been removed. Use another passkey, or register if you are new.",
};
export const OF_PASSWORD = {
  wrong_credentials: "That username and password do not go together. Check both, or get a code by text or call instead.",
  locked: "There were too many wrong passwords.",
};
export const OF_CODE = {
  wrong_credentials: "That code is not right, or no longer good. Check the digits, or have another code sent.",
  locked: "There were too many wrong codes.",
};

export const OF_APP = {
  wrong_credentials:
    "That code is not right, or no longer good. Enter the one that the app shows now; each works once. If none does, " +
    "see that your phone sets its clock by itself.",
  locked: "There were too many wrong codes.",
};

const BROWSER = {
  NotAllowedError:
    "No passkey was used. The request was cancelled, timed out, or your device could not check that it is you. " +
    "See that your fingerprint, face or PIN is set up on this device, then try again.",
  InvalidStateError: "This device has a passkey for your ID already. Sign in with it, or use another device.",
  NotSupportedError: "This device cannot make the kind of passkey that the portal needs. Try another device or security key.",
  ConstraintError:
    "This device cannot check that it is you. Set up a screen lock, fingerprint, face or PIN, then try again.",
  SecurityError: "Passkeys do not work at this address. Open the portal at its own address.",
  OperationError: "Another request for a passkey is open. Close it, then try again.",
  AbortError: "That was stopped. Try again.",
  UnknownError: "Your device could not finish that. Try again, or use another device.",
};

const ANYTHING = "Something went wrong on this page. Reload it and try again.";
const NO_ANSWER = "The portal did not answer. Check your connection, then press the button again: nothing is done twice.";
const OFFLINE = "You are offline. Connect to the internet, then try again.";

/** `instead` says some of the codes in the words of the place. */
export function sentence(error, instead = {}) {
  if (error instanceof Unreachable) {
    return navigator.onLine ? NO_ANSWER : OFFLINE;
  }
  if (error instanceof Problem) {
    const text = instead[error.code] ?? reasons(error) ?? unsent(error) ?? REFUSALS[error.code] ?? fallback(error.status);
    return error.retryAfter === null ? text : `${text} ${wait(error.retryAfter)}`;
  }
  if (error instanceof DOMException) {
    return instead[error.name] ?? BROWSER[error.name] ?? BROWSER.UnknownError;
  }
  return ANYTHING;
}

function fallback(status) {
  return status >= 500 ? REFUSALS.unavailable : REFUSALS.bad_request;
}

function reasons({ code, reasons, suggestions }) {
  const told = reasons.map((reason) => REASONS[code]?.[reason]).filter(Boolean);
  return told.length === 0 ? null : [...told, ...suggestions].join(" ");
}

const UNSENT = { text: "The text could not be sent. Nothing is lost.", call: "The call could not be placed. Nothing is lost." };
const OTHERWISE = { text: "A text may get through: ask for one.", call: "A call may get through: ask for one." };

/** A code that could not be sent: the other channel may be able to. */
function unsent({ code, channel, channels }) {
  if (code !== "unavailable" || !Object.hasOwn(UNSENT, channel ?? "")) {
    return null;
  }
  return [UNSENT[channel], ...channels.map((other) => OTHERWISE[other]).filter(Boolean)].join(" ");
}

/** Rounded up: whoever waits as long as it says is let in. */
export function wait(seconds) {
  const [count, unit] =
    seconds < 90
      ? [Math.max(1, Math.ceil(seconds)), "second"]
      : seconds < 5400
        ? [Math.ceil(seconds / 60), "minute"]
        : [Math.ceil(seconds / 3600), "hour"];
  return `Try again in ${count} ${unit}${count === 1 ? "" : "s"}.`;
}

const METHODS = {
  pwd: "password",
  otp: "authenticator",
  sms: "text message",
  tel: "phone call",
  hwk: "passkey",
  swk: "passkey",
};

/** RFC 8176 values as a person would say them; `user` and `mfa` describe the others and are left out. */
export function provenBy(amr) {
  return [...new Set((amr ?? []).map((value) => METHODS[value]).filter(Boolean))].join(" and ");
}

/** A browser's name for itself, in short. Only a hint for the eye: anyone can send anything. */
export function device(userAgent) {
  const find = (names) => names.find(([pattern]) => pattern.test(userAgent ?? ""))?.[1];
  const browser = find([
    [/Edg(e|A|iOS)?\//, "Edge"],
    [/OPR\//, "Opera"],
    [/(Firefox|FxiOS)\//, "Firefox"],
    [/(Chrome|CriOS)\//, "Chrome"],
    [/Safari\//, "Safari"],
  ]);
  const system = find([
    [/iPhone/, "iPhone"],
    [/iPad/, "iPad"],
    [/Android/, "Android"],
    [/Windows/, "Windows"],
    [/Mac OS X/, "Mac"],
    [/CrOS/, "ChromeOS"],
    [/Linux/, "Linux"],
  ]);
  if (browser && system) {
    return `${browser} on ${system}`;
  }
  return browser ?? system ?? "An unknown device";
}
