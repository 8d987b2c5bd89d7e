// Speaks the public HTTP contract, and nothing else. No answer, token or code is ever kept here.

const PATIENCE_MS = 20_000;

/** What the server refused, with the stable `code` that the pages switch on (RFC 9457). */
export class Problem extends Error {
  constructor({ status, code, retryAfter = null, reasons = [] }) {
    super(code);
    this.name = "Problem";
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
    this.reasons = reasons;
  }
}

/** No answer came, or not a whole one: whether the request took effect is unknown. */
export class Unreachable extends Error {
  constructor(cause) {
    super("no answer", { cause });
    this.name = "Unreachable";
  }
}

export async function call(method, path, { body, headers = {}, accept = "application/json" } = {}) {
  const init = {
    method,
    headers: { Accept: accept, ...headers },
    credentials: "same-origin",
    cache: "no-store",
    redirect: "error",
    signal: AbortSignal.timeout(PATIENCE_MS),
  };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers["Content-Type"] = "application/json";
  }

  let response;
  let text;
  try {
    response = await fetch(path, init);
    text = await response.text();
  } catch (cause) {
    throw new Unreachable(cause);
  }

  if (!response.ok) {
    throw problem(response, text);
  }
  if (accept === "text/plain") {
    return { text, filename: filename(response.headers.get("Content-Disposition")) };
  }
  if (text === "") {
    return null;
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Unreachable(cause);
  }
}

export const policy = () => call("GET", "/v1/policy");

export const register = (body, idempotencyKey) =>
  call("POST", "/v1/accounts", { body, headers: { "Idempotency-Key": idempotencyKey } });
export const account = () => call("GET", "/v1/account");

export const passkeySignInOptions = () => call("POST", "/v1/sign-in/passkey/options", { body: {} });
export const passkeySignIn = (body) => call("POST", "/v1/sign-in/passkey", { body });
export const signOut = () => call("DELETE", "/v1/session");

export const passkeyEnrolOptions = () => call("POST", "/v1/account/passkeys/options", { body: {} });
export const passkeyEnrol = (body) => call("POST", "/v1/account/passkeys", { body });
export const passkeyRename = (id, name) =>
  call("PATCH", `/v1/account/passkeys/${encodeURIComponent(id)}`, { body: { name } });
export const passkeyRemove = (id) => call("DELETE", `/v1/account/passkeys/${encodeURIComponent(id)}`);

export const recoveryCodeIssue = () => call("POST", "/v1/account/recovery-code", { body: {} });
export const recoveryCode = () => call("GET", "/v1/account/recovery-code");
export const recoveryCodeFile = () => call("GET", "/v1/account/recovery-code", { accept: "text/plain" });

export const sessions = () => call("GET", "/v1/account/sessions");
export const sessionEnd = (id) => call("DELETE", `/v1/account/sessions/${encodeURIComponent(id)}`);
export const activity = (cursor) =>
  call("GET", cursor ? `/v1/account/activity?cursor=${encodeURIComponent(cursor)}` : "/v1/account/activity");

/** The gateway in front may answer on its own, in its own words: then the status is all there is. */
function problem(response, text) {
  let told = {};
  try {
    told = JSON.parse(text) ?? {};
  } catch {
    // Not JSON: the status speaks.
  }
  const wait = Number(told.retry_after ?? response.headers.get("Retry-After") ?? NaN);
  return new Problem({
    status: response.status,
    code: typeof told.code === "string" ? told.code : codeOf(response.status),
    retryAfter: Number.isFinite(wait) ? wait : null,
    reasons: Array.isArray(told.reasons) ? told.reasons : [],
  });
}

function codeOf(status) {
  if (status === 429) {
    return "too_many_requests";
  }
  return status >= 500 ? "unavailable" : "bad_request";
}

function filename(disposition) {
  return /filename="([\w.-]+)"/.exec(disposition ?? "")?.[1] ?? "recovery-code.txt";
}
