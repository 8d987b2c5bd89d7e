// Chromium, its virtual authenticator, and a watch over what goes wrong unseen: console, page errors, CSP.

import { accessSync, constants, readFileSync } from "node:fs";
import { createRequire } from "node:module";

const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";

// Nothing of it calls home.
const FLAGS = [
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--disable-quic",
];

/** What is missing, as a sentence; the test cannot begin without it. */
export class Missing extends Error {}

export async function launch() {
  try {
    accessSync(EXECUTABLE, constants.X_OK);
  } catch {
    throw new Missing(
      `${EXECUTABLE} is not there. Install Chromium (Debian: apt-get install chromium), or name another in CHROMIUM.`,
    );
  }
  let playwright;
  try {
    playwright = await import("playwright-core");
  } catch {
    throw new Missing("playwright-core is not there. Run `npm ci` in tests/browser.");
  }
  const root = process.getuid?.() === 0;
  return playwright.chromium.launch({
    executablePath: EXECUTABLE,
    // Chromium refuses its sandbox to root.
    args: root ? [...FLAGS, "--no-sandbox"] : FLAGS,
    timeout: 30_000,
  });
}

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** A window of its own: its own cookies, its own authenticators. `faults` collects what nobody should see. */
export async function open(browser, base, options = {}) {
  const context = await browser.newContext({
    baseURL: base,
    locale: "en-GB",
    timezoneId: "UTC",
    viewport: { width: 1000, height: 760 },
    permissions: ["clipboard-read", "clipboard-write"],
    ...options,
  });
  context.setDefaultTimeout(10_000);
  const faults = [];
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
    });
  });
  const page = await context.newPage();
  page.on("pageerror", (error) => faults.push(`page error: ${error.stack ?? error}`));
  page.on("console", (message) => {
    // A refusal of the API is an answer; that the browser calls it an error is its own view.
    const answer =
      message.text().startsWith("Failed to load resource") && new URL(message.location().url).pathname.startsWith("/v1/");
    if ((message.type() === "error" || message.type() === "warning") && !answer) {
      faults.push(`console ${message.type()}: ${message.text()} (${page.url()})`);
    }
  });
  const cdp = await context.newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  return { context, page, cdp, faults };
}

/** A passkey provider built into the device; `transport: "usb"` makes it a security key. */
export async function authenticator(cdp, options = {}) {
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
      ...options,
    },
  });
  const send = (method, parameters) => cdp.send(`WebAuthn.${method}`, { authenticatorId, ...parameters });
  return {
    verifies: (isUserVerified) => send("setUserVerified", { isUserVerified }),
    present: (enabled) => send("setAutomaticPresenceSimulation", { enabled }),
    credentials: async () => (await send("getCredentials")).credentials,
    add: (credential) => send("addCredential", { credential }),
    remove: () => send("removeVirtualAuthenticator"),
  };
}

/** What axe-core finds wrong: WCAG 2.2 A and AA, and its best practices. */
export async function barriers(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return violations.map(({ id, help, nodes }) => `${id}: ${help} (${nodes.map(({ html }) => html).join(" ")})`);
}
