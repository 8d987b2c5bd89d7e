//! Every function of the template, wired to the local halves: what each `main` does for Lambda.

use std::collections::HashMap;
use std::sync::Arc;

use lambda_http::{Body, Request, Response};
use postern_codes::{Codes, EmailCodes};
use postern_domain::policy::Policy;
use postern_domain::recovery_code::Format;
use postern_http::{Clock, Frame, Runs};
use postern_keys::{KeyService, Random};
use postern_messages::{Outbox, Subscriber};
use postern_passkeys::Ceremonies;
use postern_passwords::Hasher;
use postern_phones::{LineLookup, Numbers};
use postern_sign_ins::SignIns;
use postern_store::{KeyRecords, OpenedKeyring, OpenedTokenSigner, RecoveryCodes, Store};
use postern_tokens::AccessTokens;

use crate::gateway::BoxFuture;
use crate::meter::Meter;

/// A function behind the HTTP API.
pub type Function = Arc<dyn Fn(Request) -> BoxFuture<Response<Body>> + Send + Sync>;

/// What functions are wired from.
#[derive(Debug, Clone)]
pub struct Parts {
    pub clock: Clock,
    pub frame: Frame,
    pub store: Store,
    pub recovery_codes: RecoveryCodes,
    pub records: KeyRecords,
    pub keys: Arc<dyn KeyService>,
    pub ceremonies: Ceremonies,
    pub policy: Policy,
    pub issuer: String,
    pub audience: String,
    pub format: Format,
    pub outbox: Outbox,
    pub hasher: Hasher,
    pub numbers: Numbers,
    pub lines: Arc<dyn LineLookup>,
    pub codes: Codes,
    /// Guesses at recovery codes in an hour. None: limits per address and for the deployment are lifted.
    pub recoveries: Option<u64>,
    /// Whether a recovery code needs another proof beside it.
    pub second_proof: bool,
    /// What people call the portal.
    pub portal: &'static str,
}

/// Wraps a step and its dependencies as a [`Function`].
macro_rules! function {
    ($parts:expr, $step:ident, $deps:expr) => {{
        let (frame, deps) = ($parts.frame.clone(), Arc::new($deps));
        let function: Function = Arc::new(move |request| {
            let (frame, deps) = (frame.clone(), Arc::clone(&deps));
            Box::pin(async move {
                frame.answer(&*deps, |deps, request| Box::pin($step::handle(deps, request)), request).await
            })
        });
        function
    }};
}

/// The functions behind the HTTP API, by name.
#[expect(clippy::too_many_lines, reason = "one entry a function, and nothing else")]
pub fn functions(parts: &Parts) -> HashMap<&'static str, Function> {
    let Parts { clock, store, recovery_codes, records, keys, ceremonies, policy, hasher, codes, .. } =
        parts.clone();
    let random = Random::system();
    let keyring = OpenedKeyring::new(Arc::clone(&keys), records.clone());
    let tokens = AccessTokens {
        signer: OpenedTokenSigner::new(Arc::clone(&keys), records.clone()),
        issuer: parts.issuer.clone(),
        audience: parts.audience.clone(),
        random: random.clone(),
    };
    let sign_ins = SignIns { store: store.clone(), policy, tokens: tokens.clone(), random: random.clone() };
    HashMap::from([
        (
            "account-register",
            function!(
                parts,
                account_register,
                account_register::Deps {
                    clock: clock.clone(),
                    store: store.clone(),
                    keyring: keyring.clone(),
                    hasher: hasher.clone(),
                    policy,
                    random: random.clone(),
                }
            ),
        ),
        (
            "account-view",
            function!(
                parts,
                account_view,
                account_view::Deps { clock: clock.clone(), store: store.clone(), policy }
            ),
        ),
        (
            "activity-list",
            function!(
                parts,
                activity_list,
                activity_list::Deps { clock: clock.clone(), store: store.clone(), policy }
            ),
        ),
        (
            "authenticator-confirm",
            function!(
                parts,
                authenticator_confirm,
                authenticator_confirm::Deps {
                    clock: clock.clone(),
                    store: store.clone(),
                    keyring: keyring.clone(),
                    policy,
                    random: random.clone(),
                }
            ),
        ),
        (
            "authenticator-enrol",
            function!(
                parts,
                authenticator_enrol,
                authenticator_enrol::Deps {
                    clock: clock.clone(),
                    store: store.clone(),
                    keyring: keyring.clone(),
                    policy,
                    issuer: parts.portal.to_owned(),
                    random: random.clone(),
                }
            ),
        ),
        (
            "authenticator-remove",
            function!(
                parts,
                authenticator_remove,
                authenticator_remove::Deps {
                    clock: clock.clone(),
                    store: store.clone(),
                    policy,
                    random: random.clone(),
                }
            ),
        ),
        (
            "authenticator-sign-in",
            function!(
                parts,
                authenticator_sign_in,
                authenticator_sign_in::Deps {
                    clock: clock.clone(),
                    keyring: keyring.clone(),
                    sign_ins: sign_ins.clone(),
                }
            ),
        ),
        ("fallback", function!(parts, fallback, fallback::Deps)),
        ("jwks", function!(parts, jwks, jwks::Deps { clock: clock.clone(), records })),
        ("pages", function!(parts, pages, pages::Deps { site: pages::Site::embedded() })),
        (
            "passkey-enrol",
            function!(
                parts,
                passkey_enrol,
                passkey_enrol::Deps {
                    clock: clock.clone(),
                    store: store.clone(),
                    keyring: keyring.clone(),
                    ceremonies: ceremonies.clone(),
                    random: random.clone(),
                }
            ),
        ),
        (
            "passkey-enrol-options",
            function!(
                parts,
                passkey_enrol_options,
                passkey_enrol_options::Deps {
                    clock: clock.clone(),
                    store: store.clone(),
                    keyring: keyring.clone(),
                    ceremonies: ceremonies.clone(),
                    policy,
                }
            ),
        ),
        (
            "passkey-remove",
            function!(
                parts,
                passkey_remove,
                passkey_remove::Deps {
                    clock: clock.clone(),
                    store: store.clone(),
                    policy,
                    random: random.clone(),
                }
            ),
        ),
        (
            "passkey-rename",
            function!(
                parts,
                passkey_rename,
                passkey_rename::Deps {
                    clock: clock.clone(),
                    store: store.clone(),
                    policy,
                    random: random.clone(),
                }
            ),
        ),
        (
            "passkey-sign-in",
            function!(
                parts,
                passkey_sign_in,
                passkey_sign_in::Deps {
                    clock: clock.clone(),
                    store: store.clone(),
                    keyring: keyring.clone(),
                    ceremonies: ceremonies.clone(),
                    policy,
                    tokens: tokens.clone(),
                    random: random.clone(),
                }
            ),
        ),
        (
            "passkey-sign-in-options",
            function!(
                parts,
                passkey_sign_in_options,
                passkey_sign_in_options::Deps { clock: clock.clone(), keyring: keyring.clone(), ceremonies }
            ),
        ),
        (
            "password-set",
            function!(
                parts,
                password_set,
                password_set::Deps {
                    clock: clock.clone(),
                    store: store.clone(),
                    keyring: keyring.clone(),
                    hasher: hasher.clone(),
                    policy,
                    random: random.clone(),
                }
            ),
        ),
        (
            "password-sign-in",
            function!(
                parts,
                password_sign_in,
                password_sign_in::Deps {
                    clock: clock.clone(),
                    keyring: keyring.clone(),
                    hasher,
                    sign_ins: sign_ins.clone(),
                }
            ),
        ),
        (
            "phone-add",
            function!(
                parts,
                phone_add,
                phone_add::Deps {
                    clock: clock.clone(),
                    store: store.clone(),
                    keyring: keyring.clone(),
                    policy,
                    numbers: parts.numbers.clone(),
                    lines: Arc::clone(&parts.lines),
                    codes: codes.clone(),
                }
            ),
        ),
        (
            "phone-code-send",
            function!(
                parts,
                phone_code_send,
                phone_code_send::Deps {
                    clock: clock.clone(),
                    store: store.clone(),
                    keyring: keyring.clone(),
                    codes,
                    random: random.clone(),
                }
            ),
        ),
        (
            "phone-code-verify",
            function!(
                parts,
                phone_code_verify,
                phone_code_verify::Deps { clock: clock.clone(), keyring: keyring.clone(), sign_ins }
            ),
        ),
        (
            "phone-confirm",
            function!(
                parts,
                phone_confirm,
                phone_confirm::Deps {
                    clock: clock.clone(),
                    store: store.clone(),
                    keyring: keyring.clone(),
                    policy,
                    random: random.clone(),
                }
            ),
        ),
        (
            "phone-remove",
            function!(
                parts,
                phone_remove,
                phone_remove::Deps {
                    clock: clock.clone(),
                    store: store.clone(),
                    policy,
                    random: random.clone(),
                }
            ),
        ),
        ("policy", function!(parts, policy, policy::Deps { policy })),
        (
            "recovery-code-download",
            function!(
                parts,
                recovery_code_download,
                recovery_code_download::Deps {
                    clock: clock.clone(),
                    store: store.clone(),
                    codes: recovery_codes.clone(),
                    keys: Arc::clone(&keys),
                    policy,
                    random: random.clone(),
                }
            ),
        ),
        (
            "recovery-code-issue",
            function!(
                parts,
                recovery_code_issue,
                recovery_code_issue::Deps {
                    clock: clock.clone(),
                    store: store.clone(),
                    codes: recovery_codes.clone(),
                    keys: Arc::clone(&keys),
                    policy,
                    format: parts.format,
                    random: random.clone(),
                }
            ),
        ),
        (
            "recovery-code-redeem",
            function!(
                parts,
                recovery_code_redeem,
                recovery_code_redeem::Deps {
                    clock: clock.clone(),
                    store: store.clone(),
                    codes: recovery_codes,
                    keyring: keyring.clone(),
                    keys,
                    policy,
                    limit: parts.recoveries,
                    second_proof: parts.second_proof,
                    random: random.clone(),
                }
            ),
        ),
        (
            "recovery-email-send",
            function!(
                parts,
                recovery_email_send,
                recovery_email_send::Deps {
                    clock: clock.clone(),
                    store: store.clone(),
                    keyring: keyring.clone(),
                    policy,
                    codes: Some(EmailCodes {
                        mail: Arc::new(parts.outbox.clone()),
                        words: parts.codes.words.clone(),
                        limits: parts.codes.limits,
                        random: random.clone(),
                    }),
                    random: random.clone(),
                }
            ),
        ),
        (
            "recovery-email-verify",
            function!(
                parts,
                recovery_email_verify,
                recovery_email_verify::Deps {
                    clock: clock.clone(),
                    store: store.clone(),
                    keyring,
                    policy,
                    random: random.clone(),
                }
            ),
        ),
        (
            "session-end",
            function!(
                parts,
                session_end,
                session_end::Deps { clock: clock.clone(), store: store.clone(), policy, random }
            ),
        ),
        (
            "session-token",
            function!(
                parts,
                session_token,
                session_token::Deps { clock: clock.clone(), store: store.clone(), policy, tokens }
            ),
        ),
        (
            "sessions-list",
            function!(
                parts,
                sessions_list,
                sessions_list::Deps { clock: clock.clone(), store: store.clone(), policy }
            ),
        ),
        ("sign-out", function!(parts, sign_out, sign_out::Deps { clock, store })),
    ])
}

/// `keys-rotate`, which a schedule starts.
pub fn keys_rotate(parts: &Parts) -> keys_rotate::Deps {
    keys_rotate::Deps {
        clock: parts.clock.clone(),
        records: parts.records.clone(),
        keys: Arc::clone(&parts.keys),
        random: Random::system(),
    }
}

/// `security-notices`, which the stream of `Accounts` starts.
pub fn security_notices(parts: &Parts) -> security_notices::Deps {
    security_notices::Deps {
        clock: parts.clock.clone(),
        topic: Arc::new(parts.outbox.clone()),
        issuer: parts.issuer.clone(),
        portal: parts.portal.to_owned(),
        store: parts.store.clone(),
        texts: Arc::new(parts.outbox.clone()),
        mail: Some(Arc::new(parts.outbox.clone())),
    }
}

/// `voice-call`, which the `VoiceCodes` topic starts: its deliveries, each up to three times, as Lambda hands them out.
pub fn voice_call(parts: &Parts, meter: &Meter) -> Subscriber {
    let deps = Arc::new(voice_call::Deps {
        clock: parts.clock.clone(),
        store: parts.store.clone(),
        keyring: OpenedKeyring::new(Arc::clone(&parts.keys), parts.records.clone()),
        calls: Arc::new(parts.outbox.clone()),
        words: parts.codes.words.clone(),
        random: Random::system(),
    });
    let (runs, meter) = (Arc::new(runs(parts, "voice-call")), meter.clone());
    Arc::new(move |call| {
        let (deps, runs, meter) = (Arc::clone(&deps), Arc::clone(&runs), meter.clone());
        Box::pin(async move {
            for _ in 0..DELIVERIES {
                let Ok(delivery) = voice_call::Delivery::of(&call) else { return };
                let run = runs.counting(voice_call::handle(&deps, delivery));
                if meter.measure("voice-call", run).await.is_ok() {
                    return;
                }
            }
        })
    })
}

/// Counts the runs of a function that no request starts.
pub fn runs(parts: &Parts, function: &'static str) -> Runs {
    Runs::warm(function, parts.frame.metrics.clone(), parts.clock.clone())
}

/// How often Lambda hands out what fails: once, and two retries.
const DELIVERIES: u32 = 3;

/// The functions that are started by something else than a request.
pub const NOT_HTTP: [&str; 3] = ["keys-rotate", "security-notices", "voice-call"];
