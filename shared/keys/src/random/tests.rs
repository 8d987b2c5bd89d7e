use std::collections::BTreeMap;

use secrecy::ExposeSecret;

use super::*;

#[test]
fn digits_and_symbols_have_the_length_and_alphabet_asked_for() {
    let random = Random::system();
    for length in [0, 1, 6, 16, 31, 32, 33, 100] {
        let digits = random.digits(length);
        assert_eq!(digits.expose_secret().len(), length);
        assert!(digits.expose_secret().bytes().all(|digit| DECIMAL.contains(&digit)));

        let symbols = random.crockford(length);
        assert_eq!(symbols.expose_secret().len(), length);
        assert!(symbols.expose_secret().bytes().all(|symbol| CROCKFORD.contains(&symbol)));
    }
}

/// χ² with 9 and 31 degrees of freedom stays under these with a probability of 1 − 10⁻⁶; the seed is fixed, so the test
/// never fails by chance. A byte taken modulo 10 without rejection would give about 250 for the digits.
#[test]
fn every_symbol_is_equally_likely() {
    let random = Random::seeded(7);
    for (text, alphabet, limit) in [
        (random.digits(1_000_000), DECIMAL.as_slice(), 44.8),
        (random.crockford(1_000_000), CROCKFORD.as_slice(), 88.0),
    ] {
        let mut counts = BTreeMap::new();
        for symbol in text.expose_secret().bytes() {
            *counts.entry(symbol).or_insert(0_u32) += 1;
        }
        let expected = 1_000_000.0 / f64::from(u32::try_from(alphabet.len()).unwrap());
        let chi_squared: f64 =
            alphabet.iter().map(|symbol| (f64::from(counts[symbol]) - expected).powi(2) / expected).sum();
        assert!(chi_squared < limit, "{chi_squared}");
    }
}

#[test]
fn no_two_draws_are_alike() {
    let random = Random::system();
    assert_ne!(random.fill::<32>(), random.fill::<32>());
    assert_ne!(random.digits(40).expose_secret(), random.digits(40).expose_secret());
}

#[test]
fn a_seed_repeats_and_its_clones_share_one_stream() {
    let random = Random::seeded(1);
    let first = (random.fill::<40>(), random.fill::<40>());
    assert_ne!(first.0, first.1);

    let again = Random::seeded(1);
    assert_eq!(first, (again.fill(), again.clone().fill()));
    assert_ne!(first.0, Random::seeded(2).fill());
}
