use proptest::prelude::*;

use super::*;
use crate::LocalKeys;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

const DAY: i64 = 24 * 60 * 60;
/// 2025-03-07T00:00:00Z
const T: i64 = 1_741_305_600;

fn stored_sealing(due: SealingKeyDue) -> SealingKeyRecord {
    SealingKeyRecord { version: due.version, sealed: Vec::new(), active_from: due.active_from }
}

fn stored_token(due: TokenKeyDue, number: usize) -> TokenKeyRecord {
    TokenKeyRecord {
        kid: format!("{number:04}"),
        sealed_private: Vec::new(),
        public_der: Vec::new(),
        active_from: due.active_from,
        active_until: due.active_until,
    }
}

#[derive(Default)]
struct Stored {
    sealing: Vec<SealingKeyRecord>,
    tokens: Vec<TokenKeyRecord>,
}

impl Stored {
    fn rotate(&mut self, now: Timestamp, periods: Periods) {
        self.sealing.extend(due_sealing(&self.sealing, now, periods).into_iter().map(stored_sealing));
        for due in due_tokens(&self.tokens, now, periods) {
            self.tokens.push(stored_token(due, self.tokens.len()));
        }
    }

    fn active_tokens(&self, now: Timestamp) -> Vec<&TokenKeyRecord> {
        self.tokens.iter().filter(|key| key.is_active_at(now)).collect()
    }
}

#[test]
fn the_first_keys_serve_at_once_and_the_next_stand_ready() {
    let periods = Periods::default();
    assert_eq!(
        due_sealing(&[], at(T), periods),
        [
            SealingKeyDue { version: 1, active_from: Timestamp::UNIX_EPOCH },
            SealingKeyDue { version: 2, active_from: at(T + 90 * DAY) },
        ]
    );
    assert_eq!(
        due_tokens(&[], at(T), periods),
        [
            TokenKeyDue { active_from: Timestamp::UNIX_EPOCH, active_until: at(T + 30 * DAY) },
            TokenKeyDue { active_from: at(T + 30 * DAY), active_until: at(T + 60 * DAY) },
        ]
    );
}

#[test]
fn nothing_is_due_until_the_next_takes_over_and_then_its_successor_is() {
    let periods = Periods::default();
    let mut stored = Stored::default();
    stored.rotate(at(T), periods);

    for quiet in [T, T + 1, T + 30 * DAY - 1] {
        assert_eq!(due_tokens(&stored.tokens, at(quiet), periods), []);
        assert_eq!(due_sealing(&stored.sealing, at(quiet), periods), []);
    }
    assert_eq!(
        due_tokens(&stored.tokens, at(T + 30 * DAY), periods),
        [TokenKeyDue { active_from: at(T + 60 * DAY), active_until: at(T + 90 * DAY) }]
    );
    assert_eq!(
        due_sealing(&stored.sealing, at(T + 90 * DAY), periods),
        [SealingKeyDue { version: 3, active_from: at(T + 180 * DAY) }]
    );
}

#[test]
fn after_years_of_pause_there_is_one_active_token_key_and_one_next_without_a_gap() {
    let periods = Periods::default();
    let mut stored = Stored::default();
    stored.rotate(at(T), periods);
    let late = T + 2_000 * DAY;
    assert_eq!(
        due_tokens(&stored.tokens, at(late), periods),
        [
            TokenKeyDue { active_from: at(late), active_until: at(late + 30 * DAY) },
            TokenKeyDue { active_from: at(late + 30 * DAY), active_until: at(late + 60 * DAY) },
        ]
    );
    // The old key still seals; its overdue successor is announced a day ahead.
    assert_eq!(
        due_sealing(&stored.sealing, at(late), periods),
        [SealingKeyDue { version: 3, active_from: at(late + DAY) }]
    );
}

#[test]
fn a_clock_set_back_still_finds_keys() {
    let periods = Periods::default();
    let mut stored = Stored::default();
    stored.rotate(at(T), periods);
    let early = at(T - 1_000 * DAY);
    assert_eq!(due_tokens(&stored.tokens, early, periods), []);
    assert_eq!(due_sealing(&stored.sealing, early, periods), []);
}

#[test]
fn a_token_key_never_reaches_into_one_that_is_there_already() {
    let periods = Periods::default();
    let later = TokenKeyDue { active_from: at(T + 10 * DAY), active_until: at(T + 20 * DAY) };
    assert_eq!(
        due_tokens(&[stored_token(later, 0)], at(T), periods),
        [TokenKeyDue { active_from: at(T), active_until: at(T + 10 * DAY) }]
    );
}

#[test]
fn the_end_of_time_and_periods_of_nothing_do_no_harm() {
    let nothing = Periods { sealing: SignedDuration::ZERO, token: SignedDuration::MIN };
    for now in [Timestamp::MIN, Timestamp::UNIX_EPOCH, at(T), Timestamp::MAX] {
        for periods in [nothing, Periods::default()] {
            let mut stored = Stored::default();
            stored.rotate(now, periods);
            assert!(stored.sealing.len() <= 2 && stored.tokens.len() <= 2, "{now}");
        }
    }
}

#[tokio::test]
async fn what_is_due_is_made_under_its_own_context() {
    let keys = LocalKeys::ephemeral();
    let due = SealingKeyDue { version: 7, active_from: at(T) };
    let record = due.make(&keys).await.unwrap();
    assert_eq!((record.version, record.active_from), (7, at(T)));
    assert!(keys.decrypt(KeyName::Keyring, &EncryptionContext::keyring(7), &record.sealed).await.is_ok());

    let due = TokenKeyDue { active_from: at(T), active_until: at(T + 1) };
    let record = due.make(&keys, kid([0xfb; 16])).await.unwrap();
    assert_eq!(record.kid, "-_v7-_v7-_v7-_v7-_v7-w");
    assert_eq!((record.active_from, record.active_until), (at(T), at(T + 1)));
    let context = EncryptionContext::token(&record.kid);
    assert!(keys.decrypt(KeyName::Token, &context, &record.sealed_private).await.is_ok());
}

fn periods() -> impl Strategy<Value = Periods> {
    (1..400_i64, 1..400_i64).prop_map(|(sealing, token)| Periods {
        sealing: SignedDuration::from_hours(sealing * 12),
        token: SignedDuration::from_hours(token * 12),
    })
}

/// Instants in any order: days, pauses of years, clocks set back.
fn instants() -> impl Strategy<Value = Vec<i64>> {
    prop::collection::vec(prop_oneof![T..T + 200 * DAY, T - 3_000 * DAY..T + 30_000 * DAY], 1..30)
}

proptest! {
    #[test]
    fn whenever_it_runs_one_is_active_and_the_next_stands_ready(
        instants in instants(),
        periods in periods(),
    ) {
        let mut stored = Stored::default();
        for now in instants.into_iter().map(at) {
            stored.rotate(now, periods);

            prop_assert!(stored.sealing.iter().any(|key| key.active_from <= now));
            prop_assert!(stored.sealing.iter().any(|key| key.active_from > now));
            let mut versions: Vec<_> = stored.sealing.iter().map(|key| key.version).collect();
            versions.sort_unstable();
            versions.dedup();
            prop_assert_eq!(versions.len(), stored.sealing.len());

            let [active] = stored.active_tokens(now)[..] else {
                return Err(TestCaseError::fail("not exactly one active token key"));
            };
            prop_assert_eq!(stored.active_tokens(active.active_until).len(), 1, "no next, or two");
            for key in &stored.tokens {
                prop_assert!(key.active_from < key.active_until);
            }

            // Asked again, nothing more is due.
            prop_assert_eq!(due_sealing(&stored.sealing, now, periods), []);
            prop_assert_eq!(due_tokens(&stored.tokens, now, periods), []);
        }
    }

    #[test]
    fn run_in_time_it_leaves_no_gap_and_makes_no_more_than_it_must(
        pauses in prop::collection::vec(1..=12_i64, 1..200),
        periods in periods(),
    ) {
        let mut stored = Stored::default();
        let mut now = T;
        stored.rotate(at(now), periods);
        for pause in pauses {
            now += pause * 60 * 60;
            // Just before it runs, what it made earlier must still serve.
            prop_assert_eq!(stored.active_tokens(at(now)).len(), 1);
            stored.rotate(at(now), periods);
        }
        let took = now - T;
        let most = |period: SignedDuration| usize::try_from(took / period.as_secs()).unwrap() + 2;
        prop_assert!(stored.tokens.len() <= most(periods.token));
        prop_assert!(stored.sealing.len() <= most(periods.sealing));
    }
}
