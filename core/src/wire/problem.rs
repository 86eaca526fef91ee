//! Errors as RFC 9457 problems. A holder acts on the `type`, never on the status.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What every problem type begins with.
pub const BASE: &str = "https://mooring.dev/problems/";

macro_rules! problems {
    ($($(#[$doc:meta])* $v:ident = $name:literal, $status:literal, $title:literal;)*) => {
        /// The kinds of problems, with their status codes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ProblemType {
            $($(#[$doc])* $v,)*
            /// One that this version does not know: its words are for people, and nothing is done
            /// by it. Said to nobody.
            Other,
        }

        impl ProblemType {
            /// All that this version knows.
            pub const ALL: &'static [Self] = &[$(Self::$v,)*];

            /// The last part of its URI.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$v => $name,)* Self::Other => "other" }
            }

            /// Its HTTP status.
            pub const fn status(self) -> u16 {
                match self { $(Self::$v => $status,)* Self::Other => 500 }
            }

            /// Its title.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$v => $title,)* Self::Other => "A problem that this version does not know" }
            }
        }
    };
}

problems! {
    /// No acceptable credential.
    Unauthenticated = "unauthenticated", 401, "No acceptable credential";
    /// This holder may not use this server.
    NotEntitled = "not-entitled", 403, "Not entitled to this license server";
    /// The license does not list the product.
    UnknownProduct = "unknown-product", 422, "The license does not list this product";
    /// More seats than there are.
    ExceedsSeats = "exceeds-seats", 422, "More seats than the license has";
    /// The license does not cover the version.
    VersionNotCovered = "version-not-covered", 422, "The license does not cover this version";
    /// The claim exists with other items or another secret.
    ClaimChanged = "claim-changed", 409, "The claim exists, and differs";
    /// The claim was given back; a new one has a new secret.
    GivenBack = "given-back", 409, "The claim was given back";
    /// The seats are lent, and who owns them wants them.
    CalledBack = "called-back", 409, "The owner of the seats wants them";
    /// Another copy of this holder renews the same lease.
    Cloned = "cloned", 409, "Another copy of this holder is alive";
    /// Revoked by an administrator.
    Revoked = "revoked", 403, "Revoked by an administrator";
    /// The server does not know the lease.
    UnknownLease = "unknown-lease", 404, "Unknown lease";
    /// The hardware anchor is not there.
    AnchorLost = "anchor-lost", 503, "The hardware anchor is not there";
    /// There is no valid license.
    LicenseInvalid = "license-invalid", 503, "There is no valid license";
    /// A bound is reached.
    Overloaded = "overloaded", 503, "The license server is overloaded";
    /// This client has reached a bound of its own.
    TooManyClaims = "too-many-claims", 429, "Too many claims";
    /// The watch cannot go on from there.
    ResumeExpired = "resume-expired", 410, "The watch cannot go on from there; list again";
    /// The request is malformed.
    BadRequest = "bad-request", 400, "The request is malformed";
    /// No such path.
    NotFound = "not-found", 404, "No such path";
    /// The path does not take this method.
    MethodNotAllowed = "method-not-allowed", 405, "The path does not take this method";
    /// The body is too large.
    TooLarge = "too-large", 413, "The body is too large";
    /// One side speaks a version of the messages that the other does not take any more.
    UpgradeRequired = "upgrade-required", 400, "The versions are too far apart";
    /// This call is the operator's.
    OperatorOnly = "operator-only", 403, "This call is for the operator";
}

impl ProblemType {
    /// Its URI: what a problem's `type` says.
    pub fn uri(self) -> String {
        format!("{BASE}{}", self.name())
    }
}

impl fmt::Display for ProblemType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for ProblemType {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{BASE}{}", self.name()))
    }
}

impl<'de> Deserialize<'de> for ProblemType {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let s = std::borrow::Cow::<str>::deserialize(d)?;
        let name = s.strip_prefix(BASE).unwrap_or(&s);
        let found = Self::ALL.iter().copied().find(|t| t.name() == name);
        Ok(found.unwrap_or(Self::Other))
    }
}

/// A problem in a word, if this version has one for it.
fn short(kind: ProblemType, title: &str) -> &str {
    match kind {
        ProblemType::Other => title,
        known => known.name(),
    }
}

/// An RFC 9457 problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[error("{}: {detail}", short(*kind, title))]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// What a holder acts on.
    #[serde(rename = "type")]
    pub kind: ProblemType,
    /// The type in words.
    pub title: String,
    /// The status code, repeated.
    pub status: u16,
    /// What happened here, and what to do.
    pub detail: String,
    /// The field of the request, where one is to blame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// When to ask again, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_secs: Option<u64>,
}

impl Problem {
    /// A problem of this kind, with what happened and what to do.
    pub fn new(kind: ProblemType, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self {
            kind,
            title: kind.title().into(),
            status: kind.status(),
            detail,
            field: None,
            retry_after_secs: None,
        }
    }

    /// Names the field to blame.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Says when to ask again.
    #[must_use]
    pub fn retry_after(mut self, secs: u64) -> Self {
        self.retry_after_secs = Some(secs);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_travels_as_rfc_9457_says() {
        let p = Problem::new(ProblemType::UnknownProduct, "no \"rendr\"").field("items[0].product");
        let v = serde_json::to_value(&p).ok();
        let want = serde_json::json!({
            "type": "https://mooring.dev/problems/unknown-product", "title": "The license does not list this product",
            "status": 422, "detail": "no \"rendr\"", "field": "items[0].product"
        });
        assert_eq!(v, Some(want));
        let back = serde_json::from_str::<Problem>(&serde_json::to_string(&p).unwrap_or_default());
        assert!(back.is_ok_and(|b| b == p));
    }

    #[test]
    fn a_type_of_a_later_version_is_read_with_its_words() {
        let later = r#"{"type": "https://mooring.dev/problems/too-early", "title": "Too early",
            "status": 425, "detail": "come back tomorrow"}"#;
        let read = serde_json::from_str::<Problem>(later).ok();
        let read = read.map(|p| (p.kind, p.status, p.to_string()));
        let words = "Too early: come back tomorrow".to_owned();
        assert_eq!(read, Some((ProblemType::Other, 425, words)));
    }
}
