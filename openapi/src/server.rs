//! The license server's calls.

use crate::document::{Call, Document, parameter};
use mooring_core::names::{ClaimName, LeaseId};
use mooring_core::secret::Secret;
use mooring_core::wire::ProblemType as P;
use mooring_core::wire::{
    COUNTER_HEADER, ClaimRequest, Expected, Gone, Grant, Leases, NonceRequest, Policies,
    ProblemType, Products, RenewRequest, RenewResponse, Revoke, SECRET_HEADER, TokenResponse,
    Waiting, WatchEvent, WatchPosition,
};
use serde_json::{Value, json};

const WORDS: &str = "Who asks is known by a client certificate, by a client token (`mct_…`), or by a pod's service-account token; a claim's \
    secret is enough to renew it, to give it back, and to ask for a token. Unknown fields and parameters are ignored. Errors are problems \
    (RFC 9457): act on the `type`, never on the status. Durations are told, never a clock's reading. Bodies are at most 16 KiB.";

/// What any call that reads a body may say.
const BODY: &[ProblemType] = &[P::BadRequest, P::TooLarge];

fn with(more: &[ProblemType]) -> &'static [ProblemType] {
    let mut all: Vec<ProblemType> = more.to_vec();
    all.dedup();
    Box::leak(all.into_boxed_slice())
}

fn credentials() -> Vec<Value> {
    vec![json!({"bearer": []}), json!({"certificate": []})]
}

/// The document.
pub(crate) fn document() -> Value {
    let mut d = Document::new(
        "Mooring: the license server",
        "Floating licenses: claims, leases, who holds what (HTTP/1.1 and 2 over TLS 1.3).",
        WORDS,
    );
    d.security(
        "bearer",
        json!({"type": "http", "scheme": "bearer", "description": "A client token of `mooring client issue`, or a pod's service-account token."}),
    );
    d.security(
        "certificate",
        json!({"type": "mutualTLS", "description": "A client certificate that chains to the server's `clientCa`."}),
    );
    plain(&mut d);
    claims(&mut d);
    leases(&mut d);
    revoke(&mut d);
    operator(&mut d);
    d.finish()
}

fn plain(d: &mut Document) {
    d.call(Call {
        answers: vec![(
            200,
            json!({"description": "The versions of this API that it speaks.", "content": {"application/json": {"schema":
                {"type": "object", "required": ["versions"], "properties": {"versions": {"type": "array", "items": {"type": "string"}}}}}}}),
        )],
        ..Call::new("get", "/v1/versions", "versions", "The versions of this API")
    });
    d.call(Call {
        answers: vec![(
            200,
            json!({"description": "OpenAPI 3.1.", "content": {"application/json": {"schema": {"type": "object"}}}}),
        )],
        ..Call::new("get", "/v1/openapi.json", "openapi", "This document")
    });
}

fn claims(d: &mut Document) {
    let name = d.sent::<ClaimName>();
    let name = parameter(
        "path",
        "name",
        true,
        &name,
        "The holder's own name for the claim; a sidecar's is `pod`.",
    );
    let body = d.sent::<ClaimRequest>();
    let prefer = parameter(
        "header",
        "Prefer",
        false,
        &json!({"type": "string", "examples": ["wait=5"]}),
        "RFC 7240: `wait=N` holds the answer until the claim is granted, N seconds or half a lease at most. What is not understood is ignored.",
    );
    let answers = vec![
        (
            200,
            d.answered::<Grant>(
                "Granted: a lease, its token, and for how long from the sending of the request.",
            ),
        ),
        (
            202,
            d.answered::<Waiting>(
                "In line: the place, and a ticket to show again, also to a restarted server.",
            ),
        ),
    ];
    d.call(Call {
        words: "Repeating it changes nothing: one lease for a holder and name. Instead of a credential an earlier answer may be shown: `ticket` or `held`, with \
            `secret` and `holder`.",
        parameters: vec![name.clone(), prefer],
        body: Some((body, true)),
        example: Some(json!({
            "items": [{"product": "render", "seats": 2}],
            "secretHash": "Zmh6rfhivXdsj8GLjp-OIAiXFIVu4jOzkCpZHQ1fKSU",
            "requestId": "0123456789abcdef0123456789abcdef"
        })),
        answers,
        problems: with(&[
            P::BadRequest, P::TooLarge, P::Unauthenticated, P::NotEntitled, P::Revoked, P::UnknownLease, P::ClaimChanged, P::GivenBack,
            P::Cloned, P::UnknownProduct, P::ExceedsSeats, P::VersionNotCovered, P::TooManyClaims, P::AnchorLost, P::LicenseInvalid,
            P::Overloaded,
        ]),
        // A proof in the body does instead of a credential.
        security: vec![json!({"bearer": []}), json!({"certificate": []}), json!({})],
        ..Call::new("put", "/v1/claims/{name}", "claim", "Claims, all or nothing, or asks again")
    });
    let secret = d.sent::<Secret>();
    let secret = parameter(
        "header",
        SECRET_HEADER,
        true,
        &secret,
        "The claim's secret.",
    );
    let tag = parameter(
        "header",
        "If-Match",
        false,
        &json!({"type": "string", "pattern": "^\"[0-9a-f]{32}\"$"}),
        "The lease's id in quotes: its secret is enough then. Without it the claim of this name is given back, and who asks must be known.",
    );
    let counter = parameter(
        "header",
        COUNTER_HEADER,
        false,
        &json!({"type": "integer", "minimum": 0}),
        "Higher than in any request of the claim before; otherwise a copy of the holder asks, and is told so.",
    );
    d.call(Call {
        words: "A lease that is not in the books, or not this claim's: 204, nothing is touched.",
        parameters: vec![name, secret, counter, tag],
        answers: vec![(204, json!({"description": "Given back, or left the line."}))],
        problems: with(&[
            P::BadRequest,
            P::Unauthenticated,
            P::NotEntitled,
            P::Revoked,
            P::Overloaded,
        ]),
        security: vec![json!({"bearer": []}), json!({"certificate": []}), json!({})],
        ..Call::new(
            "delete",
            "/v1/claims/{name}",
            "release",
            "Gives back, or leaves the line",
        )
    });
}

fn leases(d: &mut Document) {
    let body = d.sent::<RenewRequest>();
    let answer = d.answered::<RenewResponse>(
        "An answer to each, in the order of the request: renewed, or a problem.",
    );
    d.call(Call {
        words: "Each renewal is answered for itself. Save counter and request id before sending: the same counter with another request id is a copy of the holder.",
        body: Some((body, true)),
        answers: vec![(200, answer)],
        problems: BODY,
        ..Call::new("post", "/v1/leases/renew", "renew", "Renews many leases at once")
    });
    let id = d.sent::<LeaseId>();
    let id = parameter("path", "id", true, &id, "The lease.");
    let body = d.sent::<NonceRequest>();
    let answer =
        d.answered::<TokenResponse>("License, delegation and a lease token with the nonce in it.");
    d.call(Call {
        parameters: vec![id],
        body: Some((body, true)),
        answers: vec![(200, answer)],
        problems: with(&[
            P::BadRequest,
            P::TooLarge,
            P::Unauthenticated,
            P::Revoked,
            P::UnknownLease,
            P::AnchorLost,
            P::LicenseInvalid,
        ]),
        ..Call::new(
            "post",
            "/v1/leases/{id}/token",
            "token",
            "A lease token that answers the application's own question",
        )
    });
    let answer = d.answered::<Products>("The server as a whole, its products and pools.");
    d.call(Call {
        answers: vec![(200, answer)],
        problems: with(&[P::Unauthenticated, P::Revoked, P::Overloaded]),
        security: credentials(),
        ..Call::new("get", "/v1/products", "products", "Capacity, use, line")
    });
    d.mention::<WatchEvent>();
    let after = d.sent::<WatchPosition>();
    let answer = d.answered_or_streamed::<Leases>(
        "The claims; with `watch` a WatchEvent a line at each change, and `Alive` each 10 s. It does not end by itself.",
        "application/x-ndjson",
    );
    d.call(Call {
        words: "The operator and the administrators see all, a holder its own.",
        parameters: vec![
            parameter(
                "query",
                "watch",
                false,
                &json!({"type": "boolean"}),
                "Follow changes instead.",
            ),
            parameter(
                "query",
                "after",
                false,
                &after,
                "With `watch`: the position that an earlier list or event gave.",
            ),
        ],
        answers: vec![(200, answer)],
        problems: with(&[
            P::BadRequest,
            P::Unauthenticated,
            P::Revoked,
            P::ResumeExpired,
            P::Overloaded,
        ]),
        security: credentials(),
        ..Call::new(
            "get",
            "/v1/leases",
            "leases",
            "Who holds what, and who waits",
        )
    });
}

fn revoke(d: &mut Document) {
    let id = d.sent::<LeaseId>();
    let id = parameter(
        "path",
        "id",
        true,
        &id,
        "A lease of the holder; to lift, the one that was named.",
    );
    let body = d.sent::<Revoke>();
    d.call(Call {
        words: "For the operator and the administrators. The holder is told at its next request, within a third of a lease, and gets nothing more whatever it \
            shows. Its seats are free when the lease has run out that it may still count on. It outlives a restart.",
        parameters: vec![id.clone()],
        body: Some((body, false)),
        answers: vec![(204, json!({"description": "Revoked."}))],
        problems: with(&[P::BadRequest, P::TooLarge, P::Unauthenticated, P::OperatorOnly, P::Revoked, P::UnknownLease, P::Overloaded]),
        security: credentials(),
        ..Call::new("post", "/v1/leases/{id}/revoke", "revoke", "Revokes a lease's holder")
    });
    d.call(Call {
        parameters: vec![id],
        answers: vec![(204, json!({"description": "Lifted."}))],
        problems: with(&[
            P::BadRequest,
            P::Unauthenticated,
            P::OperatorOnly,
            P::Revoked,
            P::UnknownLease,
            P::Overloaded,
        ]),
        security: credentials(),
        ..Call::new(
            "delete",
            "/v1/leases/{id}/revoke",
            "lift",
            "Lifts that again",
        )
    });
}

fn operator(d: &mut Document) {
    let done = || vec![(204, json!({"description": "Done."}))];
    let body = d.sent::<Gone>();
    d.call(Call {
        words: "For the operator and the administrators.",
        body: Some((body, true)),
        answers: done(),
        problems: with(&[
            P::BadRequest,
            P::TooLarge,
            P::Unauthenticated,
            P::OperatorOnly,
            P::Revoked,
            P::Overloaded,
        ]),
        security: credentials(),
        ..Call::new(
            "post",
            "/v1/holders/gone",
            "gone",
            "Holders proven gone: their seats are free in this step",
        )
    });
    let body = d.sent::<Expected>();
    d.call(Call {
        words: "For the operator alone.",
        body: Some((body, true)),
        answers: done(),
        problems: with(&[P::BadRequest, P::TooLarge, P::OperatorOnly]),
        security: vec![json!({"certificate": []})],
        ..Call::new(
            "post",
            "/v1/holders/expected",
            "expected",
            "The roster: settling ends once each holder on it is in or gone",
        )
    });
    let body = d.sent::<Policies>();
    d.call(Call {
        words: "For the operator alone.",
        body: Some((body, true)),
        answers: done(),
        problems: with(&[P::BadRequest, P::TooLarge, P::OperatorOnly]),
        security: vec![json!({"certificate": []})],
        ..Call::new("put", "/v1/policies", "policies", "Who may use this server")
    });
}
