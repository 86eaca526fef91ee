//! Which path and method is which call, and the description of all of them.

use http::Method;
use mooring_core::wire::{Problem, ProblemType};

/// The description of this API, as it is served.
pub(super) const OPENAPI: &str = include_str!("../../../docs/openapi/socket.json");

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Call<'a> {
    Status,
    Events,
    Token,
    Voucher,
    OpenApi,
    GetClaim(&'a str),
    PutClaim(&'a str),
    DeleteClaim(&'a str),
    Hold,
}

const CLAIMS: &str = "/v1/claims/";

/// The methods that a path takes.
pub(super) fn methods(path: &str) -> Option<&'static str> {
    match path {
        "/v1/status" | "/v1/events" | "/v1/token" | "/v1/voucher" | "/v1/openapi.json" => {
            Some("GET")
        }
        "/v1/hold" => Some("POST"),
        p => match p.strip_prefix(CLAIMS) {
            Some(name) if !name.is_empty() && !name.contains('/') => Some("GET, PUT, DELETE"),
            _ => None,
        },
    }
}

/// Finds the call; a wrong path or method is answered with what was expected.
pub(super) fn route<'a>(method: &Method, path: &'a str) -> Result<Call<'a>, Problem> {
    let Some(allowed) = methods(path) else {
        return Err(Problem::new(
            ProblemType::NotFound,
            "expected /v1/status, /v1/events, /v1/token, /v1/voucher, /v1/claims/{name}, /v1/hold or /v1/openapi.json",
        ));
    };
    let name = path.strip_prefix(CLAIMS).unwrap_or_default();
    match (method.as_str(), path) {
        ("GET", "/v1/status") => Ok(Call::Status),
        ("GET", "/v1/events") => Ok(Call::Events),
        ("GET", "/v1/token") => Ok(Call::Token),
        ("GET", "/v1/voucher") => Ok(Call::Voucher),
        ("GET", "/v1/openapi.json") => Ok(Call::OpenApi),
        ("POST", "/v1/hold") => Ok(Call::Hold),
        ("GET", _) if !name.is_empty() => Ok(Call::GetClaim(name)),
        ("PUT", _) if !name.is_empty() => Ok(Call::PutClaim(name)),
        ("DELETE", _) if !name.is_empty() => Ok(Call::DeleteClaim(name)),
        _ => Err(Problem::new(
            ProblemType::MethodNotAllowed,
            format!("{method} {path}: expected {allowed}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn paths_and_methods_are_told_apart() {
        let ok = |m: Method, p: &'static str| route(&m, p).unwrap();
        assert_eq!(ok(Method::GET, "/v1/token"), Call::Token);
        assert_eq!(ok(Method::POST, "/v1/hold"), Call::Hold);
        assert_eq!(ok(Method::PUT, "/v1/claims/mine"), Call::PutClaim("mine"));
        assert_eq!(
            ok(Method::DELETE, "/v1/claims/%41"),
            Call::DeleteClaim("%41")
        );
        let kind = |m: Method, p: &str| route(&m, p).unwrap_err().kind;
        for (method, path) in [
            (Method::POST, "/v1/status"),
            (Method::GET, "/v1/hold"),
            (Method::POST, "/v1/claims/mine"),
            (Method::HEAD, "/v1/openapi.json"),
        ] {
            assert_eq!(kind(method, path), ProblemType::MethodNotAllowed, "{path}");
        }
        for path in [
            "/v1/status/",
            "/",
            "/v1/claims/",
            "/v1/claims/a/b",
            "/v1/claims",
            "/v1/hold/x",
        ] {
            assert_eq!(kind(Method::GET, path), ProblemType::NotFound, "{path}");
        }
    }

    #[test]
    fn the_description_is_json_and_names_each_path() {
        let api: serde_json::Value = serde_json::from_str(OPENAPI).unwrap();
        assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
        for (path, calls) in api["paths"].as_object().unwrap() {
            let path = path.replace("{name}", "mine");
            let allowed = methods(&path).unwrap_or_else(|| panic!("{path} is not served"));
            let names = calls
                .as_object()
                .unwrap()
                .keys()
                .filter(|k| *k != "parameters");
            let described: Vec<_> = names.map(|k| k.to_uppercase()).collect();
            let mut allowed: Vec<_> = allowed.split(", ").map(str::to_owned).collect();
            allowed.sort();
            let mut described = described;
            described.sort();
            assert_eq!(described, allowed, "{path}");
        }
        assert_eq!(api["paths"].as_object().unwrap().len(), 7);
    }
}
