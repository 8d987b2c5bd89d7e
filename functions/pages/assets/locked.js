// What a lock looks like, wherever it is met: for how long, and which other ways there are.

import { el, hold, press } from "./page.js";

/** `name` is what is locked; `ways` are `{ label, go(button) }`; `again` goes back to where it can be tried once the lock is over. */
export function lockedStep({ retryAfter, name, ways, lifts = true, again }) {
  const note = el("p", { id: "locked-for" });
  const retry = el("button", { type: "button" }, `Try the ${name} again`);
  const over = `The lock is over. You can try the ${name} again.`;
  hold([retry], retryAfter ?? 60, note, `The ${name} of this ID is locked for another`, over);
  retry.addEventListener("click", () => press(retry, async () => again()));
  const buttons = ways.map(({ label, go }) => {
    const button = el("button", { type: "button", class: "full" }, label);
    button.addEventListener("click", () => go(button));
    return button;
  });
  const section = el(
    "section",
    { class: "step locked", tabindex: "-1", "aria-label": "Too many wrong attempts", "aria-describedby": "locked-for" },
    el("h2", {}, "Too many wrong attempts"),
    note,
    buttons.length > 0
      ? el("p", {}, lifts ? "You need not wait: each of these gets you in, and lifts the lock." : "You need not wait: each of these gets you in.")
      : null,
    el("div", { class: "stack" }, ...buttons),
    el("p", { class: "muted small" }, "Was it not you? Somebody may be guessing. Nothing is open to them as long as it is locked."),
    retry,
  );
  return { element: section, focus: () => section.focus() };
}
