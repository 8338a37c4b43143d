//! Where alerts come from. A new source is one file here and one entry in [`ALL`].
//!
//! Parsing alone: nothing here touches the network or the store, and nothing is scrubbed yet.

pub mod envelope;
mod generic;
mod glitchtip;
mod sentry;
mod sentry_webhook;
mod value;

use domain::source::AlertSource;
use domain::{Error, Result};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::sync::Arc;

pub struct Entry {
    pub id: &'static str,
    pub label: &'static str,
    pub open: fn() -> Arc<dyn AlertSource>,
}

pub const ALL: &[Entry] = &[sentry::ENTRY, sentry_webhook::ENTRY, glitchtip::ENTRY, generic::ENTRY];

pub fn open_all() -> Vec<Arc<dyn AlertSource>> {
    ALL.iter().map(|entry| (entry.open)()).collect()
}

/// Whether `signature` is the HMAC-SHA256 of these bytes in hex. Compares in constant time.
fn check_signature(secret: &str, body: &[u8], signature: &str) -> Result<()> {
    let wrong = || Error::unauthenticated("the delivery's signature does not fit its body and this source's secret");
    let given = hex::decode(signature.trim()).map_err(|_| wrong())?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    mac.verify_slice(&given).map_err(|_| wrong())
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn json_body(body: &[u8]) -> Result<serde_json::Value> {
    serde_json::from_slice(body).map_err(|e| Error::invalid(format!("the delivery is no JSON: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_fits_its_own_bytes_alone() {
        // From RFC 4231, test case 2.
        let good = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert!(check_signature("Jefe", b"what do ya want for nothing?", good).is_ok());
        assert!(check_signature("Jefe", b"what do ya want for nothing!", good).is_err());
        assert!(check_signature("jefe", b"what do ya want for nothing?", good).is_err());
        assert!(check_signature("Jefe", b"what do ya want for nothing?", &good[..62]).is_err());
        assert!(check_signature("Jefe", b"what do ya want for nothing?", "").is_err());
    }
}
