// The recovery code on the screen, with three ways to save it. It lives in the page alone: no storage, no address, no log.

import * as api from "./api.js";
import { el, press, say, time } from "./page.js";
import { withSession } from "./step-up.js";

/**
 * Shows `code` in `place`, and calls `saved` whenever it has been downloaded, copied or printed. Returns a function that takes
 * the code off the page again.
 */
export function showCode(place, { code, issued_at }, account, saved) {
  const text = () =>
    el("p", { class: "code", translate: "no" }, ...code.split("-").flatMap((group, index) =>
      // On the narrowest screens the line breaks between the groups.
      index === 0
        ? [el("span", {}, group)]
        : [el("span", { class: "dash" }, "-"), el("wbr"), el("span", {}, group)],
    ));

  const download = el("button", { type: "button", class: "main" }, "Download");
  download.addEventListener("click", () =>
    press(download, async () => {
      const file = await withSession(account, api.recoveryCodeFile);
      // Another window may have issued a new code since: the file would hold that one, the screen the dead one.
      if (!file.text.includes(code)) {
        throw new api.Problem({ status: 409, code: "not_found" });
      }
      save(file);
      say("The file is on its way to your downloads. Move it to a safe place.");
      saved();
    }, { not_found: "A newer code has been issued since. Reload the page to see it." }),
  );

  const copy = el("button", { type: "button" }, "Copy");
  copy.addEventListener("click", () =>
    press(copy, async () => {
      await navigator.clipboard.writeText(code);
      say("The code is copied. Paste it into a safe place, such as your password manager.");
      saved();
    }, { NotAllowedError: "The browser did not allow copying. Select the code and copy it by hand, or download it." }),
  );

  const print = el("button", { type: "button" }, "Print");
  print.addEventListener("click", () => window.print());
  const printed = () => {
    say("If you printed the code, keep the paper where you keep other important papers.");
    saved();
  };
  window.addEventListener("afterprint", printed);

  place.replaceChildren(
    el(
      "section",
      { class: "card code-card", "aria-label": "Your recovery code" },
      text(),
      el("p", { class: "muted small" }, "Issued ", time(issued_at), ` for ${account.username}`),
      el("div", { class: "actions" }, download, copy, print),
    ),
    el(
      "ul",
      { class: "checks" },
      el("li", {}, "Keep it apart from the device that you sign in with."),
      el("li", {}, "Show it to nobody. Nobody from the portal will ask you for it."),
      el("li", {}, "It works once. When you have used it, you get a new one."),
    ),
  );

  // The printed page is a page of its own: the style sheet hides everything else on paper.
  const sheet = el(
    "div",
    { class: "sheet" },
    el("h1", {}, "Recovery code"),
    el("p", {}, `For the provider portal's ID `, el("strong", {}, account.username), ", issued ", time(issued_at), "."),
    text(),
    el(
      "p",
      {},
      "With this code and your username you regain access when you forget your sign-in information, or when your device is lost or misplaced. It works once.",
    ),
    el("p", {}, "Keep this page in a safe place and show it to nobody. Nobody from the portal will ask you for the code."),
    el("p", {}, `${location.origin}/`),
  );
  document.body.append(sheet);

  return () => {
    window.removeEventListener("afterprint", printed);
    sheet.remove();
    place.replaceChildren();
  };
}

function save({ text, filename }) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  const link = el("a", { href: address, download: filename, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  // The download has its own hold on the blob after this turn of the event loop, in every browser but slow ones.
  setTimeout(() => URL.revokeObjectURL(address), 30_000);
}
