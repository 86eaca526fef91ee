use super::*;
use ProblemType::{MethodNotAllowed, NotFound};
use std::fmt::Debug;

fn found<C: Copy + Debug>(
    table: &'static [CallSpec<C>],
    method: &str,
    path: &str,
) -> Result<(&'static str, String), ProblemType> {
    find(table, method, path)
        .map(|(c, arg)| (c.name, arg.to_owned()))
        .map_err(|m| m.problem.kind)
}

#[test]
fn each_path_is_found_or_named_in_the_problem() {
    let is = |m: &str, p: &str| found(SERVER, m, p);
    let ok = |name, arg: &str| Ok((name, arg.to_owned()));
    assert_eq!(is("PUT", "/v1/claims/pod"), ok("claim", "pod"));
    assert_eq!(is("DELETE", "/v1/claims/pod"), ok("release", "pod"));
    assert_eq!(is("POST", "/v1/leases/renew"), ok("renew", ""));
    assert_eq!(is("POST", "/v1/leases/ab/token"), ok("token", "ab"));
    assert_eq!(is("GET", "/v1/leases"), ok("leases", ""));
    assert_eq!(is("GET", "/v1/openapi.json"), ok("openapi", ""));
    assert_eq!(is("POST", "/v1/leases/ab/revoke"), ok("revoke", "ab"));
    assert_eq!(is("DELETE", "/v1/leases/ab/revoke"), ok("lift", "ab"));
    assert_eq!(is("GET", "/v1/leases/ab/revoke"), Err(MethodNotAllowed));
    assert_eq!(is("POST", "/v1/claims/pod"), Err(MethodNotAllowed));
    let allow = |p| find(SERVER, "PATCH", p).map_err(|m| m.allow).err();
    assert_eq!(allow("/v1/claims/pod").as_deref(), Some("PUT, DELETE"));
    for unknown in [
        "/",
        "",
        "/v2/claims/pod",
        "/v1/claims/pod/x",
        "/v1/claims/",
        "/v1/leases/",
        "//v1/leases",
    ] {
        assert_eq!(is("GET", unknown), Err(NotFound), "{unknown}");
    }
    let miss = find(SERVER, "GET", "/v3").err().map(|m| m.problem.detail);
    assert!(miss.is_some_and(|d| d.contains("\"/v3\"")));
}

#[test]
fn paths_and_methods_of_the_socket_are_told_apart() {
    let is = |m: &str, p: &str| found(SOCKET, m, p);
    let ok = |name, arg: &str| Ok((name, arg.to_owned()));
    assert_eq!(is("GET", "/v1/token"), ok("token", ""));
    assert_eq!(is("POST", "/v1/hold"), ok("hold", ""));
    assert_eq!(is("PUT", "/v1/claims/mine"), ok("putClaim", "mine"));
    assert_eq!(is("DELETE", "/v1/claims/%41"), ok("deleteClaim", "%41"));
    for (method, path) in [
        ("POST", "/v1/status"),
        ("GET", "/v1/hold"),
        ("POST", "/v1/claims/mine"),
        ("HEAD", "/v1/openapi.json"),
    ] {
        assert_eq!(is(method, path), Err(MethodNotAllowed), "{path}");
    }
    for path in [
        "/v1/status/",
        "/",
        "/v1/claims/",
        "/v1/claims/a/b",
        "/v1/claims",
        "/v1/hold/x",
    ] {
        assert_eq!(is("GET", path), Err(NotFound), "{path}");
    }
}

fn check_rows<C: Copy + Debug>(table: &'static [CallSpec<C>]) {
    for (i, row) in table.iter().enumerate() {
        let path = row.path_of("x");
        assert!(!path.contains(['{', '}']), "{path}");
        let back = found(table, row.method, &path).map(|(name, _)| name);
        assert_eq!(back, Ok(row.name), "{} {path}", row.method);
        assert!(
            table.iter().skip(i + 1).all(|r| r.name != row.name),
            "{} twice",
            row.name
        );
        let bodied = row.body != RequestBody::None;
        let large = row.problems.contains(&ProblemType::TooLarge);
        assert_eq!(
            bodied, large,
            "{}: what takes a body may find it too large",
            row.name
        );
    }
}

#[test]
fn what_a_client_builds_from_a_row_is_that_row_to_a_router() {
    check_rows(SERVER);
    check_rows(SOCKET);
}
