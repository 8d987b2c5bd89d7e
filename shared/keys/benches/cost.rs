//! What sealing, opening, MACs and signatures cost in CPU: `cargo bench -p postern-keys`.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement")]

use std::hint::black_box;

use cpu_time::ProcessTime;
use jiff::Timestamp;
use postern_keys::rotation::{self, Periods};
use postern_keys::{Keyring, LocalKeys, Purpose, Random, TokenSigner};
use serde_json::json;

const ROUNDS: u32 = 20_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let keys = LocalKeys::ephemeral();
    let now = Timestamp::UNIX_EPOCH;
    let mut sealing = Vec::new();
    for due in rotation::due_sealing(&[], now, Periods::default()) {
        sealing.push(due.make(&keys).await.unwrap());
    }
    let mut tokens = Vec::new();
    for due in rotation::due_tokens(&[], now, Periods::default()) {
        tokens.push(due.make(&keys, rotation::kid(Random::system().fill())).await.unwrap());
    }
    let keyring = Keyring::open(&keys, &sealing).await.unwrap();
    let signer = TokenSigner::open(&keys, &tokens, now).await.unwrap();

    // As large as the state of a passkey ceremony.
    let plaintext = [7; 400];
    let context = ["passkey-sign-in", "2025-03-07T00:00:00Z"];
    let sealed = keyring.seal(Purpose::PasskeySignIn, &context, &plaintext, now).unwrap();
    let parts: [&[u8]; 2] = [b"si_0123456789", b"123456"];
    let claims = json!({
        "iss": "https://id.example", "aud": "portal", "sub": "acc_0123456789abcdef", "sid": "ses_0123456789abcdef",
        "iat": 1_741_305_600, "exp": 1_741_306_500, "jti": "0123456789abcdef", "auth_time": 1_741_305_600,
        "amr": ["hwk", "user", "mfa"], "acr": "phr",
    });

    measure("Keyring::seal, 400 bytes", || keyring.seal(Purpose::PasskeySignIn, &context, &plaintext, now));
    measure("Keyring::open_sealed", || keyring.open_sealed(Purpose::PasskeySignIn, &context, &sealed));
    measure("Keyring::mac", || keyring.mac(Purpose::PhoneCode, &parts, now));
    measure("TokenSigner::sign", || signer.sign(&claims, now));
    measure("Random::fill, 32 bytes", || Random::system().fill::<32>());
    measure("Random::digits(16)", || Random::system().digits(16));
}

fn measure<T>(what: &str, mut call: impl FnMut() -> T) {
    for _ in 0..ROUNDS / 10 {
        black_box(call());
    }
    let started = ProcessTime::now();
    for _ in 0..ROUNDS {
        black_box(call());
    }
    println!("{what}: {:.2} µs", started.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS));
}
