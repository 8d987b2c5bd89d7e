use std::collections::BTreeMap;

use postern_domain::send_limit::PER_ACCOUNT;
use proptest::prelude::*;

use super::*;

proptest! {
    /// All shards together let exactly as many go as the limit says.
    #[test]
    fn the_shards_add_up(most in prop_oneof![0_u64..2000, any::<u64>()]) {
        let shards: BTreeMap<u64, u64> = (0..256).map(|spread| shard(spread, most)).collect();
        prop_assert_eq!(shards.values().sum::<u64>(), most);
        prop_assert!(shards.len() == 1 || shards.values().all(|share| *share >= LEAST_OF_A_SHARD));
    }
}

/// `DynamoDB` refuses a value that no expression uses.
#[test]
fn every_value_is_used() {
    let now = Timestamp::UNIX_EPOCH;
    for limits in [PER_ACCOUNT, PER_NUMBER, PER_ADDRESS, LOOKUPS] {
        for Expression { text, values } in [free(limits, now), moved(limits, now), moved_back(limits)] {
            for name in values.keys() {
                let used = text
                    .match_indices(name.as_str())
                    .any(|(at, _)| !text[at + name.len()..].starts_with(|next: char| next.is_alphanumeric()));
                assert!(used, "{name} in {text}");
            }
        }
    }
}

#[test]
fn the_next_hour_is_never_this_instant() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    assert_eq!(next_hour(at("2025-03-01T12:59:59.999Z")), at("2025-03-01T13:00:00Z"));
    assert_eq!(next_hour(at("2025-03-01T13:00:00Z")), at("2025-03-01T14:00:00Z"));
    assert_eq!(next_hour(Timestamp::MAX), Timestamp::MAX);
}
