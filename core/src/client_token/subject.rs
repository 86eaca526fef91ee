//! Who a holder outside Kubernetes may be called, and what a client token may.

/// The longest subject, in bytes.
const MAX_SUBJECT: usize = 200;
/// The common name, and so the subject, that is the operator's alone.
pub const OPERATOR_SUBJECT: &str = "mooring-operator";

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "subject {0:?}: expected 1 to {MAX_SUBJECT} bytes in one line, without blanks around it, and not \"mooring-operator\""
)]
pub struct BadSubject(String);

/// Whether this may be the subject of an external holder. It goes into logs, objects and HMACs: one
/// line of sane length. The rule is the same for client certificates and client tokens.
pub fn check_subject(s: &str) -> Result<(), BadSubject> {
    let sane = !s.is_empty() && s.len() <= MAX_SUBJECT && !s.chars().any(char::is_control);
    if sane && s.trim() == s && s != OPERATOR_SUBJECT {
        Ok(())
    } else {
        Err(BadSubject(s.chars().take(80).collect()))
    }
}

/// Whether this may be a client token's id.
pub(super) fn is_id(s: &str) -> bool {
    let ok = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    (1..=64).contains(&s.len()) && s.bytes().all(ok)
}
