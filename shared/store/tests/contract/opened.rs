//! Keys are opened once, also when many ask at once, and asked for anew as long as they could not be had.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use jiff::SignedDuration;
use postern_keys::rotation::{SealingKeyDue, TokenKeyDue};
use postern_keys::{Gate, KeyError, LocalKeys, Purpose};
use postern_store::{OpenedKeyring, OpenedTokenSigner};

use crate::tables::{NOW, Tables};

/// Counts what is decrypted, and refuses it while it is shut.
#[derive(Default)]
struct Counter {
    decrypted: AtomicUsize,
    shut: AtomicBool,
}

#[derive(thiserror::Error, Debug)]
#[error("shut")]
struct Shut;

impl Gate for Counter {
    fn before(&self, operation: &'static str) -> Result<(), KeyError> {
        if operation == "Decrypt" {
            self.decrypted.fetch_add(1, Ordering::SeqCst);
            if self.shut.load(Ordering::SeqCst) {
                return Err(KeyError::unavailable(Shut));
            }
        }
        Ok(())
    }

    fn after(&self, _: &'static str) -> Result<(), KeyError> {
        Ok(())
    }
}

fn keys() -> (Arc<LocalKeys>, Arc<Counter>) {
    let counter = Arc::new(Counter::default());
    (Arc::new(LocalKeys::ephemeral().with_gate(counter.clone())), counter)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_keyring_is_opened_once() {
    let tables = Tables::new().await;
    let (service, counter) = keys();
    let opened = OpenedKeyring::new(service.clone(), tables.keys.clone());

    // Before keys-rotate has run: nothing can be sealed, and nothing is remembered of that.
    opened.warm(NOW).await;
    assert_eq!(opened.at(NOW).await.unwrap_err().status().as_u16(), 503);
    let due = SealingKeyDue { version: 1, active_from: NOW };
    assert!(tables.keys.add_sealing(&due.make(&*service).await.unwrap()).await.unwrap());
    counter.shut.store(true, Ordering::SeqCst);
    assert_eq!(opened.at(NOW).await.unwrap_err().status().as_u16(), 503);
    counter.shut.store(false, Ordering::SeqCst);
    let before = counter.decrypted.load(Ordering::SeqCst);

    let asking: Vec<_> = (0..64)
        .map(|_| {
            let opened = opened.clone();
            tokio::spawn(async move {
                let keyring = opened.at(NOW).await.unwrap();
                keyring.seal(Purpose::PasskeySignIn, &[], b"state", NOW).unwrap()
            })
        })
        .collect();
    for sealed in asking {
        let keyring = opened.at(NOW).await.unwrap();
        let sealed = sealed.await.unwrap();
        assert_eq!(keyring.open_sealed(Purpose::PasskeySignIn, &[], &sealed).unwrap().expose(), b"state");
    }
    assert_eq!(counter.decrypted.load(Ordering::SeqCst), before + 1);
}

#[tokio::test]
async fn a_signer_is_opened_anew_when_its_keys_are_over() {
    let tables = Tables::new().await;
    let (service, counter) = keys();
    let opened = OpenedTokenSigner::new(service.clone(), tables.keys.clone());
    let hour = SignedDuration::from_hours(1);
    for (kid, from) in [("first", NOW), ("second", NOW + hour)] {
        let due = TokenKeyDue { active_from: from, active_until: from + hour };
        let made = due.make(&*service, kid.to_owned()).await.unwrap();
        assert!(tables.keys.add_token(&made).await.unwrap());
    }
    opened.warm(NOW).await;
    let at_first = counter.decrypted.load(Ordering::SeqCst);
    assert!(opened.at(NOW).await.unwrap().can_sign_at(NOW));
    assert!(opened.at(NOW + hour).await.is_ok(), "the next key stood ready");
    assert_eq!(counter.decrypted.load(Ordering::SeqCst), at_first);
    // After both, the records are read again, in case a rotation has come since; until it has, nothing signs.
    let too_late = NOW + hour + hour;
    assert!(!opened.at(too_late).await.unwrap().can_sign_at(too_late));
    let due = TokenKeyDue { active_from: too_late, active_until: too_late + hour };
    let made = due.make(&*service, "third".to_owned()).await.unwrap();
    assert!(tables.keys.add_token(&made).await.unwrap());
    assert!(opened.at(too_late).await.unwrap().can_sign_at(too_late));
}
