//! The calls of the sidecar's socket: whoever can connect may make them.

use super::AnswerBody::{Events, Json, Nothing};
use super::RequestBody::{None, Required};
use super::{CallSpec, MayCall, calls};
use crate::wire::problem::ProblemType;

calls! {
    /// What the socket's dispatcher matches on; [`SOCKET`] says what each is.
    SocketCall, SOCKET;

    /// How the licenses stand.
    STATUS = Status "status", "GET" "/v1/status", Anyone, None, [200 Json("Status")],
        [BadRequest, Overloaded];

    /// The same at each change.
    EVENTS = Events "events", "GET" "/v1/events", Anyone, None, [200 Events("status", "Status")],
        [BadRequest, Overloaded];

    /// The description of this API.
    OPENAPI = OpenApi "openapi", "GET" "/v1/openapi.json", Anyone, None, [200 Json("OpenApi")],
        [BadRequest, Overloaded];

    /// One claim.
    GET_CLAIM = GetClaim "getClaim", "GET" "/v1/claims/{name}", Anyone, None,
        [200 Json("ClaimStatus")], [BadRequest, NotFound, Overloaded];

    /// A claim of the application's own.
    PUT_CLAIM = PutClaim "putClaim", "PUT" "/v1/claims/{name}", Anyone, Required("SocketClaim"),
        [200 Json("ClaimStatus"), 202 Json("ClaimStatus")],
        [BadRequest, TooLarge, NotEntitled, Revoked, ClaimChanged, Cloned, UnknownProduct,
         ExceedsSeats, VersionNotCovered, TooManyClaims, Overloaded];

    /// Gives a claim back.
    DELETE_CLAIM = DeleteClaim "deleteClaim", "DELETE" "/v1/claims/{name}", Anyone, None,
        [204 Nothing], [BadRequest, ClaimChanged, Overloaded];

    /// A claim that lives as long as its connection.
    HOLD = Hold "hold", "POST" "/v1/hold", Anyone, None, [200 Events("claim", "ClaimStatus")],
        [BadRequest, NotFound, NotEntitled, ClaimChanged, TooManyClaims, Overloaded];

    /// The signed lease.
    TOKEN = Token "token", "GET" "/v1/token", Anyone, None, [200 Json("Bundle")],
        [BadRequest, Unauthenticated, Revoked, Cloned, UnknownLease, AnchorLost, LicenseInvalid,
         Overloaded];

    /// The vendor's permit to start with no license server in reach.
    VOUCHER = Voucher "voucher", "GET" "/v1/voucher", Anyone, None, [200 Json("Envelope")],
        [NotFound, Overloaded];
}
