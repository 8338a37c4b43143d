//! The installation's signing key. It derives from the secret key, so that there is one secret to keep and to back up.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{SigningKey, VerifyingKey};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};

const PURPOSE: &[u8] = b"astraforge evidence signing key v1";

pub struct Signer(SigningKey);

impl Signer {
    pub fn derive(secret_key: &[u8]) -> Self {
        let mut seed = [0u8; 32];
        Hkdf::<Sha256>::new(None, secret_key).expand(PURPOSE, &mut seed).expect("32 bytes are within what HKDF gives");
        Signer(SigningKey::from_bytes(&seed))
    }
    pub fn key(&self) -> &SigningKey {
        &self.0
    }
    pub fn public(&self) -> VerifyingKey {
        self.0.verifying_key()
    }
    pub fn key_id(&self) -> String {
        key_id(&self.public())
    }
}

/// `ed25519:` and the first 32 hex characters of the key's SHA-256.
pub fn key_id(key: &VerifyingKey) -> String {
    format!("ed25519:{}", &hex::encode(Sha256::digest(key.as_bytes()))[..32])
}

/// A public key in base64, as bundles carry it.
pub fn parse_public(text: &str) -> Option<VerifyingKey> {
    let bytes: [u8; 32] = STANDARD.decode(text.trim_start_matches("ed25519:")).ok()?.try_into().ok()?;
    VerifyingKey::from_bytes(&bytes).ok()
}
