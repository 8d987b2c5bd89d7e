use proptest::prelude::*;

use super::*;

#[test]
fn owasps_floor_and_what_is_above_it_is_taken() {
    for text in [
        "m=47104,t=1,p=1",
        "m=19456,t=2,p=1",
        "m=12288,t=3,p=1",
        "m=9216,t=4,p=1",
        "m=7168,t=5,p=1",
        "m=7168,t=10,p=1",
        "m=65536,t=3,p=1",
        "m=131072,t=10,p=1",
    ] {
        assert_eq!(text.parse::<Cost>().unwrap().to_string(), text);
    }
    assert_eq!("m=19456,t=2,p=1".parse(), Ok(Cost::default()));
}

#[test]
fn everything_else_is_refused_for_what_it_is() {
    for (text, why) in [
        ("m=47103,t=1,p=1", InvalidCost::TooLow),
        ("m=19455,t=2,p=1", InvalidCost::TooLow),
        ("m=12287,t=3,p=1", InvalidCost::TooLow),
        ("m=9215,t=4,p=1", InvalidCost::TooLow),
        ("m=7167,t=5,p=1", InvalidCost::TooLow),
        ("m=7167,t=10,p=1", InvalidCost::TooLow),
        ("m=8,t=1,p=1", InvalidCost::TooLow),
        ("m=131073,t=2,p=1", InvalidCost::TooHigh),
        ("m=19456,t=11,p=1", InvalidCost::TooHigh),
        ("m=4294967295,t=1,p=1", InvalidCost::TooHigh),
        ("m=19456,t=4294967295,p=1", InvalidCost::TooHigh),
        ("", InvalidCost::Malformed),
        ("m=19456", InvalidCost::Malformed),
        ("m=19456,t=2", InvalidCost::Malformed),
        ("m=19456,t=2,p=2", InvalidCost::Malformed),
        ("m=19456,t=2,p=16777215", InvalidCost::Malformed),
        ("m=19456,t=0,p=1", InvalidCost::Malformed),
        ("t=2,m=19456,p=1", InvalidCost::Malformed),
        ("m=019456,t=2,p=1", InvalidCost::Malformed),
        ("m=19456,t=2,p=1,keyid=AAAA", InvalidCost::Malformed),
        ("m=19456,t=2,p=1,data=AAAA", InvalidCost::Malformed),
        ("m=19456,t=2,p=1,x=1", InvalidCost::Malformed),
        ("m=19456,m=19456,t=2,p=1", InvalidCost::Malformed),
        ("m=19456,t=2,p=1 ", InvalidCost::Malformed),
        ("m=-1,t=2,p=1", InvalidCost::Malformed),
        ("m=4294967296,t=2,p=1", InvalidCost::Malformed),
        ("$argon2id$v=19$m=19456,t=2,p=1", InvalidCost::Malformed),
    ] {
        assert_eq!(text.parse::<Cost>(), Err(why), "{text}");
    }
}

proptest! {
    #[test]
    fn a_cost_is_taken_exactly_if_it_covers_a_pair_of_the_floor(memory in 8..140_000_u32, passes in 1..12_u32) {
        let text = format!("m={memory},t={passes},p=1");
        let enough = match passes {
            1 => memory >= 47_104,
            2 => memory >= 19_456,
            3 => memory >= 12_288,
            4 => memory >= 9_216,
            _ => memory >= 7_168,
        };
        let taken = text.parse::<Cost>();
        prop_assert_eq!(taken.is_ok(), enough && memory <= 131_072 && passes <= 10);
        if let Ok(cost) = taken {
            prop_assert_eq!(cost.to_string(), text);
        }
    }
}
