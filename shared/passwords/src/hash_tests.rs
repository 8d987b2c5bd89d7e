use super::*;

const STORED: &str = "3$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$\
                      AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

#[test]
fn it_is_stored_as_one_text_and_read_back() {
    let hash: PasswordHash = STORED.parse().unwrap();
    assert_eq!((hash.pepper, hash.cost), (3, Cost::default()));
    assert_eq!(hash.salt, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    assert_eq!(hash.tag, [1; 32]);

    let stored = serde_json::to_value(&hash).unwrap();
    assert_eq!(stored, STORED);
    assert_eq!(String::from(serde_json::from_value::<PasswordHash>(stored).unwrap()), STORED);
    assert_eq!(secrecy::ExposeSecret::expose_secret(&SecretString::from(&hash)), STORED);
}

/// A hash of the past must still be checked when the floor has been raised since.
#[test]
fn one_under_todays_floor_is_still_read() {
    let old = STORED.replace("m=19456,t=2", "m=4096,t=3");
    assert_eq!(old.parse::<PasswordHash>().unwrap().cost, Cost::for_tests(4_096, 3));
}

#[test]
fn what_was_not_made_here_is_refused() {
    for (from, to) in [
        ("3$", "$"),
        ("3$", ""),
        ("3$", "03$"),
        ("3$", "+3$"),
        ("3$", "-1$"),
        ("3$", "4294967296$"),
        ("3$", "3"),
        ("argon2id", "argon2i"),
        ("argon2id", "argon2d"),
        ("argon2id", "scrypt"),
        ("v=19", "v=16"),
        ("$v=19", ""),
        ("p=1", "p=2"),
        ("m=19456", "m=4294967295"),
        ("m=19456", "m=131073"),
        ("t=2", "t=11"),
        ("t=2", "t=02"),
        (",t=2", ""),
        ("AAECAwQFBgcICQoLDA0ODw", "AAECAwQFBgcICQoLDA0O"),
        ("AAECAwQFBgcICQoLDA0ODw", "AAECAwQFBgcICQoLDA0ODxA"),
        ("$AAECAwQFBgcICQoLDA0ODw", ""),
        ("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"),
        ("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE", ""),
        ("AQE", "A\u{e9}E"),
    ] {
        let changed = STORED.replacen(from, to, 1);
        assert_ne!(changed, STORED);
        assert_eq!(changed.parse::<PasswordHash>().unwrap_err(), InvalidHash, "{changed}");
    }
    for text in ["", "$", "3", "3$", &format!("{STORED}$x"), &format!("{STORED} "), &format!(" {STORED}")] {
        assert_eq!(text.parse::<PasswordHash>().unwrap_err(), InvalidHash, "{text}");
        assert!(serde_json::from_value::<PasswordHash>(text.into()).is_err(), "{text}");
    }
}

#[test]
fn neither_salt_nor_tag_is_shown() {
    let shown = format!("{:?}", STORED.parse::<PasswordHash>().unwrap());
    assert_eq!(shown, "PasswordHash { pepper: 3, cost: Cost { memory_kib: 19456, passes: 2 }, .. }");
}
