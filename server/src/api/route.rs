//! Which call a request is.

use http::Method;
use mooring_core::names::{BadName, ClaimName, LeaseId};
use mooring_core::wire::{Problem, ProblemType};

/// The calls.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Call {
    Versions,
    OpenApi,
    PutClaim(ClaimName),
    DeleteClaim(ClaimName),
    Renew,
    Token(LeaseId),
    Products,
    Leases,
    Gone,
    Expected,
    Policies,
    Revoke(LeaseId),
    Unrevoke(LeaseId),
}

impl Call {
    /// Its name in metrics.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Versions => "versions",
            Self::OpenApi => "openapi",
            Self::PutClaim(_) => "claim",
            Self::DeleteClaim(_) => "release",
            Self::Renew => "renew",
            Self::Token(_) => "token",
            Self::Products => "products",
            Self::Leases => "leases",
            Self::Gone => "gone",
            Self::Expected => "expected",
            Self::Policies => "policies",
            Self::Revoke(_) => "revoke",
            Self::Unrevoke(_) => "unrevoke",
        }
    }
}

/// The methods that a path takes, as the header `Allow` lists them (RFC 9110, 10.2.1).
pub(super) fn methods(path: &str) -> Option<&'static str> {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    Some(match parts.as_slice() {
        ["v1", "versions" | "openapi.json" | "products" | "leases"] => "GET",
        ["v1", "claims", _] => "PUT, DELETE",
        ["v1", "leases", _, "revoke"] => "POST, DELETE",
        ["v1", "leases", "renew"]
        | ["v1", "leases", _, "token"]
        | ["v1", "holders", "gone" | "expected"] => "POST",
        ["v1", "policies"] => "PUT",
        _ => return None,
    })
}

/// Finds the call.
pub(super) fn route(method: &Method, path: &str) -> Result<Call, Problem> {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let is = |m: &Method| method == m;
    let bad = |e: BadName| Problem::new(ProblemType::BadRequest, format!("path: {e}"));
    match parts.as_slice() {
        ["v1", "versions"] if is(&Method::GET) => Ok(Call::Versions),
        ["v1", "openapi.json"] if is(&Method::GET) => Ok(Call::OpenApi),
        ["v1", "claims", name] if is(&Method::PUT) => {
            Ok(Call::PutClaim(name.parse().map_err(bad)?))
        }
        ["v1", "claims", name] if is(&Method::DELETE) => {
            Ok(Call::DeleteClaim(name.parse().map_err(bad)?))
        }
        ["v1", "leases", "renew"] if is(&Method::POST) => Ok(Call::Renew),
        ["v1", "leases", id, "token"] if is(&Method::POST) => {
            Ok(Call::Token(id.parse().map_err(bad)?))
        }
        ["v1", "leases", id, "revoke"] if is(&Method::POST) => {
            Ok(Call::Revoke(id.parse().map_err(bad)?))
        }
        ["v1", "leases", id, "revoke"] if is(&Method::DELETE) => {
            Ok(Call::Unrevoke(id.parse().map_err(bad)?))
        }
        ["v1", "products"] if is(&Method::GET) => Ok(Call::Products),
        ["v1", "leases"] if is(&Method::GET) => Ok(Call::Leases),
        ["v1", "holders", "gone"] if is(&Method::POST) => Ok(Call::Gone),
        ["v1", "holders", "expected"] if is(&Method::POST) => Ok(Call::Expected),
        ["v1", "policies"] if is(&Method::PUT) => Ok(Call::Policies),
        _ => {
            let shown: String = path.chars().take(200).collect();
            Err(if let Some(allowed) = methods(path) {
                let detail = format!("{shown} takes {allowed}, not {method}");
                Problem::new(ProblemType::MethodNotAllowed, detail)
            } else {
                let detail =
                    format!("there is no {shown:?} here; GET /v1/openapi.json describes this API");
                Problem::new(ProblemType::NotFound, detail)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_is_found_or_named_in_the_problem() {
        let kind = |m: &Method, p: &str| route(m, p).map(|c| c.name()).map_err(|e| e.kind);
        let id = "ab".repeat(16);
        assert_eq!(kind(&Method::PUT, "/v1/claims/pod"), Ok("claim"));
        assert_eq!(kind(&Method::DELETE, "/v1/claims/pod"), Ok("release"));
        assert_eq!(kind(&Method::POST, "/v1/leases/renew"), Ok("renew"));
        assert_eq!(
            kind(&Method::POST, &format!("/v1/leases/{id}/token")),
            Ok("token")
        );
        assert_eq!(kind(&Method::GET, "/v1/leases"), Ok("leases"));
        assert_eq!(kind(&Method::GET, "/v1/openapi.json"), Ok("openapi"));
        let revoke = format!("/v1/leases/{id}/revoke");
        assert_eq!(kind(&Method::POST, &revoke), Ok("revoke"));
        assert_eq!(kind(&Method::DELETE, &revoke), Ok("unrevoke"));
        assert_eq!(
            kind(&Method::GET, &revoke),
            Err(ProblemType::MethodNotAllowed)
        );
        assert_eq!(
            kind(&Method::POST, "/v1/claims/pod"),
            Err(ProblemType::MethodNotAllowed)
        );
        assert_eq!(
            kind(&Method::PUT, "/v1/claims/"),
            Err(ProblemType::BadRequest)
        );
        assert_eq!(
            kind(&Method::PUT, "/v1/claims/Pod"),
            Err(ProblemType::BadRequest)
        );
        assert_eq!(
            kind(&Method::POST, "/v1/leases/xyz/token"),
            Err(ProblemType::BadRequest)
        );
        assert_eq!(methods("/v1/claims/pod"), Some("PUT, DELETE"));
        for unknown in [
            "/",
            "",
            "/v2/claims/pod",
            "/v1/claims/pod/x",
            "/v1/leases/",
            "//v1/leases",
        ] {
            assert_eq!(
                kind(&Method::GET, unknown),
                Err(ProblemType::NotFound),
                "{unknown}"
            );
        }
    }
}
