//! The bundle: one in-toto Statement per run in a DSSE envelope, signed with the installation's ed25519 key, and the
//! check that anybody can make offline.
//!
//! The signature alone says that something changed; the digests of the statement's sections say what.

use crate::signing::key_id;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::evidence::{Dot, Outcome, Proof, TestRow, Verdict};
use domain::git::Commit;
use domain::request::RequestKind;
use domain::sandbox::Guarantee;
use domain::{Error, Result, RunId, Timestamp};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PREDICATE: &str = "https://in-toto.io/attestation/test-result/v0.1";
const PAYLOAD: &str = "application/vnd.in-toto+json";
/// A bundle holds a proof, not a repository.
const BUNDLE_BYTES_MAX: usize = 32 << 20;

/// What a bundle says beside the proof itself.
pub struct Facts<'a> {
    pub run: RunId,
    pub kind: RequestKind,
    pub base: &'a Commit,
    pub patch: &'a Commit,
    pub diff: &'a [u8],
    pub executor: &'a str,
    pub model: &'a str,
    /// The digest of the set-up layer that every run stood on.
    pub layer: Option<&'a str>,
    pub guarantees: &'a [Guarantee],
    /// The run's event topic with its newest sequence number and hash.
    pub chain: (&'a str, i64, &'a str),
    pub at: Timestamp,
}

/// The envelope's text; its SHA-256 is the bundle's digest.
pub fn sign(facts: &Facts<'_>, proof: &Proof, key: &SigningKey) -> String {
    let payload = statement(facts, proof).to_string();
    let signature = key.sign(&pre_authentication(payload.as_bytes()));
    let public = key.verifying_key();
    json!({
        "payloadType": PAYLOAD,
        "payload": STANDARD.encode(&payload),
        "signatures": [{"keyid": key_id(&public), "sig": STANDARD.encode(signature.to_bytes()), "publicKey": STANDARD.encode(public.as_bytes())}],
    })
    .to_string()
}

/// A bundle whose every byte is as it was signed.
#[derive(Clone, Debug)]
pub struct Verified {
    pub statement: Value,
    pub key_id: String,
    /// Whether the key is the one that was asked for; false when none was.
    pub is_trusted: bool,
}

/// Checks form, key, signature and digests without a network. The error says what changed, as far as that can be told.
pub fn verify(envelope: &str, trusted: Option<&VerifyingKey>) -> Result<Verified> {
    if envelope.len() > BUNDLE_BYTES_MAX {
        return Err(changed("the bundle is larger than any bundle is"));
    }
    let parsed: Value = serde_json::from_str(envelope.trim_end()).map_err(|e| changed(format!("the envelope is no JSON any more: {e}")))?;
    if parsed["payloadType"].is_null() {
        return Err(changed("this is no evidence bundle: it names no payload type"));
    }
    let text = parsed.to_string();
    if text != envelope.trim_end() {
        return Err(changed("the envelope's text is not as it was written: take the file as it was downloaded"));
    }
    if parsed["payloadType"] != PAYLOAD {
        return Err(changed("the payload's type changed"));
    }
    let payload = decode(&parsed["payload"]).ok_or_else(|| changed("the payload is no base64 any more"))?;
    let entry = &parsed["signatures"][0];
    let public = decode(&entry["publicKey"]).and_then(|b| <[u8; 32]>::try_from(b).ok()).and_then(|b| VerifyingKey::from_bytes(&b).ok());
    let public = public.ok_or_else(|| changed("the public key in the envelope is none any more"))?;
    let key_id = key_id(&public);
    if entry["keyid"] != key_id.as_str() {
        return Err(changed("the key's name is not that of the key in the envelope"));
    }
    if trusted.is_some_and(|t| t != &public) {
        return Err(
            Error::conflict(format!("the bundle is signed with key {key_id}, which is not the key that was asked for")).code("other_key")
        );
    }
    let signature =
        decode(&entry["sig"]).and_then(|b| Signature::from_slice(&b).ok()).ok_or_else(|| changed("the signature is none any more"))?;
    let is_signed = public.verify_strict(&pre_authentication(&payload), &signature).is_ok();
    let statement: Value = serde_json::from_slice(&payload).map_err(|e| changed(format!("the statement is no JSON any more: {e}")))?;
    let sections = changed_sections(&statement);
    if !sections.is_empty() {
        return Err(changed(format!("changed since it was signed: {}", sections.join(", "))));
    }
    if !is_signed {
        return Err(changed("the statement's sections agree with their digests, but the signature was not made over this statement"));
    }
    Ok(Verified { statement, key_id, is_trusted: trusted.is_some() })
}

/// Whether a diff is the one that the statement is about.
pub fn is_about(statement: &Value, diff: &[u8]) -> bool {
    statement["subject"].as_array().into_iter().flatten().any(|s| s["digest"]["sha256"] == sha256(diff).as_str())
}

fn statement(facts: &Facts<'_>, proof: &Proof) -> Value {
    let (topic, seq, head) = facts.chain;
    let named = |outcome: fn(Outcome) -> bool| -> Vec<&str> {
        proof.tests.iter().filter(|t| t.patch.iter().any(|d| outcome(d.outcome))).map(|t| t.id.as_str()).collect()
    };
    let sections = json!({
        "subject": [
            {"name": format!("commit {}", facts.patch), "digest": {"gitCommit": facts.patch}},
            {"name": "patch.diff", "digest": {"sha256": sha256(facts.diff)}},
        ],
        "result": match proof.verdict { Verdict::Proven => "PASSED", Verdict::Unproven => "FAILED", Verdict::NotApplicable => "WARNED" },
        "configuration": [{"name": "base", "digest": {"gitCommit": facts.base}}, {"name": "layer", "digest": {"sha256": facts.layer.unwrap_or_default()}}],
        "passedTests": proof.tests.iter().filter(|t| t.patch.iter().all(|d| d.outcome == Outcome::Passed)).map(|t| t.id.as_str()).collect::<Vec<_>>(),
        "warnedTests": named(|o| o == Outcome::Skipped),
        "failedTests": named(|o| matches!(o, Outcome::Failed | Outcome::Error)),
        "verdict": {"word": proof.verdict.word(), "reason": proof.reason, "newBehaviour": proof.is_new_behaviour},
        "rules": proof.rules,
        "tests": proof.tests.iter().map(row).collect::<Vec<_>>(),
        "otherTests": proof.other_tests,
        "wrongVersions": proof.wrong_versions,
        "commands": proof.commands,
        "junitXml": proof.junit_xml,
        "runner": {"harness": proof.harness, "durationMs": proof.duration_ms, "guarantees": facts.guarantees},
        "request": {"kind": facts.kind},
        "author": {"run": facts.run, "executor": facts.executor, "model": facts.model},
        "eventChain": {"topic": topic, "seq": seq, "head": head},
        "createdAt": facts.at,
    });
    let mut predicate = sections.as_object().cloned().unwrap_or_default();
    let subject = predicate.shift_remove("subject").unwrap_or_default();
    let mut digests: Map<String, Value> =
        predicate.iter().map(|(k, v)| (k.clone(), Value::from(sha256(v.to_string().as_bytes())))).collect();
    digests.insert("subject".to_string(), Value::from(sha256(subject.to_string().as_bytes())));
    predicate.insert("digests".to_string(), Value::Object(digests));
    json!({"_type": STATEMENT, "subject": subject, "predicateType": PREDICATE, "predicate": predicate})
}

/// A row without what was printed, but with its digest.
fn row(test: &TestRow) -> Value {
    let dots = |dots: &[Dot]| dots.iter().map(|d| json!({"outcome": d.outcome, "logSha256": sha256(d.log.as_bytes())})).collect::<Vec<_>>();
    json!({"id": test.id, "base": dots(&test.base), "patch": dots(&test.patch)})
}

fn changed_sections(statement: &Value) -> Vec<String> {
    let empty = Map::new();
    let predicate = statement["predicate"].as_object().unwrap_or(&empty);
    let digests = predicate.get("digests").and_then(Value::as_object).unwrap_or(&empty);
    let mut names = Vec::new();
    let sections =
        predicate.iter().filter(|(k, _)| *k != "digests").map(|(k, v)| (k.as_str(), v)).chain([("subject", &statement["subject"])]);
    for (name, value) in sections {
        if digests.get(name).and_then(Value::as_str) != Some(&sha256(value.to_string().as_bytes())) {
            names.push(name.to_string());
        }
    }
    let lost = digests.keys().filter(|k| *k != "subject" && !predicate.contains_key(*k)).cloned();
    names.extend(lost);
    names
}

/// DSSE's pre-authentication encoding.
fn pre_authentication(payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {PAYLOAD} {} ", PAYLOAD.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

fn decode(value: &Value) -> Option<Vec<u8>> {
    STANDARD.decode(value.as_str()?).ok()
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn changed(what: impl Into<String>) -> Error {
    Error::conflict(what).code("bundle_changed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::evidence::Rule;

    fn signed() -> (String, SigningKey) {
        let key = SigningKey::from_bytes(&[7; 32]);
        let commit = |c: &str| Commit::parse(&c.repeat(40)).expect("a commit");
        let (base, patch) = (commit("a"), commit("b"));
        let proof = Proof {
            verdict: Verdict::Proven,
            reason: String::new(),
            is_new_behaviour: false,
            rules: vec![crate::evidence::holds(Rule::Red, "fails on base")],
            tests: Vec::new(),
            wrong_versions: Vec::new(),
            other_tests: Default::default(),
            commands: Vec::new(),
            harness: "some".into(),
            mend: None,
            junit_xml: "<testsuite/>".into(),
            duration_ms: 1,
        };
        let facts = Facts {
            run: RunId(Default::default()),
            kind: RequestKind::Fix,
            base: &base,
            patch: &patch,
            diff: b"diff",
            executor: "e",
            model: "m",
            layer: None,
            guarantees: &[],
            chain: ("request:1", 3, "00"),
            at: Timestamp::UNIX_EPOCH,
        };
        (sign(&facts, &proof, &key), key)
    }

    #[test]
    fn any_byte_counts() {
        let (text, key) = signed();
        let good = verify(&text, Some(&key.verifying_key())).expect("as signed");
        assert!(good.is_trusted && is_about(&good.statement, b"diff") && !is_about(&good.statement, b"other"));
        for at in (0..text.len()).step_by(13) {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(other) = String::from_utf8(bytes) else { continue };
            assert!(verify(&other, Some(&key.verifying_key())).is_err(), "byte {at} does not count");
        }
    }

    #[test]
    fn what_changed_is_named() {
        let (text, _) = signed();
        let mut envelope: Value = serde_json::from_str(&text).expect("JSON");
        let payload = String::from_utf8(decode(&envelope["payload"]).expect("base64")).expect("text");
        envelope["payload"] = Value::from(STANDARD.encode(payload.replace("fails on base", "fails on bass")));
        let error = verify(&envelope.to_string(), None).expect_err("changed");
        assert_eq!(error.message, "changed since it was signed: rules");
        let other = SigningKey::from_bytes(&[8; 32]).verifying_key();
        assert_eq!(verify(&text, Some(&other)).expect_err("another key").code, "other_key");
    }
}
