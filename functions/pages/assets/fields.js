// Form fields with their label, hint and error; the password that can be shown; the phone number that is set out as it is typed.

import { el } from "./page.js";

let fields = 0;

/** A page may hold two of a kind, one of them in a dialog: their ids must differ. */
const unique = (name) => `${name}-${(fields += 1)}`;

/** A labelled input. `wrong` says what is wrong with it, beside it, and takes the focus there; empty, all is well again. */
export function field(label, attributes, ...hints) {
  const id = unique(attributes.name ?? "field");
  const input = el("input", { id, type: "text", required: true, "aria-describedby": `${id}-hint ${id}-wrong`, ...attributes });
  const hint = el("p", { class: "hint", id: `${id}-hint` }, ...hints);
  const error = el("p", { class: "wrong", id: `${id}-wrong` });
  const element = el("div", { class: "field" }, el("label", { for: id }, label), input, hint, error);
  return { element, input, hint, wrong: (text) => markField(input, error, text) };
}

export function markField(input, error, text) {
  // Emptied and filled again, so that the same words are heard again.
  error.textContent = text;
  if (text === "") {
    input.removeAttribute("aria-invalid");
    return;
  }
  input.setAttribute("aria-invalid", "true");
  input.focus();
  input.select();
}

/** Whoever sees what they type makes fewer mistakes (NIST SP 800-63B-4 §3.1.1.2). Returns what hides it again, as the form goes out. */
export function showable(input) {
  const button = el("button", { type: "button", class: "plain show", "aria-pressed": "false", "aria-controls": input.id }, "Show");
  const name = el("span", { class: "visually-hidden" }, " the password");
  button.append(name);
  const set = (shown) => {
    input.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
  };
  button.addEventListener("click", () => set(input.type === "password"));
  const row = el("div", { class: "secret" });
  input.replaceWith(row);
  row.append(input, button);
  return () => set(false);
}

export function passwordField(label, { autocomplete, name = "password" }, ...hints) {
  const it = field(label, { name, type: "password", autocomplete, autocapitalize: "none", spellcheck: "false" }, ...hints);
  const hide = showable(it.input);
  return { ...it, hide };
}

const SHORTEST_PASSWORD = 8;

/** A password to come: how much is missing is seen as it is typed; how good it is, the server says. */
export function newPasswordField(label) {
  const it = passwordField(
    label,
    { autocomplete: "new-password", name: "new-password" },
    `At least ${SHORTEST_PASSWORD} characters. A few words that do not belong together make a good one; spaces are welcome. `,
  );
  const missing = el("span", { class: "count" });
  it.hint.append(missing);
  const lacks = () => Math.max(0, SHORTEST_PASSWORD - [...it.input.value.normalize("NFC")].length);
  it.input.addEventListener("input", () => {
    const left = lacks();
    missing.textContent = it.input.value === "" ? "" : left > 0 ? `${left} more to go.` : "Long enough.";
  });
  return { ...it, lacks };
}

/** Password managers look for the name that a password belongs to, also where nobody has to type it. */
export const nameForManagers = (username) =>
  el("input", { type: "text", name: "username", autocomplete: "username", value: username, readonly: true, hidden: true });

/** Six digits, from a text, a call or an app. Spaces and dashes, as people type and paste them, count for nothing. */
export function codeField() {
  const it = field(
    "Code",
    { name: "code", class: "digits", autocomplete: "one-time-code", inputmode: "numeric", spellcheck: "false", maxlength: "20" },
    "Six digits.",
  );
  const code = () => {
    const digits = it.input.value.normalize("NFKC").replace(/[\s\p{Dash}]/gu, "");
    if (/^\d{6}$/.test(digits)) {
      it.wrong("");
      return digits;
    }
    it.wrong("Enter the six digits of the code.");
    return null;
  };
  return { ...it, code };
}

const SYMBOLS = 16;

/** Crockford's base 32, of which digits are a part: what looks like another symbol is that symbol. */
const symbolsOf = (text) =>
  text
    .normalize("NFKC")
    .replace(/[\s\p{Dash}]/gu, "")
    .toUpperCase()
    .replace(/[IL]/g, "1")
    .replace(/O/g, "0");

/** Set out in fours, as far as it is typed. What holds anything else stays as it is, and is told when it is sent. */
export function setOutCode(text) {
  const symbols = symbolsOf(text);
  return /^[0-9A-HJKMNP-TV-Z]{1,16}$/.test(symbols) ? symbols.match(/.{1,4}/g).join("-") : text;
}

/** The one code in what was pasted, which may be the whole line or file that it was saved in; else what was pasted. */
export function codeAmong(text) {
  const groups = /(?<![0-9A-Z])[0-9A-Z]{4}(?:[\s\p{Dash}]?[0-9A-Z]{4}){3}(?![0-9A-Z])/giu;
  const found = [...new Set((text.normalize("NFKC").match(groups) ?? []).map(setOutCode))].filter((code) => code.length === SYMBOLS + 3);
  return found.length === 1 ? found[0] : text;
}

export function recoveryCodeField() {
  const it = field(
    "Recovery code",
    {
      name: "recovery-code",
      class: "digits recovery",
      autocomplete: "off",
      autocapitalize: "characters",
      spellcheck: "false",
      maxlength: "60",
      translate: "no",
    },
    "16 characters, in groups of four. Dashes and spaces do not matter. ",
  );
  const { input } = it;
  const missing = el("span", { class: "count" });
  it.hint.append(missing);
  const count = () => {
    const left = SYMBOLS - symbolsOf(input.value).length;
    missing.textContent = input.value === "" || left < 0 ? "" : left > 0 ? `${left} more to go.` : "Complete.";
  };
  input.addEventListener("input", (event) => {
    // As a phone number: only behind what was just typed.
    const typing = !event.isComposing && !(event.inputType ?? "").startsWith("delete");
    if (typing && input.selectionEnd === input.value.length) {
      input.value = setOutCode(input.value);
    }
    count();
  });
  input.addEventListener("paste", (event) => {
    const pasted = event.clipboardData?.getData("text/plain") ?? "";
    const found = codeAmong(pasted);
    if (found !== pasted) {
      event.preventDefault();
      input.value = found;
      count();
    }
  });
  input.addEventListener("change", () => {
    input.value = setOutCode(input.value);
    count();
  });
  /** As it goes out, or null where it cannot be a code. */
  const symbols = () => {
    const given = symbolsOf(input.value);
    it.wrong(
      given === ""
        ? "Enter your recovery code."
        : /[^0-9A-HJKMNP-TV-Z]/.test(given)
          ? "A recovery code has digits and letters only, and never the letter U. Check what you entered."
          : given.length !== SYMBOLS
            ? `A recovery code has ${SYMBOLS} characters; this has ${given.length}. Check what you entered.`
            : "",
    );
    return given.length === SYMBOLS && setOutCode(given).length === SYMBOLS + 3 ? setOutCode(given) : null;
  };
  return { ...it, symbols };
}

export function numberField() {
  const it = field(
    "Phone number",
    { name: "number", type: "tel", autocomplete: "tel", inputmode: "tel", maxlength: "40" },
    "A mobile, or a direct landline. Numbers with an extension cannot be used. A landline gets calls only, never texts.",
  );
  it.input.addEventListener("input", (event) => {
    const { input } = it;
    // Only behind what was just typed: whoever corrects something in the middle, or deletes, is left alone.
    const typing = !event.isComposing && !(event.inputType ?? "").startsWith("delete");
    if (typing && input.selectionEnd === input.value.length) {
      setOut(input);
    }
  });
  it.input.addEventListener("change", () => setOut(it.input));
  return it;
}

function setOut(input) {
  const better = setOutNumber(input.value);
  if (better !== input.value) {
    input.value = better;
  }
}

/** A number of the North American plan as people write it, whole or begun. Anything else stays as it was typed. */
export function setOutNumber(text) {
  const [, plus, rest] = /^\s*(\+?)([\d\s().-]*)$/.exec(text) ?? [];
  if (rest === undefined) {
    return text;
  }
  const digits = rest.replace(/\D/g, "");
  const country = digits.startsWith("1");
  const national = country ? digits.slice(1) : digits;
  if ((plus && !country) || national.length > 10 || national.length < 4 || /^[01]/.test(national)) {
    return text;
  }
  const area = `(${national.slice(0, 3)}) ${national.slice(3, 6)}`;
  const line = national.length > 6 ? `-${national.slice(6)}` : "";
  return `${country ? `${plus}1 ` : ""}${area}${line}`;
}

/** One of a few, each a radio button. `options` are `{ value, label, hint? }`; `value` is what is chosen. */
export function choice(legend, options) {
  const name = unique("choice");
  const inputs = options.map(({ value }, index) =>
    el("input", { type: "radio", name, id: `${name}-${index}`, value, checked: index === 0 }),
  );
  const element = el(
    "fieldset",
    { class: "field choice" },
    el("legend", {}, legend),
    ...options.map(({ label, hint = null }, index) =>
      el(
        "div",
        { class: "option" },
        inputs[index],
        el("label", { for: `${name}-${index}` }, label, hint && el("span", { class: "muted small" }, ` ${hint}`)),
      ),
    ),
  );
  return {
    element,
    value: () => inputs.find((input) => input.checked)?.value,
    choose: (value) => inputs.forEach((input) => (input.checked = input.value === value)),
    /** What cannot be chosen is seen, and cannot be chosen. */
    allow: (values) => inputs.forEach((input) => (input.disabled = !values.includes(input.value))),
  };
}
