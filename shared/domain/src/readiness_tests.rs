use super::*;
use crate::admission::Method;
use crate::fixtures::*;

const NOW: &str = "2025-02-01T00:00:00Z";

fn of(accounts: &[Account]) -> Readiness {
    let mut readiness = Readiness::default();
    for account in accounts {
        readiness.count(account, instant(NOW));
    }
    readiness
}

fn measure(readiness: &Readiness, name: &str) -> u64 {
    let measures = readiness.measures();
    let mut named = measures.iter().filter(|measure| measure.name == name);
    let found = named.next().unwrap().accounts;
    assert!(named.next().is_none(), "{name} stands twice");
    found
}

#[test]
fn every_account_by_the_table_of_set_ups() {
    for has in all_kinds() {
        for code in CODES {
            let readiness = of(&[account(&has, code)]);
            let [passkey, authenticator, password] = row(&SET_UPS, &has);
            let (minimum, held) = (has_minimum(&has), code == Code::Downloaded);
            let secret = has.contains(&Method::Password) || has.contains(&Method::Authenticator);
            for (name, expected) in [
                ("ready", minimum && held),
                ("only_set_up_missing", !minimum && held),
                ("only_code_missing", minimum && !held),
                ("both_missing", !minimum && !held),
                ("passkey", passkey),
                ("authenticator_and_phone", authenticator),
                ("password_and_phone", password),
                ("no_set_up", !minimum),
                ("phone_missing", !minimum && secret),
                ("code_downloaded", held),
                ("code_not_downloaded", code == Code::Issued),
                ("code_never_issued", code == Code::None),
            ] {
                assert_eq!(measure(&readiness, name), u64::from(expected), "{name}: {has:?}, {code:?}");
            }
            assert_eq!((readiness.accounts, readiness.unfinished), (1, 0));
        }
    }
}

#[test]
fn who_is_ready_is_who_the_policy_asks_nothing_of() {
    let after = policy().set_up_required_from;
    for has in all_kinds() {
        for code in CODES {
            let account = account(&has, code);
            let asked = !policy().action_needed(&account, after).is_empty();
            assert_eq!(of(&[account]).ready, u64::from(!asked), "{has:?}, {code:?}");
        }
    }
}

#[test]
fn an_unfinished_registration_is_counted_apart_until_it_is_forgotten() {
    let forget_at = |at| Account { forget_at: Some(at), ..account(&Kinds::new(), Code::None) };
    let now = instant(NOW);
    assert_eq!(of(&[forget_at(now + MILLISECOND)]), Readiness { unfinished: 1, ..Readiness::default() });
    assert_eq!(of(&[forget_at(now)]), Readiness::default());
}

proptest::proptest! {
    #[test]
    fn the_parts_add_up(accounts in proptest::collection::vec(any_account(), 0..40)) {
        let readiness = of(&accounts);
        let sum = |names: &[&str]| names.iter().map(|name| measure(&readiness, name)).sum::<u64>();
        proptest::prop_assert_eq!(readiness.accounts, u64::try_from(accounts.len()).unwrap());
        let day = ["ready", "only_set_up_missing", "only_code_missing", "both_missing"];
        proptest::prop_assert_eq!(sum(&day), readiness.accounts);
        let code = ["code_downloaded", "code_not_downloaded", "code_never_issued"];
        proptest::prop_assert_eq!(sum(&code), readiness.accounts);
        proptest::prop_assert_eq!(sum(&["only_set_up_missing", "both_missing"]), sum(&["no_set_up"]));
    }
}
