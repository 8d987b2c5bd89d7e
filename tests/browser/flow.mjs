// node flow.mjs <base-url> [--screenshots]
//
// The pages in a real Chromium against a running portal: the local run, whose clock it moves. Each test leaves the page where
// the next one begins, as a person would.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";

import { App, scan } from "./app.mjs";
import { Missing, authenticator, barriers, launch, open } from "./browser.mjs";
import { recovery } from "./recovery.mjs";

const [base] = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const pictures = process.argv.includes("--screenshots");
if (!base || !URL.canParse(base)) {
  console.error("usage: node flow.mjs <base-url> [--screenshots]    (for example http://localhost:8080)");
  process.exit(2);
}

const PAGES = ["/", "/register", "/recover", "/help", "/set-up", "/recovery-code", "/manage"];
const OPEN_PAGES = ["/", "/register", "/recover", "/help"];
const VIEWS = ["", "#recovery-code", "#sessions", "#activity"];
const CODE = /^[0-9A-Z]{4}(-[0-9A-Z]{4}){3}$/;

// What these reach is the local run's own plan: a mobile and a landline, both of one town.
const MOBILE = "+12125550123";
const LANDLINE = "+12125550165";
const GOOD_PASSWORD = "copper lantern under seven bridges";
const BETTER_PASSWORD = "violet harbour beneath nine ladders";

const username = `dr.rivera-${Date.now().toString(36)}`;
const email = "rivera@clinic.example";
const colleague = `nurse.patel-${Date.now().toString(36)}`;
const doctor = `dr.ito-${Date.now().toString(36)}`;
const DOCTORS_MOBILE = "+13125550121";

const STEP_MS = 60_000;
const RUN_MS = 600_000;

const steps = [];
let browser;
let window_;
let page;
let device;
let code;
// A second person's window, on a device that knows no passkey; in the end a third's.
let clinic;
let app;

/** One thing each. They build on each other, so the first that fails ends the run. */
const step = (name, body) => steps.push({ name, body });

async function run() {
  const started = Date.now();
  await begin();
  for (const { name, body } of steps) {
    const from = Date.now();
    const left = Math.min(STEP_MS, RUN_MS - (from - started));
    try {
      await within(left, body());
      assert.deepEqual([...window_.faults, ...(clinic?.faults ?? [])], [], "nothing in the console, no CSP violation");
    } catch (error) {
      const where = clinic?.page ?? page;
      console.error(`FAILED  ${name}\nat ${where.url()}: ${await within(5_000, said(where)).catch(() => "")}`);
      throw error;
    }
    console.log(`ok  ${name} (${Date.now() - from} ms)`);
  }
  console.log(`${steps.length} steps passed in ${Math.round((Date.now() - started) / 1000)} s`);
}

async function begin() {
  try {
    await fetch(new URL("/v1/policy", base), { signal: AbortSignal.timeout(5_000) });
  } catch {
    throw new Missing(`Nothing answers at ${base}. Start the local run first: cargo run`);
  }
  browser = await launch();
  await clock({});
  window_ = await open(browser, base);
  page = window_.page;
  device = await authenticator(window_.cdp);
}

function within(milliseconds, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${milliseconds} ms`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const button = (name, where = page) => where.getByRole("button", { name, exact: typeof name === "string" });
const heading = (name, where = page) => where.getByRole("heading", { name });
const said = async (where = page) => (await where.locator("#status, #alert").allTextContents()).join(" ").trim();
const told = (where = page) => where.locator("#status:not(:empty), #alert:not(:empty)");
const shownCode = (where = page) => where.locator(".code-card .code");

async function register(where, name, address) {
  await where.goto("/register");
  await where.locator("#username").fill(name);
  await where.locator("#email").fill(address);
  await button("Register", where).click();
}

async function expectSaid(pattern, where = page) {
  await told(where).first().waitFor();
  assert.match(await said(where), pattern);
}

async function at(path, where = page) {
  await where.waitForURL((url) => url.pathname === path);
}

const clock = (body) => dev("/dev/clock", body);
const faults = (body) => dev("/dev/faults", body);
const outboxEmptied = () => fetch(new URL("/dev/messages", base), { method: "DELETE", signal: AbortSignal.timeout(5_000) });

async function dev(path, body) {
  const response = await fetch(new URL(path, base), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(5_000),
  });
  assert.ok(response.ok, `POST ${path} answered ${response.status}`);
}

/** The newest code that went out to a number, by `kind`: the local run's outbox is the phone. */
async function codeSent(kind, to) {
  for (let tries = 0; tries < 50; tries += 1) {
    const response = await fetch(new URL(`/dev/messages?to=${encodeURIComponent(to)}`, base), { signal: AbortSignal.timeout(5_000) });
    // Notices of what changed go there too: of the texts it is the one with the origin-bound last line.
    const read = ({ body }) =>
      ({
        text: () => /#(\d{6})$/.exec(body.trimEnd())?.[1],
        call: () => /\d{6}/.exec(body.replace(/\D/g, ""))?.[0],
        email: () => /\b(\d{6}) is your code/.exec(body)?.[1],
      })[kind]();
    const codes = (await response.json()).filter((each) => each.kind === kind).map(read);
    const newest = codes.find((digits) => digits !== undefined);
    if (newest) {
      return newest;
    }
    // A call is placed by the topic's subscriber, a moment later.
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`no ${kind} went out to ${to}`);
}

/** What the portal takes for the present, in seconds since 1970. */
async function now() {
  const response = await fetch(new URL("/dev/clock", base), { signal: AbortSignal.timeout(5_000) });
  return Math.floor(Date.parse((await response.json()).now) / 1000);
}

const appCode = async (of = app) => of.codeAt(await now());

/** The phone forgets, and the half minute in which a number gets no second code is over; an app shows another code, too. */
async function nextCode() {
  await outboxEmptied();
  await clock({ advance_seconds: 31 });
}

async function accessible(what, where = page) {
  for (const colorScheme of ["light", "dark"]) {
    await where.emulateMedia({ colorScheme });
    assert.deepEqual(await barriers(where), [], `${what}, ${colorScheme}`);
  }
  await where.emulateMedia({ colorScheme: "light" });
}

/** WCAG 2.2 §1.4.10: nothing scrolls sideways on a phone. */
async function narrow(what, where = page) {
  for (const width of [360, 320]) {
    await where.setViewportSize({ width, height: 780 });
    const scrollWidth = await where.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(scrollWidth <= width, `${what} is ${scrollWidth} wide on a screen of ${width}`);
  }
  await where.setViewportSize({ width: 1000, height: 760 });
}

async function picture(name, where = page) {
  if (!pictures) {
    return;
  }
  const directory = new URL("../../functions/pages/screenshots/", import.meta.url);
  mkdirSync(directory, { recursive: true });
  await where.screenshot({ path: new URL(`${name}.png`, directory).pathname, fullPage: true });
}

async function nothingKept(where = page) {
  const kept = await where.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]);
  assert.deepEqual(kept, [0, 0, ""], "nothing in storage, no cookie that a script can read");
  if (code) {
    assert.ok(!decodeURIComponent(where.url()).includes(code), "no code in the address");
  }
}

/** Signs out with a device that does not answer, so that the autofill of the next page waits instead of signing in at once. */
async function signOutQuietly() {
  await device.verifies(false);
  await page.goto("/manage");
  await button("Sign out").click();
  await at("/");
  await expectSaid(/You are signed out/);
}

// ---- registration ----

step("the sign-in page offers a passkey first, then the password and a code", async () => {
  const policy = (await page.goto("/")).headers()["content-security-policy"];
  assert.match(policy, /^default-src 'none';.*frame-ancestors 'none'/);
  assert.doesNotMatch(policy, /unsafe|\*|https?:/);
  await button("Sign in with a passkey").waitFor();
  assert.equal(await page.locator("#username").getAttribute("autocomplete"), "username webauthn");
  assert.equal(await page.locator("#password").getAttribute("autocomplete"), "current-password");
  const offered = ["Sign in with a passkey", /^Show/, "Sign in with a password", "Use a code of the authenticator app", "Get a code by text or call instead"];
  const buttons = await page.locator("#ways").getByRole("button").allTextContents();
  assert.equal(buttons.length, offered.length);
  offered.forEach((name, index) => assert.match(buttons[index], new RegExp(name)));
  assert.equal(await said(), "", "autofill that finds no passkey is no news");
  await accessible("sign in");
  await narrow("sign in");
  await picture("sign-in");
});

step("a passkey that is not there gets a sentence", async () => {
  await button("Sign in with a passkey").click();
  await expectSaid(/No passkey was used.*fingerprint, face or PIN/);
});

step("bad inputs are told beside their fields", async () => {
  await page.getByRole("link", { name: "Register" }).click();
  await at("/register");
  await accessible("register");
  await narrow("register");
  await button("Register").click();
  await page.getByText("Enter a username.").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "username");
  assert.equal(await page.locator("#username").getAttribute("aria-invalid"), "true");
  await page.locator("#username").fill("a b");
  await page.locator("#email").fill("nobody");
  await button("Register").click();
  await page.getByText("has a character that a username cannot have").waitFor();
  await page.getByText("Enter an email address, like name@example.org.").waitFor();
  await accessible("register, with errors");
  await page.locator("#username").fill(username);
  await button("Register").click();
  assert.equal(await page.evaluate(() => document.activeElement.id), "email");
  assert.equal(await page.locator("#username").getAttribute("aria-invalid"), null);
});

step("what only the server can refuse is told beside the field too", async () => {
  await page.locator("#email").fill("a@b@c.example");
  await page.locator("#username").fill(`${username}-x`);
  await page.locator("#email").evaluate((input) => (input.value = "name@-"));
  await button("Register").click();
  await page.getByText("Enter an email address, like name@example.org.").waitFor();
  assert.match(await page.locator("#email").getAttribute("aria-describedby"), /email-wrong/);
});

step("a lost answer to the registration locks nobody out", async () => {
  await page.locator("#username").fill(username);
  await page.locator("#email").fill(email);
  await loseOnce("**/v1/accounts");
  await button("Register").click();
  await expectSaid(/The portal did not answer.*nothing is done twice/);
  await button("Register").click();
  await at("/set-up");
});

step("a taken name is told, with a way on", async () => {
  const other = await open(browser, base);
  await register(other.page, username.toUpperCase(), email);
  await other.page.getByText("That username is taken").waitFor();
  assert.deepEqual(other.faults, []);
  await other.context.close();
});

// ---- set-up ----

step("the set-up page shows the three set-ups, and acts on what works", async () => {
  await heading("Passkey").waitFor();
  for (const name of ["Authenticator and phone", "Password and phone"]) {
    await heading(name).waitFor();
  }
  await page.getByText(/fastest and easiest/i).first().waitFor();
  assert.deepEqual(await page.locator("main").getByRole("button").allTextContents(), ["Add a passkey"]);
  assert.deepEqual(await page.locator("main").getByRole("link").allTextContents(), [
    "Set up authenticator and phone",
    "Set up password and phone",
    "See the three of them side by side",
  ]);
  await accessible("set up");
  await narrow("set up");
  await picture("set-up");
});

step("a device that cannot verify its user gets a helpful sentence", async () => {
  await device.verifies(false);
  await button("Add a passkey").click();
  await expectSaid(/fingerprint, face or PIN/);
  await device.verifies(true);
});

step("a passkey is added, also when the request and then the answer to it are lost", async () => {
  await loseOnce("**/v1/account/passkeys");
  await dropOnce("**/v1/account/passkeys");
  await button("Add a passkey").click();
  await at("/recovery-code");
  assert.equal((await device.credentials()).length, 1, "one passkey, not one for each try");
});

// ---- recovery code ----

step("the recovery code is shown, and the page does not let go before it is saved", async () => {
  await shownCode().waitFor();
  code = (await shownCode().textContent()).trim();
  assert.match(code, CODE);
  await accessible("recovery code");
  await narrow("recovery code");
  await picture("recovery-code");

  const go = button("Continue");
  assert.equal(await go.getAttribute("aria-disabled"), "true");
  await go.click({ force: true });
  await page.locator("#why-not.warn", { hasText: "Save the code first" }).waitFor();
  assert.equal(new URL(page.url()).pathname, "/recovery-code");

  const asked = page.waitForEvent("dialog");
  await page.evaluate(() => void setTimeout(() => location.assign("/manage")));
  const dialog = await asked;
  assert.equal(dialog.type(), "beforeunload");
  await dialog.dismiss();
  await shownCode().waitFor();
});

step("the printed page holds the code and what it is for, and nothing else", async () => {
  await page.emulateMedia({ media: "print" });
  const printed = await page.evaluate(() => document.body.innerText);
  assert.ok(printed.includes(code) && printed.includes(username), printed);
  assert.match(printed, /regain access/);
  assert.doesNotMatch(printed, /Continue|Download|Skip to|Set up/);
  await page.emulateMedia({ media: "screen" });
});

step("the file holds the code that is shown", async () => {
  const download = page.waitForEvent("download");
  await button("Download").click();
  const file = await download;
  assert.match(file.suggestedFilename(), /\.txt$/);
  assert.ok(readFileSync(await file.path(), "utf8").includes(code));
  await expectSaid(/The file is on its way/);
  assert.equal(await button("Continue").getAttribute("aria-disabled"), null);
});

step("copying copies the code alone", async () => {
  await button("Copy").click();
  await expectSaid(/copied/);
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), code);
});

step("after saving, the way is free", async () => {
  await nothingKept();
  await button("Continue").click();
  await at("/manage");
  await page.getByText("Ready for the portal").waitFor();
});

step("manage my ID hands out the same code again, from the menu", async () => {
  await page.getByRole("navigation", { name: "Manage my ID" }).getByRole("link", { name: "Recovery code" }).click();
  await heading("Recovery code").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "recovery-code-title");
  assert.equal(await shownCode().count(), 0, "not before it is asked for");
  await button("Get the same code again").click();
  await shownCode().waitFor();
  assert.equal((await shownCode().textContent()).trim(), code);
  const download = page.waitForEvent("download");
  await button("Download").click();
  assert.ok(readFileSync(await (await download).path(), "utf8").includes(code));
  await accessible("recovery code, in manage");
  await button("Hide the code").click();
  await shownCode().waitFor({ state: "detached" });
});

// ---- signing in ----

step("the menu stands to the right of the content", async () => {
  await page.goto("/manage");
  const menu = await page.getByRole("navigation", { name: "Manage my ID" }).boundingBox();
  const views = await page.locator(".views").boundingBox();
  assert.ok(menu.x >= views.x + views.width, "the menu is on the right");
  await picture("manage");
});

step("sign out, and in again by the button", async () => {
  await signOutQuietly();
  await device.verifies(true);
  await button("Sign in with a passkey").click();
  await at("/manage");
  await nothingKept();
});

step("whoever is signed in is offered to go on", async () => {
  await page.goto("/");
  await heading("You are signed in").waitFor();
  await accessible("sign in, when signed in");
  await page.getByRole("link", { name: "Go on" }).click();
  await at("/manage");
  await page.goto("/register");
  await page.getByText("You have an ID already").waitFor();
});

step("sign out, and in again by autofill", async () => {
  await page.goto("/manage");
  await button("Sign out").click();
  // Nobody clicks anything here: the browser offers the passkey for the username field, the virtual device takes it.
  await page.waitForURL((url) => url.pathname === "/");
  await at("/manage");
});

step("the keyboard alone signs in", async () => {
  await signOutQuietly();
  await page.goto("/");
  await button("Sign in with a passkey").waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the main part");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  const reached = [];
  for (let presses = 0; presses < 10 && reached.at(-1) !== "use-passkey"; presses += 1) {
    await page.keyboard.press("Tab");
    reached.push(await page.evaluate(() => document.activeElement.id));
  }
  assert.deepEqual(reached, ["use-passkey"], "the passkey comes first");
  const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(ring, "solid", "the focus is visible");
  // Not before: the autofill, offered anew as the field is visited, would have signed in on its own.
  await device.verifies(true);
  await page.keyboard.press("Enter");
  await at("/manage");
});

step("the autofill waits with options that have not expired, and yields to the button", async () => {
  const other = await open(browser, base);
  const waiting = await authenticator(other.cdp, { automaticPresenceSimulation: false });
  // A passkey that is there and a person who is not: the ceremony waits.
  await waiting.add((await device.credentials())[0]);
  let fetched = 0;
  other.page.on("request", (request) => {
    fetched += request.url().endsWith("/v1/sign-in/passkey/options") ? 1 : 0;
  });
  await other.page.clock.install();
  const first = other.page.waitForResponse("**/v1/sign-in/passkey/options");
  await other.page.goto("/");
  await first;
  await other.page.clock.runFor("03:50");
  assert.equal(fetched, 1);
  const second = other.page.waitForResponse("**/v1/sign-in/passkey/options");
  await other.page.clock.runFor("00:15");
  await second;
  assert.equal(fetched, 2);
  assert.equal(await said(other.page), "");

  // The button ends the ceremony that waits: the browser has room for one.
  await waiting.present(true);
  await button("Sign in with a passkey", other.page).click();
  await at("/manage", other.page);
  assert.equal(fetched, 3, "it was the button's own ceremony, not another autofill");
  await takeBack(waiting);
  assert.deepEqual(other.faults, []);
  await other.context.close();
});

// ---- manage my ID ----

step("a passkey is renamed", async () => {
  await page.goto("/manage");
  await button(/^Rename/).click();
  const name = page.getByLabel("Name of this passkey");
  assert.ok(await name.evaluate((input) => input === document.activeElement));
  await accessible("manage, renaming");
  await name.fill("  ");
  await button("Save").click();
  await page.getByText("Enter a name, such as the device").waitFor();
  await name.fill("W".repeat(64));
  await button("Save").click();
  await heading("W".repeat(64)).waitFor();
  await narrow("manage, with the longest name");
  await button(/^Rename/).click();
  await name.fill("Reception desk");
  await button("Save").click();
  await heading("Reception desk").waitFor();
  await expectSaid(/new name/);
});

step("the device that has a passkey is told so", async () => {
  await button("Add a passkey").click();
  await expectSaid(/This device has a passkey for your ID already/);
});

step("a second passkey is added", async () => {
  await device.present(false);
  const key = await authenticator(window_.cdp, { transport: "usb" });
  await button("Add a passkey").click();
  await expectSaid(/is added/);
  assert.equal(await page.locator("#passkeys > li").count(), 2);
  await accessible("manage, two passkeys");
  await key.remove();
  await device.present(true);
});

step("a passkey is removed, and the last one stays", async () => {
  const other = page.locator("#passkeys > li").filter({ hasNotText: "Reception desk" });
  await button(/^Remove/, other).click();
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Keep it");
  await accessible("manage, the question");
  await button("Keep it").click();
  assert.equal(await page.locator("#passkeys > li").count(), 2);
  await button(/^Remove/, other).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await expectSaid(/The passkey is removed/);
  assert.equal(await page.locator("#passkeys > li").count(), 1);
  await button(/^Remove/).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await expectSaid(/Add another passkey first/);
  await heading("Reception desk").waitFor();
});

step("another session is listed and ended, and its page says why it ends", async () => {
  const other = await open(browser, base);
  const copy = await authenticator(other.cdp);
  const [credential] = await device.credentials();
  await copy.add(credential);
  await other.page.goto("/");
  await at("/manage", other.page);
  await other.page.getByText("Ready for the portal").waitFor();
  await takeBack(copy);

  await page.goto("/manage#sessions");
  await page.locator("#sessions > li").first().waitFor();
  const count = await page.locator("#sessions > li").count();
  assert.ok(count >= 2, `${count} sessions`);
  assert.equal(await page.getByText("This one").count(), 1);
  await page.getByText("signed in with passkey").first().waitFor();
  await accessible("sessions");
  for (let left = count; left > 1; left -= 1) {
    await button(/^End/).first().click();
    await expectSaid(/The session is ended/);
    await page.waitForFunction((n) => document.querySelectorAll("#sessions > li").length === n, left - 1);
  }
  await other.page.reload();
  await at("/", other.page);
  await expectSaid(/Sign in to go on/, other.page);
  assert.equal(new URL(other.page.url()).search, "", "the word is said once");
  assert.deepEqual(other.faults, []);
  await other.context.close();
});

step("the activity is listed, and more of it on demand", async () => {
  await page.evaluate(async () => {
    for (let looks = 0; looks < 45; looks += 1) {
      const response = await fetch("/v1/account/recovery-code");
      if (!response.ok) {
        throw new Error(`recovery-code answered ${response.status}`);
      }
      await response.text();
    }
  });
  await page.getByRole("link", { name: "Activity" }).click();
  await page.locator("#events > li").first().waitFor();
  assert.equal(await page.locator("#events > li").count(), 50);
  await button("Show earlier activity").click();
  await page.waitForFunction(() => document.querySelectorAll("#events > li").length > 50);
  await page.getByRole("heading", { name: "ID registered" }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.tagName), "H3");
  await accessible("activity");
  const unnamed = (await page.locator("#events h3").allTextContents()).filter((text) => !/^[A-Z]/.test(text));
  assert.deepEqual(unnamed, [], "every event has its words");
});

// ---- step-up ----

step("after five minutes a look at the code asks for the passkey, in place", async () => {
  await clock({ advance_seconds: 360 });
  await page.goto("/manage#recovery-code");
  await button("Get the same code again").click();
  const dialog = page.getByRole("dialog", { name: "Confirm that it is you" });
  await dialog.waitFor();
  await accessible("step-up");
  await narrow("step-up");

  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  assert.equal(await said(), "", "no is an answer");
  assert.equal(await shownCode().count(), 0);

  await device.verifies(false);
  await button("Get the same code again").click();
  await dialog.getByRole("button", { name: "Use a passkey" }).click();
  await dialog.getByText(/fingerprint, face or PIN/).waitFor();
  await device.verifies(true);
  await dialog.getByRole("button", { name: "Use a passkey" }).click();
  await shownCode().waitFor();
  assert.equal((await shownCode().textContent()).trim(), code);
});

step("a new code needs a yes, and ends the old one", async () => {
  await page.goto("/manage#recovery-code");
  await page.reload();
  await button("Issue a new code").click();
  await page.getByRole("dialog").getByText(/dies at once/).waitFor();
  await button("Keep the code that I have").click();
  await button("Issue a new code").click();
  await page.getByRole("dialog").getByRole("button", { name: "Issue a new code" }).click();
  await expectSaid(/This is your new code/);
  const next = (await shownCode().textContent()).trim();
  assert.match(next, CODE);
  assert.notEqual(next, code);
  code = next;
  const download = page.waitForEvent("download");
  await button("Download").click();
  assert.ok(readFileSync(await (await download).path(), "utf8").includes(code));
});

step("every view fits a phone", async () => {
  for (const view of VIEWS) {
    await page.goto("about:blank");
    await page.goto(`/manage${view}`);
    await page.locator("#desk").waitFor();
    await page.waitForLoadState("networkidle");
    await narrow(`/manage${view}`);
    await accessible(`/manage${view}`);
  }
});

// ---- when things fail ----

step("failures of the API become sentences", async () => {
  await page.goto("/manage#recovery-code");
  for (const [answer, pattern] of [
    [{ status: 503, retry_after: 2, code: "unavailable" }, /cannot answer right now. Nothing is lost. Try again in 2 seconds/],
    [{ status: 429, retry_after: 61, code: "too_many_requests" }, /too often.*Try again in 61 seconds/],
    [{ status: 429, retry_after: 3601, code: "locked" }, /too many wrong attempts. Try again in 61 minutes/],
    [{ status: 403, code: "wrong_origin" }, /not opened at the portal's own address/],
    [{ status: 404, code: "no_recovery_code" }, /no recovery code yet/],
    [{ status: 418, code: "a_code_of_tomorrow" }, /Check what you entered/],
  ]) {
    await page.route("**/v1/account/recovery-code", (route) =>
      route.fulfill({ status: answer.status, contentType: "application/problem+json", body: JSON.stringify(answer) }),
    );
    await button("Get the same code again").click();
    await expectSaid(pattern);
    await page.unroute("**/v1/account/recovery-code");
  }
  await page.route("**/v1/account/recovery-code", (route) =>
    route.fulfill({ status: 502, contentType: "text/html", body: "<h1>Bad gateway</h1>" }),
  );
  await button("Get the same code again").click();
  await expectSaid(/cannot answer right now/);
  await page.unroute("**/v1/account/recovery-code");

  await page.route("**/v1/account/recovery-code", (route) => route.abort());
  await button("Get the same code again").click();
  await expectSaid(/The portal did not answer/);
  await page.unroute("**/v1/account/recovery-code");

  await window_.context.setOffline(true);
  await button("Get the same code again").click();
  await expectSaid(/You are offline/);
  await window_.context.setOffline(false);
});

step("a page that could not load offers to try again", async () => {
  await page.goto("about:blank");
  await page.route("**/v1/account", (route) => route.abort());
  await page.goto("/manage");
  await expectSaid(/The portal did not answer/);
  await page.unroute("**/v1/account");
  await button("Try again").click();
  await page.getByText("Username").waitFor();
  assert.equal(await said(), "");
});

step("an IP address is no place for passkeys, and the page says where one is", async () => {
  const address = new URL(base);
  if (address.hostname !== "localhost") {
    return;
  }
  address.hostname = "127.0.0.1";
  await page.goto(new URL("/register", address).href);
  await expectSaid(/Passkeys do not work at an IP address/);
  assert.equal(await page.locator("#alert a").getAttribute("href"), new URL("/register", base).href);
  assert.equal(await page.locator("#register").isVisible(), false);
  await accessible("at an IP address");
});

step("a browser without the JSON helpers of WebAuthn Level 3 gets by", async () => {
  const other = await open(browser, base);
  const copy = await authenticator(other.cdp);
  await other.context.addInitScript(() => {
    delete PublicKeyCredential.parseCreationOptionsFromJSON;
    delete PublicKeyCredential.parseRequestOptionsFromJSON;
    PublicKeyCredential.prototype.toJSON = () => {
      throw new TypeError("Illegal invocation");
    };
    // Without a screen there is no print dialog to close.
    window.print = () => window.dispatchEvent(new Event("afterprint"));
  });
  await register(other.page, username.padEnd(64, "w"), email);
  await at("/set-up", other.page);
  await heading("Passkey", other.page).waitFor();
  await narrow("set up, with the longest username", other.page);
  await button("Add a passkey", other.page).click();
  await at("/recovery-code", other.page);
  await button("Print", other.page).click();
  await expectSaid(/If you printed the code/, other.page);
  await button("Continue", other.page).click();
  await at("/manage", other.page);
  await copy.verifies(false);
  await button("Sign out", other.page).click();
  await expectSaid(/You are signed out/, other.page);
  await copy.verifies(true);
  await button("Sign in with a passkey", other.page).click();
  await at("/manage", other.page);
  assert.deepEqual(other.faults, []);
  await other.context.close();
});

step("whoever is not signed in is sent to sign in, from every page that needs it", async () => {
  await device.verifies(false);
  await page.goto(base);
  await window_.context.clearCookies();
  for (const path of PAGES.filter((each) => !OPEN_PAGES.includes(each))) {
    await page.goto("about:blank");
    await page.goto(path);
    await at("/");
    await expectSaid(/Sign in to go on/);
  }
});

step("without JavaScript the pages say what they need", async () => {
  const plain = await browser.newContext({ baseURL: base, javaScriptEnabled: false });
  const bare = await plain.newPage();
  for (const path of PAGES) {
    await bare.goto(path);
    await bare.locator("noscript p").waitFor();
  }
  await plain.close();
});

// ---- password and phone ----

const typeCode = async (digits, where) => {
  await where.getByLabel("Code", { exact: true }).fill(digits);
  await where.keyboard.press("Enter");
};

const focused = (where) => where.evaluate(() => document.activeElement.name || document.activeElement.textContent);

step("password and phone: a weak password is refused with its reason", async () => {
  clinic = await open(browser, base);
  const desk = clinic.page;
  await register(desk, colleague, "patel@clinic.example");
  await at("/set-up", desk);
  await desk.getByRole("link", { name: "Set up password and phone" }).click();
  await heading("Choose a password", desk).waitFor();
  const password = desk.getByLabel("Password", { exact: true });
  assert.equal(await focused(desk), "new-password", "the focus moves to the first field");
  assert.equal(await password.getAttribute("autocomplete"), "new-password");
  await password.pressSequentially("short");
  await desk.getByText("3 more to go.").waitFor();
  await button("Go on", desk).click();
  await desk.getByText("That password is too short.").waitFor();
  await password.fill("password123");
  await button("Show the password", desk).click();
  assert.equal(await password.getAttribute("type"), "text");
  await button("Go on", desk).click();
  await desk.getByText(/on the lists of passwords that are tried first/).waitFor();
  assert.equal(await password.getAttribute("aria-invalid"), "true");
  assert.equal(await password.getAttribute("type"), "password", "hidden again as it goes out");
  assert.equal(await focused(desk), "new-password");
  await accessible("set up, a weak password", desk);
  await narrow("set up, a weak password", desk);
  await password.fill(`${colleague} and more`);
  await button("Go on", desk).click();
  await desk.getByText(/contains your username/).waitFor();
  await password.fill(GOOD_PASSWORD);
  // The page asks the account whether it took effect: asked anew, the API would want the current password.
  await loseOnce("**/v1/account/password", desk);
  await button("Go on", desk).click();
  await heading("Add your phone", desk).waitFor();
  await desk.getByText("Password set").waitFor();
});

step("numbers are set out, and waits are counted, by tables", async () => {
  const numbers = {
    212: "212",
    2125: "(212) 5",
    2125550: "(212) 555-0",
    2125550123: "(212) 555-0123",
    "212.555.0123": "(212) 555-0123",
    12125550123: "1 (212) 555-0123",
    "+12125550123": "+1 (212) 555-0123",
    "+1 (212) 555-0123": "+1 (212) 555-0123",
    "+": "+",
    "+1": "+1",
    "+442079460123": "+442079460123",
    21255501234: "21255501234",
    1125550123: "1125550123",
    "2125550123x4": "2125550123x4",
    "(212) 555-0123 ext. 4": "(212) 555-0123 ext. 4",
    "212,,5550": "212,,5550",
  };
  const sent = "2026-11-24T04:00:00.000Z";
  const answer = { resend_at: "2026-11-24T04:00:30.000Z", expires_at: "2026-11-24T04:10:00.000Z" };
  const waits = [
    // The date of the answer counts.
    [{ ...answer, date: Date.parse(sent) + 3_000 }, { resend: 27, expires: 597 }],
    // It has whole seconds: a little early is not early.
    [{ ...answer, date: Date.parse(sent) - 900 }, { resend: 30, expires: 600 }],
    // A date that cannot be, or none: the code's ten minutes count.
    [{ ...answer, date: Date.parse(sent) - 86_400_000 }, { resend: 30, expires: 600 }],
    [{ ...answer, date: Date.parse(sent) + 86_400_000 }, { resend: 30, expires: 600 }],
    [{ ...answer, date: NaN }, { resend: 30, expires: 600 }],
    // A sign-in with five minutes left bounds its codes.
    [{ ...answer, expires_at: "2026-11-24T04:05:00.000Z", date: Date.parse(sent) }, { resend: 30, expires: 300 }],
    [{ ...answer, expires_at: "2026-11-24T04:05:00.000Z", date: NaN }, { resend: 30, expires: 300 }],
    [{ ...answer, resend_at: sent, date: Date.parse(sent) + 3_000 }, { resend: 0, expires: 597 }],
  ];
  const [setOut, counted] = await clinic.page.evaluate(
    async ([texts, answers]) => {
      const { setOutNumber } = await import("/assets/fields.js");
      const { waits: count } = await import("/assets/code-step.js");
      return [texts.map(setOutNumber), answers.map(count)];
    },
    [Object.keys(numbers), waits.map(([each]) => each)],
  );
  assert.deepEqual(setOut, Object.values(numbers));
  assert.deepEqual(counted, waits.map(([, each]) => each));
});

step("an extension is refused with its reason, and a landline is offered calls only", async () => {
  const desk = clinic.page;
  const number = desk.getByLabel("Phone number");
  assert.equal(await focused(desk), "number");
  assert.deepEqual(
    await number.evaluate((input) => [input.type, input.autocomplete, input.inputMode]),
    ["tel", "tel", "tel"],
  );
  await number.pressSequentially("2125550123");
  assert.equal(await number.inputValue(), "(212) 555-0123", "set out as it is typed");
  await number.press("Home");
  await number.pressSequentially("+1");
  assert.equal(await number.evaluate((input) => input.selectionStart), 2, "the caret is where it was");
  await number.fill("");
  await number.pressSequentially("+12125550123x4");
  assert.equal(await number.inputValue(), "+1 (212) 555-0123x4", "what is no such number stays as typed");
  await button("Send the code", desk).click();
  await desk.getByText(/A number with an extension cannot be used/).waitFor();
  assert.equal(await focused(desk), "number");
  await accessible("set up, an extension", desk);

  await number.fill(LANDLINE);
  await button("Send the code", desk).click();
  await desk.getByText(/a landline cannot get texts/).waitFor();
  assert.ok(await desk.getByLabel(/By text message/).isDisabled());
  assert.ok(await desk.getByLabel(/By phone call/).isChecked());
  await button("Call me with the code", desk).waitFor();
  await accessible("set up, a landline", desk);
  await narrow("set up, a landline", desk);
  await picture("set-up-password-and-phone", desk);
});

step("a mobile is verified by the code of a text, and the recovery code is saved", async () => {
  const desk = clinic.page;
  await desk.getByLabel("Phone number").fill(MOBILE);
  await desk.getByLabel(/By text message/).check();
  await button("Send the code", desk).click();
  await heading("Enter the code", desk).waitFor();
  await desk.getByText(/A text with a code is on its way to the number ending in 23/).waitFor();
  const field = desk.getByLabel("Code", { exact: true });
  assert.ok(await field.evaluate((input) => input === document.activeElement));
  assert.deepEqual(
    await field.evaluate((input) => [input.autocomplete, input.inputMode]),
    ["one-time-code", "numeric"],
  );
  await desk.getByText(/The code is good for another (10:00|9:\d\d)/).waitFor();
  await desk.getByText(/Another code can be sent in 0:[123]\d/).waitFor();
  await button("Send another text", desk).click({ force: true });
  await expectSaid(/Try again in \d+ seconds/, desk);
  await typeCode("12345", desk);
  await desk.getByText("Enter the six digits of the code.").waitFor();
  const sent = await codeSent("text", MOBILE);
  await typeCode(sent === "000000" ? "000001" : "000000", desk);
  await desk.getByText(/That code is not right/).waitFor();
  assert.ok(await field.evaluate((input) => input === document.activeElement));
  await accessible("the code", desk);
  await narrow("the code", desk);
  await loseOnce("**/confirm", desk);
  await typeCode(`${sent.slice(0, 3)} - ${sent.slice(3)}`, desk);
  await at("/recovery-code", desk);
  await shownCode(desk).waitFor();
  const download = desk.waitForEvent("download");
  await button("Download", desk).click();
  await download;
  await button("Continue", desk).click();
  await at("/manage", desk);
  await desk.getByText("Ready for the portal").waitFor();
  await nothingKept(desk);
});

step("sign in by password and text", async () => {
  const desk = clinic.page;
  await signOutOf(desk);
  await nextCode();
  await enterPassword("not the password", desk);
  await desk.getByText(/do not go together/).waitFor();
  assert.equal(await focused(desk), "password");
  await enterPassword(GOOD_PASSWORD, desk);
  await heading("One more proof", desk).waitFor();
  await desk.getByText("to the number ending in 23").waitFor();
  assert.equal(await focused(desk), "Text me a code");
  await accessible("one more proof", desk);
  await narrow("one more proof", desk);
  await button("Text me a code", desk).click();
  await heading("Enter the code", desk).waitFor();
  await button("Call me instead", desk).waitFor();
  await picture("code", desk);
  await typeCode(await codeSent("text", MOBILE), desk);
  await at("/manage", desk);
  await nothingKept(desk);
});

step("the code can be had again, by the other channel, once the half minute is over", async () => {
  const other = await open(browser, base);
  const desk = other.page;
  await nextCode();
  await desk.clock.install();
  await desk.goto("/");
  await enterPassword(GOOD_PASSWORD, desk);
  await button("Text me a code", desk).click();
  await heading("Enter the code", desk).waitFor();
  assert.equal(await button("Call me instead", desk).getAttribute("aria-disabled"), "true");
  await nextCode();
  await desk.clock.runFor("00:31");
  await desk.getByText("You can have another code sent now.").waitFor();
  await button("Call me instead", desk).click();
  await expectSaid(/The number ending in 23 is being called/, desk);
  await button("Call me again", desk).waitFor();
  await desk.clock.runFor("10:01");
  await desk.getByText(/The code is no longer good/).waitFor();
  await accessible("a code that ran out", desk);
  await typeCode(await codeSent("call", MOBILE), desk);
  await at("/manage", desk);
  assert.deepEqual(other.faults, []);
  await other.context.close();
});

step("a landline is added by a call", async () => {
  const desk = clinic.page;
  await nextCode();
  await button("Add a phone number", desk).click();
  await desk.getByLabel("Phone number").fill("(212) 555-0165");
  await desk.getByLabel(/By phone call/).check();
  await accessible("manage, adding a phone", desk);
  await narrow("manage, adding a phone", desk);
  await button("Call me with the code", desk).click();
  await expectSaid(/codes reach it by call only/, desk);
  assert.equal(await button(/text/i, desk).count(), 0, "no texts are offered");
  await typeCode(await codeSent("call", LANDLINE), desk);
  await expectSaid(/The number ending in 65 is verified and added/, desk);
  await heading("Ending in 65", desk).waitFor();
  await desk.getByText("Landline · calls only").waitFor();
  await accessible("manage, two phones", desk);
  await narrow("manage, two phones", desk);
});

step("sign in by password and a call to the landline", async () => {
  const desk = clinic.page;
  await signOutOf(desk);
  await nextCode();
  await enterPassword(GOOD_PASSWORD, desk);
  await desk.getByLabel(/Ending in 65/).check();
  assert.equal(await button("Text me a code", desk).count(), 0, "a landline gets no texts");
  await accessible("one more proof, two phones", desk);
  await button("Call me with a code", desk).click();
  await desk.getByText(/The number ending in 65 is being called/).waitFor();
  await typeCode(await codeSent("call", LANDLINE), desk);
  await at("/manage", desk);
});

step("five wrong passwords lock, and the page says for how long and what to do", async () => {
  const desk = clinic.page;
  await signOutOf(desk);
  for (let guesses = 1; guesses <= 5; guesses += 1) {
    await desk.locator("#password-wrong").evaluate((wrong) => (wrong.textContent = ""));
    await enterPassword(`guess ${guesses}`, desk);
    await desk.getByText(/do not go together/).waitFor();
  }
  await enterPassword(GOOD_PASSWORD, desk);
  await heading("Too many wrong attempts", desk).waitFor();
  await desk.getByText(/The password of this ID is locked for another (1:00|0:\d\d)/).waitFor();
  const keys = ["Use a passkey", "Get a code by text or call", "Use my recovery code", "Try the password again"];
  const locked = desk.locator(".locked");
  assert.deepEqual((await locked.getByRole("button").allTextContents()).slice(0, 4), keys);
  assert.ok(await locked.evaluate((section) => section === document.activeElement), "the focus moves to what happened");
  await accessible("locked", desk);
  await narrow("locked", desk);
  await button("Try the password again", desk).click({ force: true });
  await expectSaid(/Try again in \d+ seconds/, desk);
  await button("Use my recovery code", desk).click();
  await heading("With your recovery code", desk).waitFor();
  assert.equal(await desk.getByLabel("Username or email").inputValue(), colleague, "the name came along");
  assert.ok(!desk.url().includes(colleague), "and not in the address");
  await desk.goBack();
  await desk.locator("#password").waitFor();
  await enterPassword(GOOD_PASSWORD, desk);
  await heading("Too many wrong attempts", desk).waitFor();
});

step("locked out, and back in by a call", async () => {
  const desk = clinic.page;
  await nextCode();
  await button("Get a code by text or call", desk).click();
  await heading("Get a code", desk).waitFor();
  await accessible("a code first", desk);
  await button("Call me with a code", desk).click();
  await desk.getByText(/If that ID has a number, it is being called/).waitFor();
  // Of two numbers, the one that was used last.
  await typeCode(await codeSent("call", LANDLINE), desk);
  await heading("One more proof", desk).waitFor();
  await desk.getByText("Your phone code is right.").waitFor();
  assert.equal(await focused(desk), "password");
  await accessible("one more proof, the password", desk);
  await desk.locator("#steps").getByLabel("Password", { exact: true }).fill(GOOD_PASSWORD);
  await button("Go on with the password", desk).click();
  await at("/manage", desk);
  await nothingKept(desk);
});

step("a change after five minutes asks for password and code, in place", async () => {
  const desk = clinic.page;
  await nextCode();
  await clock({ advance_seconds: 301 });
  await button(/^Remove the number ending in 65/, desk).click();
  await desk.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  const dialog = desk.getByRole("dialog", { name: "Confirm that it is you" });
  await dialog.waitFor();
  assert.equal(await focused(desk), "password");
  assert.equal(await button("Use a passkey", dialog).count(), 0, "this ID has none");
  await accessible("step-up by password", desk);
  await narrow("step-up by password", desk);
  await dialog.getByLabel("Password", { exact: true }).fill("not the password");
  await desk.keyboard.press("Enter");
  await dialog.getByText(/do not go together/).waitFor();
  await dialog.getByLabel("Password", { exact: true }).fill(GOOD_PASSWORD);
  await desk.keyboard.press("Enter");
  await dialog.getByLabel(/Ending in 23/).check();
  await button("Text me a code", dialog).click();
  await accessible("step-up by code", desk);
  await narrow("step-up by code", desk);
  await typeCode(await codeSent("text", MOBILE), desk);
  await expectSaid(/The number ending in 65 is removed/, desk);
  assert.equal(await desk.locator("#phones > li").count(), 1);
});

step("the last number stays, and says why", async () => {
  const desk = clinic.page;
  await button(/^Remove the number ending in 23/, desk).click();
  await desk.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await expectSaid(/Add another number or a passkey first/, desk);
  await heading("Ending in 23", desk).waitFor();
});

step("the password is changed, by the current one", async () => {
  const desk = clinic.page;
  await button("Change the password", desk).click();
  assert.equal(await focused(desk), "current");
  await accessible("manage, changing the password", desk);
  await narrow("manage, changing the password", desk);
  await desk.getByLabel("Current password").fill("not the password");
  await desk.getByLabel("New password").fill(BETTER_PASSWORD);
  await button("Change the password", desk).click();
  await desk.getByText("That is not your current password.").waitFor();
  await desk.getByLabel("Current password").fill(GOOD_PASSWORD);
  await button("Change the password", desk).click();
  await expectSaid(/The password is changed/, desk);
  await desk.goto("/manage#activity");
  await heading("Password changed", desk).first().waitFor();
  const unnamed = (await desk.locator("#events h3").allTextContents()).filter((text) => !/^[A-Z]/.test(text));
  assert.deepEqual(unnamed, [], "every event has its words");
});

step("a number that had its five codes of the hour gets no sixth, and the page counts down", async () => {
  const desk = clinic.page;
  await signOutOf(desk);
  await nextCode();
  await enterPassword(BETTER_PASSWORD, desk);
  await button("Text me a code", desk).click();
  await expectSaid(/too often in a short time. Try again in \d+ minutes/, desk);
  await desk.getByText(/A code can be sent in \d+:\d\d/).waitFor();
  for (const name of ["Text me a code", "Call me with a code"]) {
    assert.equal(await button(name, desk).getAttribute("aria-disabled"), "true");
  }
  await accessible("one more proof, too often", desk);
  await button("Start again", desk).click();
  assert.equal(await desk.locator("#username").inputValue(), colleague, "the username is kept");
  assert.equal(await focused(desk), "password");
});

step("what cannot be sent becomes a sentence, and a way on", async () => {
  const desk = clinic.page;
  await clock({ advance_seconds: 3600 });
  await enterPassword(BETTER_PASSWORD, desk);
  const text = button("Text me a code", desk);
  await faults([{ service: "sns", operation: "Publish", times: 10, kind: "error" }]);
  await text.click();
  await expectSaid(/The text could not be sent. Nothing is lost. A call may get through/, desk);
  assert.equal(await focused(desk), "Call me with a code", "the other channel is one key away");
  await faults([]);
  for (const [reason, pattern] of [
    ["opted_out", /said no to texts/],
    ["text_to_landline", /a landline cannot get texts/],
  ]) {
    const body = JSON.stringify({ status: 422, code: "invalid_phone", reasons: [reason] });
    await desk.route("**/v1/sign-in/phone/send", (route) =>
      route.fulfill({ status: 422, contentType: "application/problem+json", body }),
    );
    await text.click();
    await expectSaid(pattern, desk);
    await desk.unroute("**/v1/sign-in/phone/send");
  }
});

step("a sign-in that took too long begins again, with the username", async () => {
  const desk = clinic.page;
  await button("Call me with a code", desk).click();
  const late = await codeSent("call", MOBILE);
  await clock({ advance_seconds: 601 });
  await typeCode(late, desk);
  await expectSaid(/took longer than it may/, desk);
  assert.equal(await desk.locator("#username").inputValue(), colleague);
  assert.equal(await desk.locator("#password").inputValue(), "");
  assert.equal(await focused(desk), "password");
});

// ---- an authenticator app, by a third person on such a device ----

step("authenticator and phone: the QR code is read from the screen, and the app's code confirms it", async () => {
  await clinic.context.close();
  clinic = await open(browser, base);
  const desk = clinic.page;
  await register(desk, doctor, "ito@clinic.example");
  await at("/set-up", desk);
  await desk.getByRole("link", { name: "Set up authenticator and phone" }).click();
  await heading("Get an authenticator app", desk).waitFor();
  assert.equal(await focused(desk), "Show the QR code");
  await accessible("set up, get an app", desk);
  await narrow("set up, get an app", desk);
  await button("Show the QR code", desk).click();
  await heading("Scan the QR code", desk).waitFor();
  assert.equal(await focused(desk), "code");
  await desk.getByText(/The QR code is good for another (10:00|9:\d\d)/).waitFor();
  const first = await scan(qr(desk));

  // Another one takes its place.
  await button("Show another QR code", desk).click();
  await button("Show the QR code", desk).click();
  await qr(desk).waitFor();
  app = await scan(qr(desk));
  assert.notEqual(app.secret, first.secret);
  assert.equal(app.label, `Provider portal:${doctor}`);
  assert.equal(app.issuer, "Provider portal");
  assert.deepEqual([app.algorithm, app.digits, app.period], ["SHA1", "6", "30"]);
  const key = (await desk.locator(".key").textContent()).trim();
  assert.match(key, /^([A-Z2-7]{4} ){7}[A-Z2-7]{4}$/);
  assert.equal(key.replaceAll(" ", ""), app.secret, "what is typed is what is scanned");
  await button("Copy the key", desk).click();
  await expectSaid(/The key is copied/, desk);
  assert.equal(await desk.evaluate(() => navigator.clipboard.readText()), app.secret);
  await accessible("set up, the QR code", desk);
  await narrow("set up, the QR code", desk);
  await picture("set-up-authenticator-and-phone", desk);
  // Where people scan it: in the dark, and on the narrowest screen.
  await desk.emulateMedia({ colorScheme: "dark" });
  assert.equal((await scan(qr(desk))).secret, app.secret);
  await desk.setViewportSize({ width: 320, height: 780 });
  assert.equal((await scan(qr(desk))).secret, app.secret);
  await desk.setViewportSize({ width: 1000, height: 760 });
  await desk.emulateMedia({ colorScheme: "light" });

  await typeAppCode("12345", desk);
  await desk.getByText("Enter the six digits of the code.").waitFor();
  await typeAppCode(await wrongAppCode(), desk);
  await desk.getByText(/Enter the one that the app shows now/).waitFor();
  assert.equal(await focused(desk), "code");
  await accessible("set up, a wrong code of the app", desk);
  await nothingKept(desk);
  // The page asks the account whether it took effect.
  await loseOnce("**/v1/account/authenticator/confirm", desk);
  const shown = await appCode();
  await typeAppCode(`${shown.slice(0, 3)} ${shown.slice(3)}`, desk);
  await heading("Add your phone", desk).waitFor();
  await desk.getByText("Authenticator added").waitFor();
});

step("and then the phone, and the recovery code", async () => {
  const desk = clinic.page;
  await desk.getByLabel("Phone number").fill(DOCTORS_MOBILE);
  await button("Send the code", desk).click();
  await typeCode(await codeSent("text", DOCTORS_MOBILE), desk);
  await at("/recovery-code", desk);
  await shownCode(desk).waitFor();
  const download = desk.waitForEvent("download");
  await button("Download", desk).click();
  await download;
  await button("Continue", desk).click();
  await at("/manage", desk);
  await desk.getByText("Ready for the portal").waitFor();
  await desk.locator("#authenticator-state", { hasText: "Added" }).waitFor();
  await accessible("manage, with an app", desk);
  await narrow("manage, with an app", desk);
});

step("sign in by a code of the app and a text; a code that was used is refused", async () => {
  const desk = clinic.page;
  await signOutOf(desk);
  await nextCode();
  await button("Use a code of the authenticator app", desk).click();
  await desk.getByText("Enter your username: the app's code is for it.").waitFor();
  await byApp(desk);
  await accessible("a code of the app first", desk);
  await narrow("a code of the app first", desk);
  await picture("app-code", desk);
  const used = await appCode();
  await typeAppCode(used, desk);
  await heading("One more proof", desk).waitFor();
  await desk.getByText("Your authenticator code is right.").waitFor();
  assert.equal(await focused(desk), "Text me a code");
  await button("Start again", desk).click();
  await byApp(desk);
  await typeAppCode(used, desk);
  await desk.getByText(/each works once/).waitFor();
  await nextCode();
  await typeAppCode(await appCode(), desk);
  await button("Text me a code", desk).click();
  await typeCode(await codeSent("text", DOCTORS_MOBILE), desk);
  await at("/manage", desk);
  await nothingKept(desk);
});

step("without a password or a passkey a change after five minutes asks for the app and the phone", async () => {
  const desk = clinic.page;
  await nextCode();
  await clock({ advance_seconds: 301 });
  await button("Set a password", desk).click();
  await desk.getByLabel("Password", { exact: true }).fill(GOOD_PASSWORD);
  await button("Set the password", desk).click();
  const dialog = desk.getByRole("dialog", { name: "Confirm that it is you" });
  await dialog.waitFor();
  assert.equal(await focused(desk), "code");
  await accessible("step-up by app", desk);
  await narrow("step-up by app", desk);
  await typeAppCode(await appCode(), dialog);
  await button("Text me a code", dialog).click();
  await typeCode(await codeSent("text", DOCTORS_MOBILE), desk);
  await expectSaid(/The password is set/, desk);
});

step("sign in by password and a code of the app", async () => {
  const desk = clinic.page;
  await signOutOf(desk);
  await nextCode();
  await enterPassword(GOOD_PASSWORD, desk, doctor);
  await heading("One more proof", desk).waitFor();
  await heading("By authenticator", desk).waitFor();
  assert.equal(await focused(desk), "code");
  await accessible("one more proof, by app or phone", desk);
  await narrow("one more proof, by app or phone", desk);
  await typeAppCode(await wrongAppCode(), desk);
  await desk.getByText(/Enter the one that the app shows now/).waitFor();
  await typeAppCode(await appCode(), desk);
  await at("/manage", desk);
});

step("five wrong codes of the app lock it, and a code by text gets in", async () => {
  const desk = clinic.page;
  await signOutOf(desk);
  await nextCode();
  await byApp(desk);
  const wrong = await wrongAppCode();
  for (let guesses = 1; guesses <= 5; guesses += 1) {
    await desk.locator("#steps .wrong").evaluate((each) => (each.textContent = ""));
    await typeAppCode(wrong, desk);
    await desk.getByText(/Enter the one that the app shows now/).waitFor();
  }
  await typeAppCode(wrong, desk);
  await desk.getByText(/The authenticator code of this ID is locked for another (1:00|0:\d\d)/).waitFor();
  await button("Get a code by text or call", desk).click();
  await button("Text me a code", desk).click();
  await typeCode(await codeSent("text", DOCTORS_MOBILE), desk);
  await heading("One more proof", desk).waitFor();
  await typeAppCode(await appCode(), desk.locator("form", { hasText: "By authenticator" }));
  await at("/manage", desk);
});

step("another app takes the place of the one before", async () => {
  const desk = clinic.page;
  await button("Use another app or phone", desk).click();
  await button("Show the QR code", desk).click();
  await qr(desk).waitFor();
  await accessible("manage, another app", desk);
  await narrow("manage, another app", desk);
  await button("Cancel", desk).click();
  assert.equal(await focused(desk), "Use another app or phone");
  await button("Use another app or phone", desk).click();
  await button("Show the QR code", desk).click();
  const old = app;
  app = await scan(qr(desk));
  // Five wrong ones end it, and it begins again.
  const wrong = await wrongAppCode();
  for (let guesses = 1; guesses <= 5; guesses += 1) {
    await desk.locator("#authenticator-form .wrong").evaluate((each) => (each.textContent = ""));
    await typeAppCode(wrong, desk);
    await desk.getByText(/Enter the one that the app shows now/).waitFor();
  }
  await typeAppCode(await appCode(), desk);
  await expectSaid(/too many wrong codes for this QR code/, desk);
  await button("Show the QR code", desk).click();
  await qr(desk).waitFor();
  app = await scan(qr(desk));
  await typeAppCode(await appCode(), desk);
  await expectSaid(/The new app is added/, desk);
  await signOutOf(desk);
  await nextCode();
  await byApp(desk);
  await typeAppCode(await appCode(old), desk);
  await desk.getByText(/Enter the one that the app shows now/).waitFor();
  await typeAppCode(await appCode(), desk);
  await heading("One more proof", desk).waitFor();
  await desk.locator("#steps").getByLabel("Password", { exact: true }).fill(GOOD_PASSWORD);
  await button("Go on with the password", desk).click();
  await at("/manage", desk);
});

step("the app is removed, after a yes", async () => {
  const desk = clinic.page;
  await button("Remove the app", desk).click();
  await accessible("removing the app", desk);
  await desk.getByRole("dialog").getByRole("button", { name: "Keep it" }).click();
  await button("Remove the app", desk).click();
  await desk.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await expectSaid(/The authenticator app is removed/, desk);
  await button("Add an authenticator app", desk).waitFor();
  await desk.goto("/manage#activity");
  for (const name of ["Authenticator app added", "Authenticator app replaced", "Authenticator app removed"]) {
    await heading(name, desk).waitFor();
  }
  await heading("Authenticator codes locked: too many wrong ones", desk).waitFor();
  await nothingKept(desk);
});

const qr = (where) => where.getByRole("img", { name: "QR code for your authenticator app" });

/** No code of the app, now or a step ago. */
async function wrongAppCode() {
  const at = await now();
  const taken = [app.codeAt(at), app.codeAt(at - 30)];
  return ["000000", "000001", "000002"].find((guess) => !taken.includes(guess));
}

async function typeAppCode(digits, where) {
  const field = where.getByLabel("Code", { exact: true });
  await field.fill(digits);
  await field.press("Enter");
}

async function byApp(where) {
  await where.locator("#username").fill(doctor);
  await button("Use a code of the authenticator app", where).click();
  await heading("Enter a code of the app", where).waitFor();
}

async function enterPassword(password, where, name = colleague) {
  await where.locator("#username").fill(name);
  await where.locator("#password").fill(password);
  await button("Sign in with a password", where).click();
}

async function signOutOf(where) {
  await button("Sign out", where).click();
  await at("/", where);
  await expectSaid(/You are signed out/, where);
}

/** A passkey that was used elsewhere has counted on: the device here must not fall behind, or it would look like a clone. */
async function takeBack(copy) {
  const [moved] = await copy.credentials();
  await copy.remove();
  await device.remove();
  device = await authenticator(window_.cdp);
  await device.add(moved);
}

/** The request takes effect, its answer does not arrive: once. */
const loseOnce = (pattern, where = page) => failOnce(pattern, where, (route) => route.fetch());

/** The request does not arrive: once. */
const dropOnce = (pattern, where = page) => failOnce(pattern, where, () => {});

async function failOnce(pattern, where, before) {
  let done = false;
  await where.route(pattern, async (route) => {
    if (done || route.request().method() === "GET") {
      return route.fallback();
    }
    done = true;
    await before(route);
    return route.abort("connectionreset");
  });
}

// ---- the notice, lived through ----

recovery({
  step,
  base,
  browser: () => browser,
  button,
  heading,
  expectSaid,
  at,
  clock,
  codeSent,
  outboxEmptied,
  shownCode,
  accessible,
  narrow,
  picture,
  nothingKept,
  loseOnce,
});

try {
  await run();
} catch (error) {
  console.error(error instanceof Missing ? error.message : error);
  process.exitCode = error instanceof Missing ? 2 : 1;
} finally {
  await clock({}).catch(() => {});
  await faults([]).catch(() => {});
  await within(10_000, browser?.close()).catch(() => {});
  // Whatever still waits for the browser waits for nothing.
  process.exit();
}
