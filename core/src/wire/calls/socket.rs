//! The calls of the sidecar's socket: whoever can connect may make them.

use super::{AnswerBody, CallSpec, RequestBody};
use crate::wire::problem::ProblemType as P;

/// What the socket's dispatcher matches on; [`SOCKET`] says what each is.
#[allow(missing_docs)] // each has a row below
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketCall {
    Status,
    Events,
    OpenApi,
    GetClaim,
    PutClaim,
    DeleteClaim,
    Hold,
    Token,
    Voucher,
}

type Row = CallSpec<SocketCall>;

/// All of them.
pub const SOCKET: &[Row] = &[
    STATUS,
    EVENTS,
    OPENAPI,
    GET_CLAIM,
    PUT_CLAIM,
    DELETE_CLAIM,
    HOLD,
    TOKEN,
    VOUCHER,
];

/// How the licenses stand.
pub const STATUS: Row = CallSpec {
    answers: &[(200, AnswerBody::Json("Status"))],
    problems: &[P::BadRequest, P::Overloaded],
    ..CallSpec::new(SocketCall::Status, "status", "GET", "/v1/status")
};

/// The same at each change.
pub const EVENTS: Row = CallSpec {
    answers: &[(200, AnswerBody::Events("status", "Status"))],
    problems: &[P::BadRequest, P::Overloaded],
    ..CallSpec::new(SocketCall::Events, "events", "GET", "/v1/events")
};

/// The description of this API.
pub const OPENAPI: Row = CallSpec {
    answers: &[(200, AnswerBody::Json("OpenApi"))],
    problems: &[P::BadRequest, P::Overloaded],
    ..CallSpec::new(SocketCall::OpenApi, "openapi", "GET", "/v1/openapi.json")
};

/// One claim.
pub const GET_CLAIM: Row = CallSpec {
    answers: &[(200, AnswerBody::Json("ClaimStatus"))],
    problems: &[P::BadRequest, P::NotFound, P::Overloaded],
    ..CallSpec::new(SocketCall::GetClaim, "getClaim", "GET", "/v1/claims/{name}")
};

/// A claim of the application's own.
pub const PUT_CLAIM: Row = CallSpec {
    body: RequestBody::Required("SocketClaim"),
    answers: &[
        (200, AnswerBody::Json("ClaimStatus")),
        (202, AnswerBody::Json("ClaimStatus")),
    ],
    problems: &[
        P::BadRequest,
        P::TooLarge,
        P::NotEntitled,
        P::Revoked,
        P::ClaimChanged,
        P::Cloned,
        P::UnknownProduct,
        P::ExceedsSeats,
        P::VersionNotCovered,
        P::TooManyClaims,
        P::Overloaded,
    ],
    ..CallSpec::new(SocketCall::PutClaim, "putClaim", "PUT", "/v1/claims/{name}")
};

/// Gives a claim back.
pub const DELETE_CLAIM: Row = CallSpec {
    problems: &[P::BadRequest, P::ClaimChanged, P::Overloaded],
    ..CallSpec::new(
        SocketCall::DeleteClaim,
        "deleteClaim",
        "DELETE",
        "/v1/claims/{name}",
    )
};

/// A claim that lives as long as its connection.
pub const HOLD: Row = CallSpec {
    answers: &[(200, AnswerBody::Events("claim", "ClaimStatus"))],
    problems: &[
        P::BadRequest,
        P::NotFound,
        P::ClaimChanged,
        P::TooManyClaims,
        P::Overloaded,
    ],
    ..CallSpec::new(SocketCall::Hold, "hold", "POST", "/v1/hold")
};

/// The signed lease.
pub const TOKEN: Row = CallSpec {
    answers: &[(200, AnswerBody::Json("Bundle"))],
    problems: &[
        P::BadRequest,
        P::Unauthenticated,
        P::Revoked,
        P::Cloned,
        P::UnknownLease,
        P::AnchorLost,
        P::LicenseInvalid,
        P::Overloaded,
    ],
    ..CallSpec::new(SocketCall::Token, "token", "GET", "/v1/token")
};

/// The vendor's permit to start with no license server in reach.
pub const VOUCHER: Row = CallSpec {
    answers: &[(200, AnswerBody::Json("Envelope"))],
    problems: &[P::NotFound, P::Overloaded],
    ..CallSpec::new(SocketCall::Voucher, "voucher", "GET", "/v1/voucher")
};
