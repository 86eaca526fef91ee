//! What clients say, read by pure functions: a problem names the field and what was expected there.

use http::HeaderMap;
use mooring_core::names::{ClaimName, ProductName, Seats, Version};
use mooring_core::policy::Start;
use mooring_core::request::{Item, MAX_ITEMS, MAX_SEATS};
use mooring_core::wire::{Problem, ProblemType, SocketClaim};
use serde::Deserialize as _;
use serde_json::Value;
use std::time::Duration;

/// The longest that an answer to a claim is held.
const MAX_WAIT: Duration = Duration::from_secs(600);

fn bad(field: impl Into<String>, problem: impl std::fmt::Display) -> Problem {
    let field = field.into();
    Problem::new(ProblemType::BadRequest, format!("{field}: {problem}")).field(field)
}

/// A query's parameters. Unknown ones are ignored, as unknown fields are.
#[derive(Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads what stands after the `?`. A plus sign means itself: nothing here has spaces, and versions have plus signs.
    pub(super) fn read(text: Option<&str>) -> Result<Self, Problem> {
        let pairs = text
            .unwrap_or_default()
            .split('&')
            .filter(|p| !p.is_empty());
        let pairs = pairs.map(|p| {
            let (name, value) = p.split_once('=').unwrap_or((p, ""));
            let value = decode(value)
                .ok_or_else(|| bad(name, "expected percent-encoded UTF-8 (RFC 3986)"))?;
            Ok((name.to_owned(), value))
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    /// A parameter that may be there once.
    pub(super) fn get(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut found = self.0.iter().filter(|(n, _)| n == name);
        let value = found.next().map(|(_, v)| v.as_str());
        match found.next() {
            None => Ok(value),
            Some(_) => Err(bad(name, "expected once")),
        }
    }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let mut byte = [0];
        hex::decode_to_slice(rest.get(..2)?, &mut byte).ok()?;
        bytes.extend(byte);
        rest = rest.get(2..)?;
    }
    String::from_utf8(bytes).ok()
}

/// The item of `?product=…&seats=…&version=…`.
pub(super) fn item(query: &Query) -> Result<Item, Problem> {
    let product = query.get("product")?.unwrap_or_default();
    let product = ProductName::new(product).map_err(|e| bad("product", e))?;
    let seats = match query.get("seats")? {
        None => Seats::ONE,
        Some(n) => {
            let digits = !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
            let seats = n.parse().ok().filter(|_| digits).and_then(number_of_seats);
            seats.ok_or_else(|| bad("seats", seats_expected(n)))?
        }
    };
    let version = query.get("version")?.map(Version::new).transpose();
    let version = version.map_err(|e| bad("version", e))?;
    Ok(Item {
        product,
        seats,
        version,
    })
}

/// `?start=…`.
pub(super) fn start(query: &Query) -> Result<Option<Start>, Problem> {
    query.get("start")?.map(start_of).transpose()
}

fn start_of(word: &str) -> Result<Start, Problem> {
    word.parse().map_err(|e| bad("start", e))
}

/// The name in `/v1/claims/{name}`.
pub(super) fn name(text: &str) -> Result<ClaimName, Problem> {
    ClaimName::new(text).map_err(|e| bad("name", e))
}

/// The body of `PUT /v1/claims/{name}`. Unknown fields are ignored.
pub(super) fn claim(body: &[u8]) -> Result<SocketClaim, Problem> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|e| Problem::new(ProblemType::BadRequest, format!("the body is no JSON: {e}")))?;
    let Value::Object(body) = &body else {
        let found = kind(&body);
        return Err(Problem::new(
            ProblemType::BadRequest,
            format!(
                "the body: {found}, expected an object like {{\"items\": [{{\"product\": \"render\", \"seats\": 2}}]}}"
            ),
        ));
    };
    let list = match body.get("items") {
        Some(Value::Array(list)) if (1..=MAX_ITEMS).contains(&list.len()) => list,
        found => {
            let found = match found {
                Some(Value::Array(list)) => format!("a list of {}", list.len()),
                found => found.map_or("nothing", kind).to_owned(),
            };
            return Err(bad(
                "items",
                format!("{found}, expected a list of 1 to {MAX_ITEMS} products"),
            ));
        }
    };
    let mut items: Vec<Item> = Vec::with_capacity(list.len());
    for (i, value) in list.iter().enumerate() {
        let item = item_of(value, &format!("items[{i}]"))?;
        if items.iter().any(|other| other.product == item.product) {
            let field = format!("items[{i}].product");
            return Err(bad(
                field,
                format!("{} again, expected each product once", item.product),
            ));
        }
        items.push(item);
    }
    let start = match body.get("start") {
        None | Some(Value::Null) => None,
        Some(Value::String(word)) => Some(start_of(word)?),
        Some(other) => {
            let expected = "expected \"optimistic\" or \"licensed\"";
            return Err(bad("start", format!("{}, {expected}", kind(other))));
        }
    };
    Ok(SocketClaim { items, start })
}

fn item_of(value: &Value, at: &str) -> Result<Item, Problem> {
    let Value::Object(item) = value else {
        let expected = "expected an object like {\"product\": \"render\", \"seats\": 2}";
        return Err(bad(at, format!("{}, {expected}", kind(value))));
    };
    let text = |name: &str| match item.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(s)) => Ok(Some(s.as_str())),
        Some(other) => Err(bad(
            format!("{at}.{name}"),
            format!("{}, expected text", kind(other)),
        )),
    };
    let product = text("product")?.ok_or_else(|| {
        bad(
            format!("{at}.product"),
            "nothing, expected a product's name",
        )
    })?;
    let product = ProductName::new(product).map_err(|e| bad(format!("{at}.product"), e))?;
    let seats = match item.get("seats") {
        None | Some(Value::Null) => Seats::ONE,
        // `2.0` is the whole number 2 to JSON Schema; the message's own type knows.
        Some(n) => Seats::deserialize(n)
            .ok()
            .and_then(|n| number_of_seats(n.get()))
            .ok_or_else(|| bad(format!("{at}.seats"), seats_expected(&n.to_string())))?,
    };
    let version = text("version")?.map(Version::new).transpose();
    let version = version.map_err(|e| bad(format!("{at}.version"), e))?;
    Ok(Item {
        product,
        seats,
        version,
    })
}

fn number_of_seats(n: u32) -> Option<Seats> {
    Seats::new(n).filter(|_| n <= MAX_SEATS)
}

fn seats_expected(found: &str) -> String {
    format!(
        "{:?}: expected a number of seats from 1 to {MAX_SEATS}",
        clip(found)
    )
}

fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// How long the client would wait for the answer (RFC 7240, `Prefer: wait`), at most ten minutes. What is not understood is
/// ignored, as the RFC says.
pub(super) fn wait(headers: &HeaderMap) -> Duration {
    let values = headers.get_all("prefer").iter();
    let words = values
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split([',', ';']));
    let mut waits = words.filter_map(|w| {
        w.trim()
            .strip_prefix("wait=")?
            .trim_matches('"')
            .parse()
            .ok()
    });
    Duration::from_secs(waits.next().unwrap_or(0)).min(MAX_WAIT)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use http::HeaderValue;
    use mooring_core::request;

    fn query(text: &str) -> Result<String, (String, String)> {
        let read = |text| {
            let q = Query::read(Some(text))?;
            Ok::<_, Problem>((item(&q)?, start(&q)?))
        };
        read(text)
            .map(|(i, s)| format!("{i} {s:?}"))
            .map_err(|p| (p.field.unwrap_or_default(), p.detail))
    }

    #[test]
    fn a_hold_is_read_from_the_query() {
        let ok = |q: &str| query(q).unwrap();
        assert_eq!(ok("product=render"), "render None");
        assert_eq!(
            ok("x=1&product=render&seats=2&version=2026.1%2bb3&start=optimistic"),
            "render@2026.1+b3:2 Some(Optimistic)"
        );
        assert_eq!(ok("version=1+2&&product=%72ender"), "render@1+2 None");
        let field = |q: &str| query(q).unwrap_err().0;
        assert_eq!(field(""), "product");
        assert_eq!(field("product=Render"), "product");
        assert_eq!(field("product=render&product=x"), "product");
        assert_eq!(field("product=%zz"), "product");
        assert_eq!(field("product=%e4"), "product");
        assert_eq!(field("product=a%"), "product");
        for seats in [
            "0",
            "-1",
            "+1",
            "1.5",
            "",
            "1000001",
            "99999999999999999999",
            "two",
        ] {
            let (field, detail) = query(&format!("product=render&seats={seats}")).unwrap_err();
            assert_eq!(field, "seats");
            assert!(detail.contains("from 1 to 1000000"), "{detail}");
        }
        assert_eq!(field("product=render&version=a%20b"), "version");
        assert_eq!(field("product=render&start=soon"), "start");
    }

    fn body(text: &str) -> Result<String, (String, String)> {
        claim(text.as_bytes())
            .map(|c| format!("{} {:?}", request::print(&c.items), c.start))
            .map_err(|p| (p.field.unwrap_or_default(), p.detail))
    }

    #[test]
    fn a_claim_is_read_and_a_bad_one_names_its_field() {
        assert_eq!(
            body(r#"{"items":[{"product":"render","seats":2,"version":"2026.1"},{"product":"denoise"}],"start":"licensed","later":1}"#).unwrap(),
            "render@2026.1:2,denoise Some(Licensed)"
        );
        assert_eq!(
            body(r#"{"items":[{"product":"a","seats":null,"version":null}]}"#).unwrap(),
            "a None"
        );
        let many = (0..17)
            .map(|i| format!(r#"{{"product":"p{i}"}}"#))
            .collect::<Vec<_>>()
            .join(",");
        let cases = [
            ("", "", "no JSON"),
            ("[]", "", "a list, expected an object"),
            ("{}", "items", "nothing, expected a list"),
            (r#"{"items":{}}"#, "items", "an object, expected a list"),
            (r#"{"items":[]}"#, "items", "a list of 0"),
            (&format!(r#"{{"items":[{many}]}}"#), "items", "a list of 17"),
            (
                r#"{"items":["render"]}"#,
                "items[0]",
                "text, expected an object",
            ),
            (r#"{"items":[{"seats":1}]}"#, "items[0].product", "nothing"),
            (
                r#"{"items":[{"product":7}]}"#,
                "items[0].product",
                "a number, expected text",
            ),
            (
                r#"{"items":[{"product":"A"}]}"#,
                "items[0].product",
                "expected 1 to 63",
            ),
            (
                r#"{"items":[{"product":"a"},{"product":"a"}]}"#,
                "items[1].product",
                "each product once",
            ),
            (
                r#"{"items":[{"product":"a","seats":0}]}"#,
                "items[0].seats",
                "from 1 to",
            ),
            (
                r#"{"items":[{"product":"a","seats":-1}]}"#,
                "items[0].seats",
                "from 1 to",
            ),
            (
                r#"{"items":[{"product":"a","seats":1.5}]}"#,
                "items[0].seats",
                "from 1 to",
            ),
            (
                r#"{"items":[{"product":"a","seats":"2"}]}"#,
                "items[0].seats",
                "from 1 to",
            ),
            (
                r#"{"items":[{"product":"a","version":""}]}"#,
                "items[0].version",
                "expected 1 to 32",
            ),
            (
                r#"{"items":[{"product":"a"}],"start":"x"}"#,
                "start",
                "optimistic",
            ),
            (
                r#"{"items":[{"product":"a"}],"start":1}"#,
                "start",
                "optimistic",
            ),
        ];
        for (text, field, words) in cases {
            let (found, detail) = body(text).unwrap_err();
            assert_eq!(found, field, "{text}: {detail}");
            assert!(detail.contains(words), "{text}: {detail}");
        }
    }

    #[test]
    fn a_wait_is_bounded_and_what_is_no_wait_is_none() {
        let read = |v: &'static str| {
            let mut h = HeaderMap::new();
            h.insert("prefer", HeaderValue::from_static(v));
            wait(&h).as_secs()
        };
        assert_eq!(
            (read("wait=30"), read("respond-async, wait=\"10\"")),
            (30, 10)
        );
        assert_eq!(
            (read("wait=86400"), read("wait=-1"), read("x")),
            (600, 0, 0)
        );
        assert_eq!(wait(&HeaderMap::new()), Duration::ZERO);
    }
}
