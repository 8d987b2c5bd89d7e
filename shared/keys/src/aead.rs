//! AES-256-GCM under a key of each message's own, and the encodings that it binds.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::{hkdf, rand};
use zeroize::Zeroizing;

use crate::SecretBytes;

pub(crate) const KEY_LEN: usize = 32;
pub(crate) const SALT_LEN: usize = 32;
pub(crate) const TAG_LEN: usize = 16;

/// The key is used once, so its nonce need not vary.
const NONCE: [u8; NONCE_LEN] = [0; NONCE_LEN];

/// Seals to `head ‖ salt ‖ ciphertext ‖ tag`. `aad` must bind what `head` says.
///
/// Random 96-bit nonces under one long-lived key would end at 2^32 messages (NIST SP 800-38D §8.3), and anybody may ask
/// for sealed challenges. So each message gets a key of its own, HKDF-SHA256 over a 256-bit random salt (RFC 5869), as
/// the AWS Encryption SDK does.
pub(crate) fn seal(
    secret: &SecretBytes,
    label: &'static str,
    aad: &[u8],
    head: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, Unspecified> {
    let mut salt = [0; SALT_LEN];
    rand::fill(&mut salt)?;
    let key = message_key(secret, &salt, label)?;

    let before = head.len().saturating_add(SALT_LEN);
    let mut sealed = Vec::with_capacity(before.saturating_add(plaintext.len()).saturating_add(TAG_LEN));
    sealed.extend_from_slice(head);
    sealed.extend_from_slice(&salt);
    sealed.extend_from_slice(plaintext);
    let (_, body) = sealed.split_at_mut(before);
    let tag = key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(NONCE), Aad::from(aad), body)?;
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

/// Opens what [`seal`] made, without its head.
pub(crate) fn open(
    secret: &SecretBytes,
    label: &'static str,
    aad: &[u8],
    sealed: &[u8],
) -> Result<SecretBytes, Unspecified> {
    let (salt, body) = sealed.split_at_checked(SALT_LEN).ok_or(Unspecified)?;
    let (ciphertext, tag) = body.split_last_chunk::<TAG_LEN>().ok_or(Unspecified)?;
    let key = message_key(secret, salt, label)?;
    let mut plaintext = Zeroizing::new(vec![0; ciphertext.len()]);
    key.open_separate_gather(
        Nonce::assume_unique_for_key(NONCE),
        Aad::from(aad),
        ciphertext,
        tag,
        &mut plaintext,
    )?;
    Ok(SecretBytes::from(std::mem::take(&mut *plaintext)))
}

fn message_key(secret: &SecretBytes, salt: &[u8], label: &'static str) -> Result<LessSafeKey, Unspecified> {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(secret.expose())
        .expand(&[label.as_bytes()], &AES_256_GCM)?
        .fill(&mut *key)?;
    Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*key)?))
}

/// Appends `part` with its length before it, so that no two lists of parts encode alike.
pub(crate) fn append_part(to: &mut Vec<u8>, part: &[u8]) {
    to.extend_from_slice(&length(part));
    to.extend_from_slice(part);
}

/// A part's length as eight bytes, big-endian.
pub(crate) fn length(part: &[u8]) -> [u8; 8] {
    // No target has a `usize` wider than 64 bits.
    u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes()
}
