// `/recovery-code`: the code is issued when there is none, shown, and saved before the page lets go.

import * as api from "./api.js";
import { Declined, byId, carried, leave, leaveWith, nextPage, press, say, sayWhy } from "./page.js";
import { showCode } from "./recovery-code-card.js";
import { sendOn, withSession } from "./step-up.js";

const tryAgain = byId("try-again");
const goOn = byId("continue");
let saved = false;

async function start() {
  sayWhy();
  if (carried("recovered")) {
    byId("came-by").textContent = "Get back in";
  }
  const account = await api.account().catch(sendOn);
  byId("who").textContent = account.username;
  if (nextPage(account) === "/set-up") {
    // A code alone is no set-up: first things first.
    return leave("/set-up");
  }
  showCode(byId("code"), await codeOf(account), account, markSaved);
  byId("leave").hidden = false;
  window.addEventListener("beforeunload", keep);
}

/**
 * The account is asked anew at every try, so it knows of a code whose answer was lost: a second one would be one too many. Two
 * windows at once: the one that comes later shows the later code.
 */
async function codeOf(account) {
  if (account.recovery_code === null) {
    await withSession(account, api.recoveryCodeIssue);
  }
  return withSession(account, api.recoveryCode);
}

function markSaved() {
  saved = true;
  window.removeEventListener("beforeunload", keep);
  goOn.removeAttribute("aria-disabled");
  goOn.removeAttribute("aria-describedby");
  byId("why-not").hidden = true;
}

function keep(event) {
  event.preventDefault();
}

/** The reason stands beside the button all along; emptied and filled again it is announced, as it is pressed. */
function explain() {
  const reason = byId("why-not");
  const text = reason.textContent;
  reason.textContent = "";
  reason.classList.add("note", "warn");
  requestAnimationFrame(() => (reason.textContent = text));
}

goOn.addEventListener("click", () => {
  if (saved) {
    if (carried("recovered")) {
      leaveWith({ recovered: carried("recovered") }, "/manage");
    } else {
      location.assign("/manage");
    }
  } else {
    explain();
  }
});

async function begin() {
  tryAgain.hidden = true;
  const well = await press(tryAgain, () =>
    start().catch((error) => {
      if (error instanceof Declined) {
        say("The code is shown once you confirm that it is you.");
        tryAgain.hidden = false;
        return;
      }
      throw error;
    }),
  );
  if (!well) {
    tryAgain.hidden = false;
  }
}

tryAgain.addEventListener("click", begin);

window.addEventListener("pageshow", (event) => {
  if (event.persisted) {
    location.reload();
  }
});

begin();
