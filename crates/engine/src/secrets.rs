//! Secrets at rest: sealed under keys that derive from the installation's `SECRET_KEY`.

use crate::Engine;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use domain::secret::Secret;
use domain::{Error, Result};
use hkdf::Hkdf;
use sha2::Sha256;

/// The first byte of what is stored, for the day when another cipher is wanted.
const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;
const SECRET_KEY_BYTES_MIN: usize = 32;

/// Seals a secret for one place, such as `repository:<id>:token`. A row copied to another place does not open.
pub fn seal(engine: &Engine, place: &str, secret: &Secret) -> Result<Vec<u8>> {
    let mut nonce = [0u8; NONCE_BYTES];
    engine.clock.random(&mut nonce);
    seal_with(&key(engine, "secrets at rest"), nonce, place, secret)
}

pub fn open(engine: &Engine, place: &str, sealed: &[u8]) -> Result<Secret> {
    open_with(&key(engine, "secrets at rest"), place, sealed)
}

/// A key of 32 bytes for one purpose; different purposes tell nothing about each other.
pub fn key(engine: &Engine, purpose: &str) -> [u8; 32] {
    derive(&engine.settings.secret_key, purpose)
}

/// Whether a `SECRET_KEY` that somebody chose may be used at all.
pub fn check_secret_key(secret_key: &[u8]) -> Result<()> {
    let text = String::from_utf8_lossy(secret_key).to_ascii_lowercase();
    if text.contains("insecure") || text.contains("change-me") || text.contains("changeme") {
        return Err(Error::invalid(
            "SECRET_KEY is a published default, which everybody knows; leave it out and one is generated, or set your own",
        ));
    }
    let distinct = secret_key.iter().collect::<std::collections::BTreeSet<_>>().len();
    if secret_key.len() < SECRET_KEY_BYTES_MIN || distinct < 8 {
        return Err(Error::invalid(format!(
            "SECRET_KEY needs at least {SECRET_KEY_BYTES_MIN} random bytes, such as `openssl rand -hex 32` prints"
        )));
    }
    Ok(())
}

fn derive(secret_key: &[u8], purpose: &str) -> [u8; 32] {
    let mut key = [0u8; 32];
    let hkdf = Hkdf::<Sha256>::new(Some(b"astraforge"), secret_key);
    hkdf.expand(purpose.as_bytes(), &mut key).expect("32 bytes are fewer than HKDF can give");
    key
}

fn seal_with(key: &[u8; 32], nonce: [u8; NONCE_BYTES], place: &str, secret: &Secret) -> Result<Vec<u8>> {
    let payload = Payload { msg: secret.expose().as_bytes(), aad: place.as_bytes() };
    let text = XChaCha20Poly1305::new(key.into()).encrypt(&XNonce::from(nonce), payload);
    let text = text.map_err(|_| Error::internal("a secret could not be sealed"))?;
    Ok([&[VERSION][..], &nonce, &text].concat())
}

fn open_with(key: &[u8; 32], place: &str, sealed: &[u8]) -> Result<Secret> {
    let unreadable = || Error::internal(format!("the stored secret `{place}` does not open; was SECRET_KEY changed?"));
    let (version, rest) = sealed.split_first().ok_or_else(unreadable)?;
    let (nonce, text) = rest.split_first_chunk::<NONCE_BYTES>().ok_or_else(unreadable)?;
    if *version != VERSION {
        return Err(unreadable());
    }
    let payload = Payload { msg: text, aad: place.as_bytes() };
    let plain = XChaCha20Poly1305::new(key.into()).decrypt(&XNonce::from(*nonce), payload).map_err(|_| unreadable())?;
    String::from_utf8(plain).map(Secret::new).map_err(|_| unreadable())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_only_in_its_place_and_under_its_key() {
        let key = derive(b"0123456789abcdef0123456789abcdef", "secrets at rest");
        let sealed = seal_with(&key, [7; NONCE_BYTES], "repository:1:token", &Secret::new("glpat-x")).expect("seals");
        assert!(!sealed.windows(5).any(|w| w == b"glpat"));
        assert_eq!(open_with(&key, "repository:1:token", &sealed).expect("opens").expose(), "glpat-x");
        assert!(open_with(&key, "repository:2:token", &sealed).is_err());
        assert!(open_with(&derive(b"another", "secrets at rest"), "repository:1:token", &sealed).is_err());
        let mut bent = sealed.clone();
        bent[30] ^= 1;
        assert!(open_with(&key, "repository:1:token", &bent).is_err());
        assert!(open_with(&key, "repository:1:token", &[]).is_err());
    }

    #[test]
    fn published_and_weak_keys_are_refused() {
        assert!(check_secret_key(b"django-insecure-astraforge-0123456789").is_err());
        assert!(check_secret_key(b"short").is_err());
        assert!(check_secret_key(&[b'a'; 64]).is_err());
        assert!(check_secret_key(b"f8c1b7e3a90d4c5e8f7a6b5c4d3e2f1a").is_ok());
    }
}
