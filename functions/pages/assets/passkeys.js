// The browser's half of WebAuthn Level 3: JSON in, credential, JSON out.

import * as api from "./api.js";
import { byId, el, sayWhy } from "./page.js";

export const supported = () => typeof globalThis.PublicKeyCredential === "function" && isSecureContext;

export async function autofillAvailable() {
  return supported() && ((await PublicKeyCredential.isConditionalMediationAvailable?.()) ?? false);
}

/** Adds a passkey to `account`, as the page last saw it, and returns the API's Passkey. */
export async function enrol(account) {
  const { enrolment, publicKey } = await api.passkeyEnrolOptions();
  const credential = await navigator.credentials.create({ publicKey: creationOptions(publicKey) });
  const body = { enrolment, credential: registrationJson(credential) };

  // The passkey exists on the device by now, so a lost answer must not lose it: the same finish goes out again, and had the first
  // one taken effect, the account shows a passkey that it did not show before.
  let unsure = false;
  for (const pause of [500, 1_500, 4_500, null]) {
    try {
      return await api.passkeyEnrol(body);
    } catch (error) {
      const lost = api.isLost(error);
      unsure ||= lost;
      const added = unsure && (await newcomer(account));
      if (added) {
        return added;
      }
      if (!unsure && error.code === "passkey_refused") {
        await disown(publicKey.rp.id, credential.id);
      }
      if (!lost || pause === null) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}

async function newcomer(before) {
  const known = new Set(before.methods.passkeys.map(({ id }) => id));
  const after = await api.account().catch(() => null);
  return after?.methods.passkeys.find(({ id }) => !known.has(id)) ?? null;
}

/** The device holds a passkey that the portal will never know: its manager is told, so that it is not offered at sign-in. */
async function disown(rpId, credentialId) {
  await PublicKeyCredential.signalUnknownCredential?.({ rpId, credentialId }).catch(() => {});
}

/**
 * Signs in with a passkey and returns the API's result. `mediation: "conditional"` waits in the username field's autofill
 * until `signal` aborts it; `chosen` is called once a passkey has answered.
 */
export async function signIn({ mediation, signal, chosen } = {}) {
  const { sign_in, publicKey } = await api.passkeySignInOptions();
  signal?.throwIfAborted();
  const credential = await navigator.credentials.get({
    publicKey: requestOptions(publicKey),
    signal,
    ...(mediation && { mediation }),
  });
  chosen?.();
  return api.passkeySignIn({ sign_in, credential: assertionJson(credential) });
}

/**
 * Why nothing can work at this address, as a paragraph's content; null when it can. An IP address is never a relying party id (WebAuthn
 * Level 3 §5.1.3, "effective domain"), and never one of the portal's origins.
 */
function misplaced() {
  if (!/^(\d+\.){3}\d+$|^\[/.test(location.hostname)) {
    return null;
  }
  const loopback = /^127\.|^\[::1\]$/.test(location.hostname);
  if (!loopback) {
    return ["Passkeys do not work at an IP address. Open the portal by its name."];
  }
  const here = new URL(location.href);
  here.hostname = "localhost";
  return ["Passkeys do not work at an IP address. Open ", el("a", { href: here.href }, `${here.host}${here.pathname}`), " instead."];
}

/** Whether the page works at this address: says why it does not, or else why somebody was sent here. */
export function inPlace() {
  const hindrance = misplaced();
  if (hindrance) {
    byId("alert").append(...hindrance);
    return false;
  }
  sayWhy();
  return true;
}

/** Why no passkey can be used or made here, where another way in can; null when one can. */
export const noPasskeys = () =>
  supported()
    ? null
    : "This browser does not offer passkeys. For one, open the portal in a current Chrome, Edge, Firefox or Safari.";

// ---- JSON, by the browser where it can and by hand where it cannot ----

function creationOptions(json) {
  if (PublicKeyCredential.parseCreationOptionsFromJSON) {
    return PublicKeyCredential.parseCreationOptionsFromJSON(json);
  }
  return {
    ...json,
    challenge: bytes(json.challenge),
    user: { ...json.user, id: bytes(json.user.id) },
    excludeCredentials: (json.excludeCredentials ?? []).map(descriptor),
  };
}

function requestOptions(json) {
  if (PublicKeyCredential.parseRequestOptionsFromJSON) {
    return PublicKeyCredential.parseRequestOptionsFromJSON(json);
  }
  return {
    ...json,
    challenge: bytes(json.challenge),
    allowCredentials: (json.allowCredentials ?? []).map(descriptor),
  };
}

const descriptor = (item) => ({ ...item, id: bytes(item.id) });

/** Some password managers answer with an object whose `toJSON` throws: then the members are read one by one. */
function own(credential) {
  try {
    return credential.toJSON();
  } catch {
    return null;
  }
}

const common = (credential) => ({
  id: credential.id,
  rawId: base64url(credential.rawId),
  type: credential.type,
  clientExtensionResults: credential.getClientExtensionResults(),
  ...(credential.authenticatorAttachment && { authenticatorAttachment: credential.authenticatorAttachment }),
});

function registrationJson(credential) {
  const { response } = credential;
  return (
    own(credential) ?? {
      ...common(credential),
      response: {
        clientDataJSON: base64url(response.clientDataJSON),
        attestationObject: base64url(response.attestationObject),
        transports: response.getTransports?.() ?? [],
      },
    }
  );
}

function assertionJson(credential) {
  const { response } = credential;
  return (
    own(credential) ?? {
      ...common(credential),
      response: {
        clientDataJSON: base64url(response.clientDataJSON),
        authenticatorData: base64url(response.authenticatorData),
        signature: base64url(response.signature),
        ...(response.userHandle && { userHandle: base64url(response.userHandle) }),
      },
    }
  );
}

export function base64url(buffer) {
  const binary = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

export function bytes(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
}
