// Speaks the public HTTP contract, and nothing else. No answer, token or code is ever kept here.

const PATIENCE_MS = 20_000;

/** What the server refused, with the stable `code` that the pages switch on (RFC 9457). */
export class Problem extends Error {
  constructor({ status, code, retryAfter = null, reasons = [], suggestions = [], unlock = [], channel = null, channels = [] }) {
    super(code);
    this.name = "Problem";
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
    this.reasons = reasons;
    this.suggestions = suggestions;
    this.unlock = unlock;
    this.channel = channel;
    this.channels = channels;
  }
}

/** No answer came, or not a whole one: whether the request took effect is unknown. */
export class Unreachable extends Error {
  constructor(cause) {
    super("no answer", { cause });
    this.name = "Unreachable";
  }
}

/** `dated` adds the server's own time to the answer, as `date`: instants are counted down from that, not from the clock here. */
export async function call(method, path, { body, headers = {}, accept = "application/json", dated = false } = {}) {
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
    const answer = JSON.parse(text);
    return dated ? { ...answer, date: dateOf(response) } : answer;
  } catch (cause) {
    throw new Unreachable(cause);
  }
}

export const policy = () => call("GET", "/v1/policy", { dated: true });

export const register = (body, idempotencyKey) =>
  call("POST", "/v1/accounts", { body, headers: { "Idempotency-Key": idempotencyKey } });
export const account = () => call("GET", "/v1/account");

export const passkeySignInOptions = () => call("POST", "/v1/sign-in/passkey/options", { body: {} });
export const passkeySignIn = (body) => call("POST", "/v1/sign-in/passkey", { body });
/** These begin with `{ username }` and go on with `{ sign_in }`. */
export const passwordSignIn = (body) => call("POST", "/v1/sign-in/password", { body });
export const authenticatorSignIn = (body) => call("POST", "/v1/sign-in/authenticator", { body });
export const phoneCodeSend = (body) => call("POST", "/v1/sign-in/phone/send", { body, dated: true });
export const phoneCodeVerify = (body) => call("POST", "/v1/sign-in/phone/verify", { body });
export const token = () => call("POST", "/v1/session/token", { body: {} });
export const signOut = () => call("DELETE", "/v1/session");

export const passkeyEnrolOptions = () => call("POST", "/v1/account/passkeys/options", { body: {} });
export const passkeyEnrol = (body) => call("POST", "/v1/account/passkeys", { body });
export const passkeyRename = (id, name) =>
  call("PATCH", `/v1/account/passkeys/${encodeURIComponent(id)}`, { body: { name } });
export const passkeyRemove = (id) => call("DELETE", `/v1/account/passkeys/${encodeURIComponent(id)}`);

export const passwordSet = (body) => call("PUT", "/v1/account/password", { body });

export const authenticatorEnrol = () => call("POST", "/v1/account/authenticator", { body: {}, dated: true });
export const authenticatorConfirm = (code) => call("POST", "/v1/account/authenticator/confirm", { body: { code } });
export const authenticatorRemove = () => call("DELETE", "/v1/account/authenticator");

export const phoneAdd = (body) => call("POST", "/v1/account/phones", { body, dated: true });
export const phoneConfirm = (id, code) =>
  call("POST", `/v1/account/phones/${encodeURIComponent(id)}/confirm`, { body: { code } });
export const phoneRemove = (id) => call("DELETE", `/v1/account/phones/${encodeURIComponent(id)}`);

export const recoveryCodeIssue = () => call("POST", "/v1/account/recovery-code", { body: {} });
export const recoveryCode = () => call("GET", "/v1/account/recovery-code");
export const recoveryCodeFile = () => call("GET", "/v1/account/recovery-code", { accept: "text/plain" });

export const recoverByCode = (body, idempotencyKey) =>
  call("POST", "/v1/recovery/code", { body, headers: { "Idempotency-Key": idempotencyKey } });
export const recoveryEmailSend = (username) => call("POST", "/v1/recovery/email/send", { body: { username }, dated: true });
export const recoveryEmailVerify = (body) => call("POST", "/v1/recovery/email/verify", { body });

export const sessions = () => call("GET", "/v1/account/sessions");
export const sessionEnd = (id) => call("DELETE", `/v1/account/sessions/${encodeURIComponent(id)}`);
export const activity = (cursor) =>
  call("GET", cursor ? `/v1/account/activity?cursor=${encodeURIComponent(cursor)}` : "/v1/account/activity");

/** Whether no answer came: what was asked for may have been done all the same. */
export const isLost = (error) => error instanceof Unreachable || error.code === "unavailable";

/**
 * Sends what is the same request for as long as it says the same: whoever lost the answer and presses again gets that answer. The key
 * lives in memory only, because with the body it would fetch the session.
 */
export function keyed(send) {
  let attempt = { said: null, key: null };
  return async (body) => {
    const said = JSON.stringify(body);
    if (attempt.said !== said) {
      attempt = { said, key: crypto.randomUUID() };
    }
    try {
      return await send(body, attempt.key);
    } catch (error) {
      // A refusal is an answer: the next press is a new request. Only what may have taken effect keeps its key.
      if (error instanceof Problem && error.status < 500) {
        attempt = { said: null, key: null };
      }
      throw error;
    }
  };
}

/** What `change()` answers: the account. A lost answer may have been a yes; then the account itself tells, if it `isChanged`. */
export async function orAccount(change, isChanged) {
  try {
    return await change();
  } catch (error) {
    if (isLost(error)) {
      const after = await account().catch(() => null);
      if (after && isChanged(after)) {
        return after;
      }
    }
    throw error;
  }
}

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
    reasons: texts(told.reasons),
    suggestions: texts(told.suggestions),
    unlock: texts(told.unlock),
    channel: typeof told.channel === "string" ? told.channel : null,
    channels: texts(told.channels),
  });
}

/** An answer that a cache kept is older than it says (RFC 9111 §5.1). */
function dateOf({ headers }) {
  return Date.parse(headers.get("Date") ?? "") + 1000 * (Number(headers.get("Age")) || 0);
}

const texts = (value) => (Array.isArray(value) ? value.filter((each) => typeof each === "string") : []);

function codeOf(status) {
  if (status === 429) {
    return "too_many_requests";
  }
  return status >= 500 ? "unavailable" : "bad_request";
}

function filename(disposition) {
  return /filename="([\w.-]+)"/.exec(disposition ?? "")?.[1] ?? "recovery-code.txt";
}
