use super::*;

#[test]
fn an_identifier_has_one_spelling() {
    let id = AccountId::from_bytes([7; 16]);
    assert_eq!(id.as_str(), "acc_BwcHBwcHBwcHBwcHBwcHBw");
    assert_eq!(id.as_str().parse::<AccountId>(), Ok(id.clone()));
    assert_eq!(id.bytes(), Ok([7; 16]));
    for other in [
        "",
        "acc_",
        "pk_BwcHBwcHBwcHBwcHBwcHBw",
        "acc_BwcHBwcHBwcHBwcHBwcHBw==",
        "acc_BwcHBwcHBwcHBwcHBwcHBx",
        "acc_BwcHBwcHBwcHBwcHBwcHB",
        "ACC_BwcHBwcHBwcHBwcHBwcHBw",
        " acc_BwcHBwcHBwcHBwcHBwcHBw",
        "acc_Bwc/BwcHBwcHBwcHBwcHBw",
    ] {
        assert_eq!(other.parse::<AccountId>(), Err(InvalidId), "{other:?}");
    }
}
