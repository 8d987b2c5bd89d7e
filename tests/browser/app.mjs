// An authenticator app: it sees what a camera would, and its codes are made by `oathtool` of the OATH Toolkit.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";

import { PNG } from "pngjs";
import decodeQR from "qr/decode.js";

import { Missing } from "./browser.mjs";

export class App {
  constructor(uri) {
    const { protocol, host, pathname, searchParams } = new URL(uri);
    assert.deepEqual([protocol, host], ["otpauth:", "totp"], uri);
    this.label = decodeURIComponent(pathname.slice(1));
    for (const name of ["secret", "issuer", "algorithm", "digits", "period"]) {
      this[name] = searchParams.get(name);
    }
  }

  /** What it shows at `seconds` since 1970. */
  codeAt(seconds) {
    try {
      const shown = execFileSync("oathtool", ["--totp", "--base32", "--now", `@${seconds}`, "-"], { input: `${this.secret}\n` });
      return shown.toString().trim();
    } catch (error) {
      throw error.code === "ENOENT" ? new Missing("oathtool is not there. Install it (Debian: apt-get install oathtool).") : error;
    }
  }
}

/** Reads the QR code from a screenshot of `image`: what is on the screen, whatever the page says of it. */
export async function scan(image) {
  const { width, height, data } = PNG.sync.read(await image.screenshot());
  // Without a limit of its own: how fast the machine is says nothing of the code.
  return new App(decodeQR({ width, height, data }, { timeLimit: 10_000 }));
}
