// The notice, lived through: an account of old in December, in February and on the day, by the clock of the local run.

import assert from "node:assert/strict";

import { authenticator, open } from "./browser.mjs";

const DAY = "2025-03-07T06:00:00.000Z";
const PASSWORD = "copper lantern under seven bridges";
const FEBRUARY_PASSWORD = "violet harbour beneath nine ladders";
const CODE = /^\d{4}(-\d{4}){3}$/;

/** Adds the steps to those of the flow; `tools` are what it has at hand. */
export function recovery(tools) {
  const { step, base, browser, button, heading, expectSaid, at, clock, codeSent, outboxEmptied, shownCode } = tools;
  const { accessible, narrow, picture, nothingKept, loseOnce } = tools;

  const username = `dr.okafor-${Date.now().toString(36)}`;
  const email = `okafor-${Date.now().toString(36)}@clinic.example`;
  let window_;
  let desk;
  let device;
  const codes = [];

  const now = (instant) => clock({ set: instant });
  const dates = () => desk.locator("#dates");
  const codeField = () => desk.getByLabel("Recovery code", { exact: true });
  const clean = () => assert.deepEqual(window_.faults, [], "nothing in the console, no CSP violation");

  const enterPassword = async (password) => {
    await desk.goto("/");
    await desk.locator("#username").fill(username);
    await desk.locator("#password").fill(password);
    await button("Sign in with a password", desk).click();
  };

  /** The status of a request for a token, and the contract's code where it is refused. */
  const token = () =>
    desk.evaluate(async () => {
      const headers = { "Content-Type": "application/json" };
      const response = await fetch("/v1/session/token", { method: "POST", headers, body: "{}" });
      return [response.status, (await response.json()).code ?? null];
    });

  const saveCode = async () => {
    await at("/recovery-code", desk);
    await shownCode(desk).waitFor();
    const code = (await shownCode(desk).textContent()).trim();
    assert.match(code, CODE);
    const download = desk.waitForEvent("download");
    await button("Download", desk).click();
    await download;
    await button("Continue", desk).click();
    await at("/manage", desk);
    await desk.getByText("Ready for the portal").waitFor();
    codes.push(code);
  };

  const recoverBy = async (code) => {
    await desk.goto("/recover");
    await desk.getByLabel("Username or email").fill(username);
    await codeField().fill(code);
    await button("Get back in", desk).click();
  };

  const leaveSession = async () => {
    await desk.goto("/manage");
    await button("Sign out", desk).click();
    await expectSaid(/You are signed out/, desk);
  };

  step("December: the dates stand on the sign-in page, and the three choices in a table", async () => {
    await now("2024-12-10T15:00:00.000Z");
    window_ = await open(browser(), base);
    desk = window_.page;
    // An account of old: a password and an address, as the portal took it over.
    const made = await fetch(new URL("/v1/accounts", base), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ username, email, password: PASSWORD }),
      signal: AbortSignal.timeout(5_000),
    });
    assert.equal(made.status, 201);
    await desk.goto("/");
    await dates().getByText(/From 7 March 2025.*three verified set-ups and a saved recovery code.*email no longer/).waitFor();
    await dates().getByText("86 days left").waitFor();
    await accessible("sign in, with the dates", desk);
    await narrow("sign in, with the dates", desk);
    await desk.getByRole("link", { name: "What do I need to sign in?" }).click();
    await at("/help", desk);
    const table = desk.getByRole("table");
    assert.deepEqual(await table.getByRole("columnheader").allTextContents(), ["Set-up", "What it is", "How it works", "Action needed"]);
    assert.deepEqual(await table.getByRole("rowheader").allTextContents(), ["Passkey", "Authenticator and phone", "Password and phone"]);
    assert.equal(await table.getByRole("cell").count(), 9);
    await table.getByRole("cell", { name: "Verify your phone number.", exact: true }).waitFor();
    await accessible("help", desk);
    await narrow("help", desk);
    await desk.setViewportSize({ width: 390, height: 780 });
    assert.equal(await table.getByRole("row").count(), 4, "on a phone it still is a table to whoever listens");
    await accessible("help, on a phone", desk);
    await desk.setViewportSize({ width: 1000, height: 760 });
    await picture("help", desk);
    clean();
  });

  step("December: it signs in by its password, and is told what is needed and by when", async () => {
    await enterPassword(PASSWORD);
    await heading(/something is missing/, desk).waitFor();
    await desk.getByText(/Complete a set-up by 7 March 2025.*: add a passkey, or verify a phone number\./).waitFor();
    assert.equal(await desk.getByText("Save your recovery code").count(), 0, "of the code nothing before January");
    assert.match(await desk.evaluate(() => document.activeElement.textContent), /something is missing/);
    await accessible("signed in, prompted", desk);
    await narrow("signed in, prompted", desk);
    await picture("prompted", desk);
    assert.deepEqual(await token(), [200, null], "before the day the password is enough");
    await desk.getByRole("link", { name: "Later" }).click();
    await at("/manage", desk);
    await dates().getByText("86 days left").waitFor();
    await leaveSession();
  });

  step("January: on the next sign-in it is told again, and of the code as well", async () => {
    await now("2025-01-06T05:59:59.000Z");
    await enterPassword(PASSWORD);
    await heading(/something is missing/, desk).waitFor();
    assert.equal(await desk.getByText("Save your recovery code").count(), 0);
    await now("2025-01-06T06:00:00.000Z");
    await leaveSession();
    await enterPassword(PASSWORD);
    await heading(/something is missing/, desk).waitFor();
    await desk.getByText("Save your recovery code by 7 March 2025").waitFor();
    await leaveSession();
    clean();
  });

  step("February: the password is forgotten, and the email gets it back in", async () => {
    await now("2025-02-10T15:00:00.000Z");
    await desk.goto("/");
    await desk.locator("#username").fill(username);
    await desk.getByRole("link", { name: "I cannot sign in" }).click();
    await at("/recover", desk);
    await heading("With your email, for now", desk).waitFor();
    assert.equal(new URL(desk.url()).search, "", "no name in the address");
    assert.equal(await desk.getByLabel("Username", { exact: true }).inputValue(), username, "the name came along");
    await desk.getByText(/until 7 March 2025/).waitFor();
    await desk.getByText("24 days left").waitFor();
    await accessible("recover", desk);
    await narrow("recover", desk);
    await picture("recover", desk);
    await outboxEmptied();
    await button("Email me a code", desk).click();
    await heading("Enter the code", desk).waitFor();
    await desk.getByText(/a code is on its way to its email address/).waitFor();
    await desk.getByText(/The code is good for another (10:00|9:\d\d)/).waitFor();
    await desk.getByText(/Another code can be sent in 0:[123]\d/).waitFor();
    await accessible("recover, the email's code", desk);
    await narrow("recover, the email's code", desk);
    const sent = await codeSent("email", email);
    const field = desk.getByLabel("Code", { exact: true });
    await field.fill(sent === "000000" ? "000001" : "000000");
    await button("Get back in", desk).click();
    await desk.getByText(/That code is not right/).waitFor();
    await field.fill(sent);
    await button("Get back in", desk).click();
    await at("/set-up", desk);
    await heading("You are in, to set up anew", desk).waitFor();
    await desk.getByText("Save your recovery code.").waitFor();
    await accessible("set up, recovered by email", desk);
    await narrow("set up, recovered by email", desk);
    assert.equal((await token())[0], 403, "a recovered session has no token");
    await nothingKept(desk);
    clean();
  });

  step("February: a new password is set without the old one, and the rest can wait", async () => {
    await desk.reload();
    await heading("You are in, to set up anew", desk).waitFor();
    await desk.getByRole("link", { name: "Set up password and phone" }).click();
    await heading("Choose a password", desk).waitFor();
    assert.equal(await desk.getByLabel("Current password").count(), 0);
    await desk.getByLabel("Password", { exact: true }).fill(FEBRUARY_PASSWORD);
    await button("Go on", desk).click();
    await heading("Add your phone", desk).waitFor();
    await accessible("set up, the phone can wait", desk);
    await desk.getByRole("link", { name: "Do it later" }).click();
    await at("/manage", desk);
    assert.deepEqual(await token(), [200, null]);
    await leaveSession();
    await enterPassword(PASSWORD);
    await desk.getByText(/do not go together/).waitFor();
    await enterPassword(FEBRUARY_PASSWORD);
    await heading(/something is missing/, desk).waitFor();
    await leaveSession();
    clean();
  });

  step("on the eve the hours are counted, and in the last hour the minutes", async () => {
    await now("2025-03-06T20:30:00.000Z");
    await desk.goto("/");
    await dates().getByText("9 hours left").waitFor();
    await now("2025-03-07T05:50:00.000Z");
    await desk.goto("/recover");
    await desk.locator("#email-until").getByText(/^(10:00|9:\d\d) left$/).waitFor();
    clean();
  });

  step("a code that the email brought before the day is worthless from the day on, also in the middle of it", async () => {
    await outboxEmptied();
    await desk.getByLabel("Username", { exact: true }).fill(username);
    await button("Email me a code", desk).click();
    await heading("Enter the code", desk).waitFor();
    const late = await codeSent("email", email);
    await clock({ set: DAY, frozen: true });
    await desk.getByLabel("Code", { exact: true }).fill(late);
    await button("Get back in", desk).click();
    await expectSaid(/Email no longer gets you back in.*worthless.*Use your recovery code/, desk);
    assert.equal(await heading("With your email, for now", desk).isVisible(), false);
    await heading("With your recovery code", desk).waitFor();
    await desk.goto("/recover");
    await desk.getByText(/Since 7 March 2025, email no longer gets you back in/).waitFor();
    assert.equal(await button("Email me a code", desk).isVisible(), false);
    await accessible("recover, after the day", desk);
    clean();
  });

  step("7 March: the password alone is refused a token, and leads to the set-up", async () => {
    await now(DAY);
    await enterPassword(FEBRUARY_PASSWORD);
    await at("/set-up", desk);
    await expectSaid(/The portal asks for more than that now/, desk);
    await dates().getByText(/Since 7 March 2025, signing in takes one of three verified set-ups/).waitFor();
    assert.equal(await dates().getByRole("timer").isVisible(), false, "nothing is left to count");
    assert.deepEqual(await token(), [403, "set_up_required"]);
    await accessible("set up, on the day", desk);
    await narrow("set up, on the day", desk);
  });

  step("7 March: it adds a passkey, saves the code and is in", async () => {
    device = await authenticator(window_.cdp);
    await button("Add a passkey", desk).click();
    await saveCode();
    assert.deepEqual(await token(), [200, null]);
    await desk.getByRole("navigation", { name: "Manage my ID" }).getByRole("link", { name: "Recovery code" }).click();
    await button("Get the same code again", desk).click();
    await shownCode(desk).waitFor();
    assert.equal((await shownCode(desk).textContent()).trim(), codes[0], "the menu hands out the same code");
    for (const name of ["Download", "Copy", "Print"]) {
      await button(name, desk).waitFor();
    }
    clean();
  });

  step("the code's field sets out what is typed and takes what is pasted, by tables", async () => {
    const setOut = {
      1234: "1234",
      12345: "1234-5",
      "1234-": "1234",
      "1234 5678 9012 3456": "1234-5678-9012-3456",
      "1234–5678—9012‑3456": "1234-5678-9012-3456",
      "１２３４5678": "1234-5678",
      "oil0 abcd": "0110-ABCD",
      "12345678901234567": "12345678901234567",
      "1234u": "1234u",
      "12_34": "12_34",
      "": "",
    };
    const pasted = {
      "Recovery code: 1234-5678-9012-3456\nKeep it.": "1234-5678-9012-3456",
      "the code is o123 4567 89ab cdef, saved 2025": "0123-4567-89AB-CDEF",
      "1234567890123456": "1234-5678-9012-3456",
      "1234-5678-9012-3456 and 9999-8888-7777-6666": "1234-5678-9012-3456 and 9999-8888-7777-6666",
      "nothing of the kind": "nothing of the kind",
    };
    const left = [
      [86.4 * 86_400_000, "86 days left"],
      [2 * 86_400_000, "2 days left"],
      [2 * 86_400_000 - 1, "47 hours left"],
      [3_600_000, "1 hour left"],
      [3_599_999, "59:59 left"],
      [61_000, "1:01 left"],
      [999, "0:00 left"],
      [0, "0:00 left"],
    ];
    const [typed, taken, counted] = await desk.evaluate(
      async ([texts, pastes, spans]) => {
        const { setOutCode, codeAmong } = await import("/assets/fields.js");
        const notice = await import("/assets/notice.js");
        return [texts.map(setOutCode), pastes.map(codeAmong), spans.map(notice.left)];
      },
      [Object.keys(setOut), Object.keys(pasted), left.map(([span]) => span)],
    );
    assert.deepEqual(typed, Object.values(setOut));
    assert.deepEqual(taken, Object.values(pasted));
    assert.deepEqual(counted, left.map(([, text]) => text));
  });

  step("the passkey is lost: what is no code is told beside the field, and a wrong one with what that means", async () => {
    // Before the sign-in page is seen again, whose autofill would use it.
    await device.remove();
    await leaveSession();
    await desk.goto("/recover");
    await button("Get back in", desk).click();
    await desk.getByText("Enter your recovery code.").waitFor();
    await desk.getByText("Enter your username, or the email address of your ID.").waitFor();
    await desk.getByLabel("Username or email").fill(username);
    await codeField().pressSequentially("12345678901");
    assert.equal(await codeField().inputValue(), "1234-5678-901", "in groups of four as it is typed");
    await desk.getByText("5 more to go.").waitFor();
    await button("Get back in", desk).click();
    await desk.getByText("A recovery code has 16 characters; this has 11.", { exact: false }).waitFor();
    assert.equal(await desk.evaluate(() => document.activeElement.name), "recovery-code");
    const wrong = codes[0].replace(/\d$/, (digit) => String((Number(digit) + 1) % 10));
    await codeField().fill(wrong);
    await button("Get back in", desk).click();
    await desk.getByText(/That code does not open this ID/).waitFor();
    await desk.getByText(/takes another username and begins empty/).waitFor();
    assert.equal(await desk.getByRole("link", { name: "Register a new ID" }).getAttribute("href"), "/register");
    await accessible("recover, a wrong code", desk);
    await narrow("recover, a wrong code", desk);
  });

  step("the code gets it back in, pasted as it was saved, also when the answer is lost", async () => {
    await desk.evaluate((text) => navigator.clipboard.writeText(text), `Recovery code\n\n${codes[0].replaceAll("-", " ")}\n\nKeep it.`);
    await codeField().fill("");
    await codeField().press("Control+V");
    assert.equal(await codeField().inputValue(), codes[0]);
    await loseOnce("**/v1/recovery/code", desk);
    await button("Get back in", desk).click();
    await expectSaid(/The portal did not answer.*nothing is done twice/, desk);
    await button("Get back in", desk).click();
    await at("/set-up", desk);
    await heading("You are in, to set up anew", desk).waitFor();
    await desk.getByText("The one that you used is spent.").waitFor();
    await desk.getByText(/^the passkey ".*", added/).waitFor();
    assert.equal(await desk.getByText("A passkey is added").count(), 0, "what was lost does not count");
    await accessible("set up, recovered", desk);
    await narrow("set up, recovered", desk);
    await picture("recovered", desk);
    assert.equal((await token())[0], 403);
    await nothingKept(desk);
    clean();
  });

  step("it enrols anew, saves the new code and is in; what was lost is removed", async () => {
    device = await authenticator(window_.cdp);
    await button("Add a passkey", desk).click();
    await saveCode();
    assert.notEqual(codes[1], codes[0]);
    assert.deepEqual(await token(), [200, null]);
    await expectSaid(/remove what you have lost/, desk);
    const lost = desk.locator("#passkeys > li").first();
    assert.equal(await desk.locator("#passkeys > li").count(), 2);
    await button(/^Remove/, lost).click();
    await desk.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
    await expectSaid(/The passkey is removed/, desk);
    await desk.goto("/manage#activity");
    await heading("Recovered: every other session ended", desk).first().waitFor();
    const unnamed = (await desk.locator("#events h3").allTextContents()).filter((text) => !/^[A-Z]/.test(text));
    assert.deepEqual(unnamed, [], "every event has its words");
    // By autofill alone: a click beside it would be a second sign-in.
    await button("Sign out", desk).click();
    await desk.waitForURL((url) => url.pathname === "/");
    await at("/manage", desk);
    await desk.getByText("Ready for the portal").waitFor();
    assert.deepEqual(await token(), [200, null]);
    clean();
  });

  step("the old code is dead, and five wrong ones lock for as long as the page says", async () => {
    await device.verifies(false);
    await leaveSession();
    for (let guesses = 1; guesses <= 5; guesses += 1) {
      await recoverBy(codes[0]);
      await desk.getByText(/That code does not open this ID/).waitFor();
    }
    await recoverBy(codes[1]);
    await heading("Too many wrong attempts", desk).waitFor();
    await desk.getByText(/The recovery code of this ID is locked for another (1:00|0:\d\d)/).waitFor();
    await accessible("recover, locked", desk);
    await narrow("recover, locked", desk);
    await button("Use a passkey", desk).click();
    await at("/", desk);
    await desk.waitForFunction((name) => document.getElementById("username")?.value === name, username);
    await desk.goBack();
    await heading("With your recovery code", desk).waitFor();
    await clock({ advance_seconds: 61 });
    await recoverBy(codes[1]);
    await at("/set-up", desk);
    await heading("You are in, to set up anew", desk).waitFor();
    clean();
    await window_.context.close();
  });
}
