//! The license server's calls.

use super::AnswerBody::{Json, JsonOrLines, Nothing};
use super::RequestBody::{None, Optional, Required};
use super::{CallSpec, MayCall, calls};
use crate::wire::problem::ProblemType;

calls! {
    /// What the server's dispatcher matches on; [`SERVER`] says what each is.
    ServerCall, SERVER;

    /// The versions of this API.
    VERSIONS = Versions "versions", "GET" "/v1/versions", Anyone, None, [200 Json("Versions")], [];

    /// The description of this API.
    OPENAPI = OpenApi "openapi", "GET" "/v1/openapi.json", Anyone, None, [200 Json("OpenApi")], [];

    /// Claims, all or nothing, or asks again.
    PUT_CLAIM = PutClaim "claim", "PUT" "/v1/claims/{name}", Holder, Required("ClaimRequest"),
        [200 Json("Grant"), 202 Json("Waiting")],
        [BadRequest, TooLarge, Unauthenticated, NotEntitled, Revoked, UnknownLease, ClaimChanged,
         GivenBack, CalledBack, Cloned, UnknownProduct, ExceedsSeats, VersionNotCovered, TooManyClaims,
         AnchorLost, LicenseInvalid, Overloaded];

    /// Gives a claim back, or leaves the queue.
    DELETE_CLAIM = DeleteClaim "release", "DELETE" "/v1/claims/{name}", Holder, None, [204 Nothing],
        [BadRequest, Unauthenticated, NotEntitled, Revoked, Overloaded];

    /// Renews many leases at once.
    RENEW = Renew "renew", "POST" "/v1/leases/renew", Claim, Required("RenewRequest"),
        [200 Json("RenewResponse")], [BadRequest, TooLarge];

    /// A lease token with the application's nonce in it.
    TOKEN = Token "token", "POST" "/v1/leases/{id}/token", Claim, Required("NonceRequest"),
        [200 Json("TokenResponse")],
        [BadRequest, TooLarge, Unauthenticated, Revoked, UnknownLease, AnchorLost, LicenseInvalid,
         Overloaded];

    /// Capacity, use, queue.
    PRODUCTS = Products "products", "GET" "/v1/products", Known, None, [200 Json("Products")],
        [Unauthenticated, Revoked, Overloaded];

    /// Who holds what, and who waits; with `?watch` each change as it comes.
    LEASES = Leases "leases", "GET" "/v1/leases", Known, None,
        [200 JsonOrLines("Leases", "WatchEvent")],
        [BadRequest, Unauthenticated, Revoked, ResumeExpired, Overloaded];

    /// Revokes a lease's holder.
    REVOKE = Revoke "revoke", "POST" "/v1/leases/{id}/revoke", Administrator, Optional("Revoke"),
        [204 Nothing],
        [BadRequest, TooLarge, Unauthenticated, OperatorOnly, Revoked, UnknownLease, Overloaded];

    /// Lifts a revocation.
    LIFT = Lift "lift", "DELETE" "/v1/leases/{id}/revoke", Administrator, None, [204 Nothing],
        [BadRequest, Unauthenticated, OperatorOnly, Revoked, UnknownLease, Overloaded];

    /// Takes one lease back, barring nobody.
    TAKE_BACK = TakeBack "takeBack", "POST" "/v1/leases/{id}/release", Administrator, None,
        [204 Nothing],
        [BadRequest, Unauthenticated, OperatorOnly, Revoked, UnknownLease, Overloaded];

    /// Who is revoked.
    REVOCATIONS = Revocations "revocations", "GET" "/v1/revocations", Administrator, None,
        [200 Json("RevokedHolders")], [Unauthenticated, OperatorOnly, Revoked, Overloaded];

    /// Revokes holders, and lifts that, whether or not they were heard: the operator, or an issuer
    /// of client tokens for its own subjects.
    CHANGE_REVOCATIONS = ChangeRevocations "changeRevocations", "POST" "/v1/revocations",
        Administrator, Required("ChangeRevocations"), [204 Nothing],
        [BadRequest, TooLarge, Unauthenticated, OperatorOnly, Revoked, Overloaded];

    /// Holders proven gone.
    GONE = Gone "gone", "POST" "/v1/holders/gone", Administrator, Required("Gone"), [204 Nothing],
        [BadRequest, TooLarge, Unauthenticated, OperatorOnly, Revoked, Overloaded];

    /// The roster: all holders that are not proven gone.
    EXPECTED = Expected "expected", "POST" "/v1/holders/expected", Operator, Required("Expected"),
        [204 Nothing], [BadRequest, TooLarge, OperatorOnly];

    /// Claims for what has pods run, of which they take their shares over.
    OWNERS = Owners "owners", "POST" "/v1/owners", Operator, Required("Owners"),
        [200 Json("OwnersAnswer")], [BadRequest, TooLarge, OperatorOnly, Overloaded];

    /// Who may use this server.
    POLICIES = Policies "policies", "PUT" "/v1/policies", Operator, Required("Policies"),
        [204 Nothing], [BadRequest, TooLarge, OperatorOnly];

    /// What a seat policy would change; nothing changes by it.
    TEST_POLICY = TestPolicy "testPolicy", "POST" "/v1/policies/test", Administrator,
        Required("SeatPolicy"), [200 Json("PolicyTest")],
        [BadRequest, TooLarge, Unauthenticated, OperatorOnly, Revoked, Overloaded];
}
