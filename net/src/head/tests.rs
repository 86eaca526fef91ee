#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use http::HeaderValue;

fn with(name: HeaderName, value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
}

#[test]
fn the_bearers_token_is_found() {
    assert_eq!(bearer(&HeaderMap::new()), None);
    assert_eq!(bearer(&with(AUTHORIZATION, "bearer  abc ")), Some("abc"));
    assert_eq!(bearer(&with(AUTHORIZATION, "Bearer abc")), Some("abc"));
    for other in ["Basic abc", "Bearer ", "Bearer", ""] {
        assert_eq!(bearer(&with(AUTHORIZATION, other)), None, "{other:?}");
    }
}

#[test]
fn the_wait_is_read_as_rfc_7240_writes_it() {
    let read = |v| prefer_wait(&with(PREFER, v)).map(|d| d.as_secs());
    assert_eq!(read("wait=30"), Some(30));
    assert_eq!(read("respond-async, wait=10"), Some(10));
    assert_eq!(read("respond-async; wait=\"10\""), Some(10));
    assert_eq!(
        (read("wait=-1"), read("x"), read("handling=strict")),
        (None, None, None)
    );
    assert_eq!(prefer_wait(&HeaderMap::new()), None);
}

#[test]
fn a_query_is_decoded_and_a_bad_parameter_named() {
    let get = |q: &str, name: &str| {
        let value = Query::read(Some(q)).and_then(|q| Ok(q.get(name)?.map(str::to_owned)));
        value.map_err(|p| p.field.unwrap())
    };
    assert_eq!(get("", "a"), Ok(None));
    assert_eq!(get("a&&b=1%2b%c3%a4+", "a"), Ok(Some(String::new())));
    assert_eq!(get("a&&b=1%2b%c3%a4+", "b"), Ok(Some("1+ä+".into())));
    assert_eq!(get("a=1&b=2&a=3", "b"), Ok(Some("2".into())));
    assert_eq!(get("a=1&b=2&a=3", "a"), Err("a".into()));
    for bad in ["x=%zz", "x=%e4", "x=a%", "x=%4", "x=%ä"] {
        assert_eq!(get(bad, "a"), Err("x".into()), "{bad}");
    }
}

#[test]
fn a_parameters_name_is_repeated_to_an_end() {
    let name = "x".repeat(30_000);
    let p = Query::read(Some(&format!("{name}=%zz"))).unwrap_err();
    assert!(p.detail.len() < 1000, "{} bytes", p.detail.len());
    assert!(p.field.is_some_and(|f| f.len() < 1000));
}
