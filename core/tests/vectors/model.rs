//! The form of `testdata/vectors.json`. Other clients read the same file: field names are part of
//! the contract.

use mooring_core::identity::Holder;
use mooring_core::license::{Envelope, HolderHmac, PublicKey, VersionRange};
use mooring_core::names::{ProductName, Version};
use mooring_core::request::Item;
use mooring_core::secret::SecretHash;
use mooring_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Vectors {
    pub about: Vec<String>,
    pub keys: BTreeMap<String, Key>,
    /// What bundles are made of; a bundle names its links.
    pub envelopes: BTreeMap<String, Envelope>,
    pub bundles: Vec<BundleCase<Links>>,
    pub license_files: Vec<FileCase>,
    pub pae: Vec<PaeCase>,
    pub versions: Vec<VersionCase>,
    pub holders: Vec<HolderCase>,
    pub secrets: Vec<SecretCase>,
    pub annotations: Vec<AnnotationCase>,
    pub durations: Vec<DurationCase>,
}

/// A key with its private half: an Ed25519 seed, or a PKCS#8 document for P-256.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    pub public: PublicKey,
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed_hex: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pkcs8_hex: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BundleCase<B> {
    pub name: String,
    pub why: String,
    pub vendor_keys: Vec<PublicKey>,
    pub demand: Demand,
    /// The application's wall clock.
    pub now: Timestamp,
    /// The first fresh proof of its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<First>,
    pub bundle: B,
    pub expect: Expect<Good>,
}

/// A process's first fresh proof, as it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct First {
    pub issued_at: Timestamp,
    pub ago_secs: u64,
}

/// A bundle's links, by their names in `envelopes`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Links {
    pub licenses: Vec<String>,
    pub delegation: String,
    pub lease: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Demand {
    pub product: ProductName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_version: Option<Version>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built_on: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind: Option<SecretHash>,
    pub hardware: bool,
}

/// What must come out: a result, or a reason.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Expect<T> {
    Ok(T),
    Error(String),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Good {
    pub lease: String,
    pub seats: u32,
    pub run_for_secs: u64,
    pub fresh: bool,
    pub anchor: String,
    pub software: bool,
    pub overdraft: u32,
    pub test: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub emergency: bool,
    pub license_id: String,
    pub issued_at: Timestamp,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileCase {
    pub name: String,
    pub why: String,
    pub vendor_keys: Vec<PublicKey>,
    pub at: Timestamp,
    pub text: String,
    pub expect: Expect<GoodFile>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GoodFile {
    pub id: String,
    pub sha256: String,
    pub signed_by: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaeCase {
    pub payload_type: String,
    pub payload_hex: String,
    pub signed_hex: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct VersionCase {
    pub range: VersionRange,
    pub version: Version,
    pub covered: bool,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HolderCase {
    pub key_hex: String,
    pub holder: Holder,
    pub canonical: String,
    pub hmac: HolderHmac,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretCase {
    pub bytes_hex: String,
    pub secret: String,
    pub hash: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct AnnotationCase {
    pub value: String,
    pub expect: Parsed,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Parsed {
    Items(Vec<Item>),
    /// `at` is the character, counted from 1.
    Error {
        at: usize,
        found: String,
        expected: String,
    },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct DurationCase {
    pub text: String,
    /// None: refused.
    pub secs: Option<u64>,
}
