//! The license server's calls.

use super::{AnswerBody, CallSpec, MayCall, RequestBody};
use crate::wire::problem::ProblemType as P;

/// What the server's dispatcher matches on; [`SERVER`] says what each is.
#[allow(missing_docs)] // each has a row below
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerCall {
    Versions,
    OpenApi,
    PutClaim,
    DeleteClaim,
    Renew,
    Token,
    Products,
    Leases,
    Revoke,
    Lift,
    Gone,
    Expected,
    Policies,
}

type Row = CallSpec<ServerCall>;

/// All of them.
pub const SERVER: &[Row] = &[
    VERSIONS,
    OPENAPI,
    PUT_CLAIM,
    DELETE_CLAIM,
    RENEW,
    TOKEN,
    PRODUCTS,
    LEASES,
    REVOKE,
    LIFT,
    GONE,
    EXPECTED,
    POLICIES,
];

/// The versions of this API.
pub const VERSIONS: Row = CallSpec {
    answers: &[(200, AnswerBody::Json("Versions"))],
    ..CallSpec::new(ServerCall::Versions, "versions", "GET", "/v1/versions")
};

/// The description of this API.
pub const OPENAPI: Row = CallSpec {
    answers: &[(200, AnswerBody::Json("OpenApi"))],
    ..CallSpec::new(ServerCall::OpenApi, "openapi", "GET", "/v1/openapi.json")
};

/// Claims, all or nothing, or asks again.
pub const PUT_CLAIM: Row = CallSpec {
    who: MayCall::Holder,
    body: RequestBody::Required("ClaimRequest"),
    answers: &[
        (200, AnswerBody::Json("Grant")),
        (202, AnswerBody::Json("Waiting")),
    ],
    problems: &[
        P::BadRequest,
        P::TooLarge,
        P::Unauthenticated,
        P::NotEntitled,
        P::Revoked,
        P::UnknownLease,
        P::ClaimChanged,
        P::GivenBack,
        P::Cloned,
        P::UnknownProduct,
        P::ExceedsSeats,
        P::VersionNotCovered,
        P::TooManyClaims,
        P::AnchorLost,
        P::LicenseInvalid,
        P::Overloaded,
    ],
    ..CallSpec::new(ServerCall::PutClaim, "claim", "PUT", "/v1/claims/{name}")
};

/// Gives a claim back, or leaves the queue.
pub const DELETE_CLAIM: Row = CallSpec {
    who: MayCall::Holder,
    problems: &[
        P::BadRequest,
        P::Unauthenticated,
        P::NotEntitled,
        P::Revoked,
        P::Overloaded,
    ],
    ..CallSpec::new(
        ServerCall::DeleteClaim,
        "release",
        "DELETE",
        "/v1/claims/{name}",
    )
};

/// Renews many leases at once.
pub const RENEW: Row = CallSpec {
    who: MayCall::Claim,
    body: RequestBody::Required("RenewRequest"),
    answers: &[(200, AnswerBody::Json("RenewResponse"))],
    problems: &[P::BadRequest, P::TooLarge],
    ..CallSpec::new(ServerCall::Renew, "renew", "POST", "/v1/leases/renew")
};

/// A lease token with the application's nonce in it.
pub const TOKEN: Row = CallSpec {
    who: MayCall::Claim,
    body: RequestBody::Required("NonceRequest"),
    answers: &[(200, AnswerBody::Json("TokenResponse"))],
    problems: &[
        P::BadRequest,
        P::TooLarge,
        P::Unauthenticated,
        P::Revoked,
        P::UnknownLease,
        P::AnchorLost,
        P::LicenseInvalid,
    ],
    ..CallSpec::new(ServerCall::Token, "token", "POST", "/v1/leases/{id}/token")
};

/// Capacity, use, queue.
pub const PRODUCTS: Row = CallSpec {
    who: MayCall::Known,
    answers: &[(200, AnswerBody::Json("Products"))],
    problems: &[P::Unauthenticated, P::Revoked, P::Overloaded],
    ..CallSpec::new(ServerCall::Products, "products", "GET", "/v1/products")
};

/// Who holds what, and who waits; with `?watch` each change as it comes.
pub const LEASES: Row = CallSpec {
    who: MayCall::Known,
    answers: &[(200, AnswerBody::JsonOrLines("Leases", "WatchEvent"))],
    problems: &[
        P::BadRequest,
        P::Unauthenticated,
        P::Revoked,
        P::ResumeExpired,
        P::Overloaded,
    ],
    ..CallSpec::new(ServerCall::Leases, "leases", "GET", "/v1/leases")
};

/// Revokes a lease's holder.
pub const REVOKE: Row = CallSpec {
    who: MayCall::Administrator,
    body: RequestBody::Optional("Revoke"),
    problems: &[
        P::BadRequest,
        P::TooLarge,
        P::Unauthenticated,
        P::OperatorOnly,
        P::Revoked,
        P::UnknownLease,
        P::Overloaded,
    ],
    ..CallSpec::new(
        ServerCall::Revoke,
        "revoke",
        "POST",
        "/v1/leases/{id}/revoke",
    )
};

/// Lifts a revocation.
pub const LIFT: Row = CallSpec {
    who: MayCall::Administrator,
    problems: &[
        P::BadRequest,
        P::Unauthenticated,
        P::OperatorOnly,
        P::Revoked,
        P::UnknownLease,
        P::Overloaded,
    ],
    ..CallSpec::new(ServerCall::Lift, "lift", "DELETE", "/v1/leases/{id}/revoke")
};

/// Holders proven gone.
pub const GONE: Row = CallSpec {
    who: MayCall::Administrator,
    body: RequestBody::Required("Gone"),
    problems: &[
        P::BadRequest,
        P::TooLarge,
        P::Unauthenticated,
        P::OperatorOnly,
        P::Revoked,
        P::Overloaded,
    ],
    ..CallSpec::new(ServerCall::Gone, "gone", "POST", "/v1/holders/gone")
};

/// The roster: all holders that are not proven gone.
pub const EXPECTED: Row = CallSpec {
    who: MayCall::Operator,
    body: RequestBody::Required("Expected"),
    problems: &[P::BadRequest, P::TooLarge, P::OperatorOnly],
    ..CallSpec::new(
        ServerCall::Expected,
        "expected",
        "POST",
        "/v1/holders/expected",
    )
};

/// Who may use this server.
pub const POLICIES: Row = CallSpec {
    who: MayCall::Operator,
    body: RequestBody::Required("Policies"),
    problems: &[P::BadRequest, P::TooLarge, P::OperatorOnly],
    ..CallSpec::new(ServerCall::Policies, "policies", "PUT", "/v1/policies")
};
