// `/set-up`: the notice's three set-ups, and the passkey carried out.

import * as api from "./api.js";
import { byId, el, leave, nextPage, policyDate, press, report } from "./page.js";
import { enrol, obstacle } from "./passkeys.js";
import { sendOn, withSession } from "./step-up.js";

const TITLES = {
  passkey: "Passkey",
  authenticator_and_phone: "Authenticator and phone",
  password_and_phone: "Password and phone",
};

async function start() {
  const [account, policy] = await Promise.all([api.account(), api.policy()]).catch(sendOn);
  byId("who").textContent = account.username;
  byId("rule").replaceChildren(rule(policy));
  byId("rule").hidden = false;

  for (const setUp of policy.set_ups) {
    const facts = [
      ["What it is", setUp.what],
      ["How it works", setUp.how],
      ["What to do", setUp.action],
    ].flatMap(([term, text]) => [el("dt", {}, term), el("dd", {}, text)]);
    if (setUp.id === "passkey") {
      byId("passkey-facts").replaceChildren(...facts);
    } else {
      byId("other-set-ups").append(
        el(
          "section",
          { class: "card" },
          el("h3", {}, TITLES[setUp.id] ?? setUp.id),
          el("dl", { class: "facts" }, ...facts),
        ),
      );
    }
  }
  byId("passkey").hidden = false;
  byId("others").hidden = byId("other-set-ups").childElementCount === 0;

  const hindrance = obstacle();
  if (hindrance) {
    byId("cannot").replaceChildren(...hindrance);
    byId("cannot").hidden = false;
    byId("add-passkey").hidden = true;
  } else if (account.set_ups.passkey) {
    byId("add-passkey").hidden = true;
    byId("go-on").hidden = false;
    byId("go-on").setAttribute("href", nextPage(account));
    byId("status").textContent = "Your ID has a passkey. This set-up is done.";
  }

  byId("add-passkey").addEventListener("click", () =>
    press(byId("add-passkey"), async () => {
      await withSession(account.id, () => enrol(account));
      // Asked again, not assumed: what is missing now is the server's to say.
      await leave(nextPage(await api.account()));
    }),
  );
}

function rule({ email_recovery_ends_at, set_up_required_from }) {
  const email = policyDate(email_recovery_ends_at);
  const setUp = policyDate(set_up_required_from);
  const first = email.past
    ? `Since ${email.text}, email no longer gets you back in.`
    : `From ${email.text}, email no longer gets you back in.`;
  const second = setUp.past
    ? "To sign in to the portal you need one of three verified set-ups."
    : `From ${setUp.text}, you need one of three verified set-ups to sign in to the portal.`;
  return `${first} ${second}`;
}

window.addEventListener("pageshow", (event) => {
  if (event.persisted) {
    location.reload();
  }
});

start().catch(report);
