//! What a request's head says besides method and path: the credential, the preference, the query.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use mooring_core::cut::cut;
use mooring_core::wire::{Problem, ProblemType};
use percent_encoding::percent_decode_str;
use std::time::Duration;

/// RFC 7240.
pub const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The token of `Authorization: Bearer …` (RFC 6750, 2.1). A scheme's case does not matter (RFC
/// 9110, 11.1).
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// How long the client would wait for the answer (`Prefer: wait`). What is not understood is
/// ignored, as the RFC says.
pub fn prefer_wait(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(PREFER).iter();
    let values = values.filter_map(|v| v.to_str().ok());
    let mut words = values.flat_map(|v| v.split([',', ';']));
    let secs = words.find_map(|w| {
        let value = w.trim().strip_prefix("wait=")?;
        value.trim_matches('"').parse().ok()
    });
    secs.map(Duration::from_secs)
}

/// Text without its percent-encoding (RFC 3986, 2.1); none if a `%` is not followed by two
/// hexadecimal digits, which `percent-encoding` would let through as it stands. A plus sign means
/// itself: versions have plus signs.
pub fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let digits = |s: &str| matches!(s.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    let sound = text.split('%').skip(1).all(digits);
    sound.then(|| percent_decode_str(text).collect())
}

/// A query's parameters. Unknown ones are ignored, as unknown fields are.
#[derive(Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what stands after the `?`.
    pub fn read(text: Option<&str>) -> Result<Self, Problem> {
        let pairs = text.unwrap_or_default().split('&');
        let pairs = pairs.filter(|p| !p.is_empty()).map(|p| {
            let (name, value) = p.split_once('=').unwrap_or((p, ""));
            let value = percent_decode(value).and_then(|v| String::from_utf8(v).ok());
            let expected = "expected percent-encoded UTF-8 (RFC 3986)";
            let value = value.ok_or_else(|| bad_field(name, expected))?;
            Ok((name.to_owned(), value))
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    /// A parameter that may be there once.
    pub fn get(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut found = self.0.iter().filter(|(n, _)| n == name);
        let value = found.next().map(|(_, v)| v.as_str());
        match found.next() {
            None => Ok(value),
            Some(_) => Err(bad_field(name, "expected once")),
        }
    }
}

/// What is wrong with one field of a request.
pub fn bad_field(field: impl Into<String>, problem: impl std::fmt::Display) -> Problem {
    let field = cut(field);
    let detail = cut(format!("{field}: {problem}"));
    Problem::new(ProblemType::BadRequest, detail).field(field)
}

#[cfg(test)]
mod tests;
