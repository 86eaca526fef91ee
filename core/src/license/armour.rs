//! The text around a signed file, such as people send by mail: a first line, base64, a last line.
//!
//! Words before and after do not count, nor how the lines are broken. What is between is an
//! envelope's JSON; the first line says what it is to people, and the envelope's type, which is
//! signed, to programs.

use super::dsse::Envelope;
use super::types;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The largest file that is read, in bytes: ten thousand products, each with a pool and a name of
/// average length.
pub const MAX_FILE: usize = 4 * 1024 * 1024;

/// The largest file of another kind: a revocation list is kept whole in a Secret, which holds
/// 1 MiB.
const MAX_OTHER_FILE: usize = 256 * 1024;

/// The kinds of files: what the envelope's type is, what the first line says, and how large it may
/// be.
const KINDS: &[(&str, &str, usize)] = &[
    (types::LICENSE, "MOORING LICENSE", MAX_FILE),
    (types::REVOCATIONS, "MOORING REVOCATIONS", MAX_OTHER_FILE),
    (types::VOUCHER, "MOORING VOUCHER", MAX_OTHER_FILE),
];

/// Why a text is no such file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ArmourError(pub String);

/// What the first line of such a document's file says, and how large it may be.
fn kind(payload_type: &str) -> Option<(&'static str, usize)> {
    let kind = KINDS.iter().find(|(t, ..)| *t == payload_type);
    kind.map(|(_, label, most)| (*label, *most))
}

fn begin(label: &str) -> String {
    format!("-----BEGIN {label}-----")
}

/// A file's text around an envelope: a license, a revocation list or a voucher.
pub fn armour(envelope: &Envelope) -> Result<String, ArmourError> {
    let t = &envelope.payload_type;
    let none = || ArmourError(format!("a document of type {t:?} has no file"));
    let (label, _) = kind(t).ok_or_else(none)?;
    let json = serde_json::to_vec(envelope).map_err(|e| ArmourError(e.to_string()))?;
    let b64 = STANDARD.encode(json);
    let lines = b64.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let body = lines.collect::<Vec<_>>().join("\n");
    let begin = begin(label);
    Ok(format!("{begin}\n{body}\n-----END {label}-----\n"))
}

/// The type of the document in this text, by its first line: it is not verified, and says which
/// reader to take.
pub fn armoured_type(text: &str) -> Option<&'static str> {
    let at = |label| text.find(&begin(label));
    let found = KINDS.iter().filter_map(|(t, l, _)| Some((at(l)?, *t)));
    found.min().map(|(_, t)| t)
}

/// Reads an envelope of this type.
pub(super) fn dearmour(text: &str, payload_type: &'static str) -> Result<Envelope, ArmourError> {
    let bad = |m: &str| ArmourError(m.to_owned());
    let (label, most) = kind(payload_type).unwrap_or(("", MAX_OTHER_FILE));
    let (begin, end) = (begin(label), format!("-----END {label}-----"));
    if text.len() > most {
        let todo = match payload_type {
            types::LICENSE => "; have several licenses issued, each with a part of the products",
            types::REVOCATIONS => "; leave out what has ended by itself",
            _ => "",
        };
        let is = text.len();
        return Err(ArmourError(format!(
            "it has {is} bytes, expected at most {most}{todo}"
        )));
    }
    let (_, rest) = text.split_once(&begin).ok_or_else(|| {
        let other = armoured_type(text).and_then(kind);
        let found = other.map(|(o, _)| format!(", found {:?}", self::begin(o)));
        let found = found.unwrap_or_default();
        bad(&format!("expected a line {begin:?}{found}"))
    })?;
    let (body, after) = rest
        .split_once(&end)
        .ok_or_else(|| bad(&format!("expected a line {end:?}; is it cut off?")))?;
    if after.contains(&begin) {
        return Err(bad("expected one in the file, found several"));
    }
    let b64: String = body.split_ascii_whitespace().collect();
    let json = STANDARD
        .decode(b64)
        .map_err(|e| bad(&format!("between its first and last line: {e}")))?;
    serde_json::from_slice(&json).map_err(|e| bad(&format!("no signed envelope: {e}")))
}
