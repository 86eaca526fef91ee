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
fn whose_seat_it_is_and_by_what_secret_is_read_or_refused() {
    let s = Secret::from_bytes([7; 32]);
    let hash = String::from(s.hash());
    let read = |q: &str| bind(&Query::read(Some(q))?);
    assert_eq!(read("product=render"), Ok(None));
    assert_eq!(read(&format!("bind={hash}")), Ok(Some(s.hash())));
    for bad in [
        "",
        "short",
        &hash[1..],
        &format!("{hash}A"),
        &format!("{}=", &hash[1..]),
    ] {
        let p = read(&format!("bind={bad}")).unwrap_err();
        assert_eq!(p.field.as_deref(), Some("bind"), "{p}");
        assert!(p.detail.contains("43 characters"), "{p}");
    }
    let shown = |v: &[u8]| {
        let value = HeaderValue::from_bytes(v).unwrap();
        secret(&HeaderMap::from_iter([(
            SECRET_HEADER.parse().unwrap(),
            value,
        )]))
    };
    assert_eq!(secret(&HeaderMap::new()), Ok(None));
    assert_eq!(shown(String::from(s.clone()).as_bytes()), Ok(Some(s)));
    for bad in [&b"short"[..], b"\xff\xfe"] {
        let p = shown(bad).unwrap_err();
        assert_eq!(p.field.as_deref(), Some(SECRET_HEADER), "{p}");
    }
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
    assert_eq!(ok("product=pgc%2B%2B"), "pgc++ None");
    let field = |q: &str| query(q).unwrap_err().0;
    assert_eq!(field(""), "product");
    assert_eq!(field("product=%20"), "product");
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
    let many = (0..65)
        .map(|i| format!(r#"{{"product":"p{i}"}}"#))
        .collect::<Vec<_>>()
        .join(",");
    let cases = [
        ("", "", "no JSON"),
        ("[]", "", "expected an object"),
        (
            r#"[[{"product":"a"}],"licensed"]"#,
            "",
            "expected an object",
        ),
        ("{}", "items", "a list of 0, expected a list of 1"),
        (r#"{"items":{}}"#, "items", "map, expected a sequence"),
        (r#"{"items":[]}"#, "items", "a list of 0"),
        (&format!(r#"{{"items":[{many}]}}"#), "items", "a list of 65"),
        (
            r#"{"items":[["render"]]}"#,
            "items[0]",
            "expected an object",
        ),
        (r#"{"items":["render"]}"#, "items[0]", "expected an object"),
        (
            r#"{"items":[{"seats":1}]}"#,
            "items[0]",
            "missing field `product`",
        ),
        (
            r#"{"items":[{"product":7}]}"#,
            "items[0].product",
            "integer `7`, expected a string",
        ),
        (
            r#"{"items":[{"product":"A b"}]}"#,
            "items[0].product",
            "expected 1 to 64",
        ),
        (
            r#"{"items":[{"product":"a"},{"product":"a"}]}"#,
            "items[1].product",
            "each product once",
        ),
        (
            r#"{"items":[{"product":"a","seats":0}]}"#,
            "items[0].seats",
            "0 seats: expected 1 to",
        ),
        (
            r#"{"items":[{"product":"a","seats":1000001}]}"#,
            "items[0].seats",
            "from 1 to 1000000",
        ),
        (
            r#"{"items":[{"product":"a","seats":-1}]}"#,
            "items[0].seats",
            "integer `-1`, expected",
        ),
        (
            r#"{"items":[{"product":"a","seats":1.5}]}"#,
            "items[0].seats",
            "floating point `1.5`, expected",
        ),
        (
            r#"{"items":[{"product":"a","seats":"2"}]}"#,
            "items[0].seats",
            "string \"2\", expected",
        ),
        (
            r#"{"items":[{"product":"a","version":""}]}"#,
            "items[0].version",
            "expected a version such as",
        ),
        (
            r#"{"items":[{"product":"a"}],"start":"x"}"#,
            "start",
            "optimistic",
        ),
        (
            r#"{"items":[{"product":"a"}],"start":1}"#,
            "start",
            "integer `1`, expected a string",
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
