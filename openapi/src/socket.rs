//! The calls of the sidecar's socket.

use crate::document::{Call, Document, parameter};
use mooring_core::license::{Bundle, Envelope};
use mooring_core::names::{ClaimName, ProductName, Seats, Version};
use mooring_core::policy::Start;
use mooring_core::wire::ProblemType as P;
use mooring_core::wire::{ClaimStatus, SocketClaim, Status};
use serde_json::{Value, json};

const WORDS: &str = "Unknown fields and parameters are ignored. Errors are problems (RFC 9457): act on the `type`, never on the status. \
    Bounds: 64 connections, 48 of them following events, holding or waiting; bodies of 16 KiB; 15 claims and holds besides the pod's own \
    claim. A connection too many is answered 503 at once.";

/// Server-sent events; the schema is that of one (WHATWG HTML, "Server-sent events").
fn stream(words: &str, event: &str, data: &Value) -> Value {
    let schema = json!({
        "type": "object",
        "required": ["id", "event", "data"],
        "properties": {
            "id": {"type": "string", "pattern": "^[0-9]+$", "description": "The `seq`."},
            "event": {"const": event},
            "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": data}
        }
    });
    json!({"description": words, "content": {"text/event-stream": {"schema": schema}}})
}

/// The document.
pub(crate) fn document() -> Value {
    let mut d = Document::new(
        "Mooring: the sidecar's socket",
        "What an application asks its sidecar, on the Unix socket that MOORING_SOCKET names (HTTP/1.1).",
        WORDS,
    );
    let status = d.answered_schema::<Status>();
    let answer = d.answered::<Status>("How everything stands.");
    d.call(Call {
        words: "Answered from memory; never waits for the network.",
        answers: vec![(200, answer)],
        problems: &[P::BadRequest, P::Overloaded],
        ..Call::new("get", "/v1/status", "status", "How the licenses stand")
    });
    d.call(Call {
        words: "The first event is the present status. Each has `id` (the `seq`), `event: status` and `data` (a Status as JSON); `: alive` comes each \
            15 s. A limit that a renewal moved counts as a change. A reader that falls behind is brought up to date in one step, and one that reads \
            nothing for 30 s is cut off.",
        answers: vec![(200, stream("The events; the answer does not end by itself.", "status", &status))],
        problems: &[P::BadRequest, P::Overloaded],
        ..Call::new("get", "/v1/events", "events", "The same at each change, as server-sent events")
    });
    let answer = json!({"description": "OpenAPI 3.1.", "content": {"application/json": {"schema": {"type": "object"}}}});
    d.call(Call {
        answers: vec![(200, answer)],
        problems: &[P::BadRequest, P::Overloaded],
        ..Call::new("get", "/v1/openapi.json", "openapi", "This document")
    });
    claims(&mut d);
    hold(&mut d);
    token(&mut d);
    let voucher = d.answered::<Envelope>("The voucher, signed by the vendor.");
    d.call(Call {
        words: "As it was given to the sidecar, which has no key to verify it with: the application has. `not-found` if there is none.",
        answers: vec![(200, voucher)],
        problems: &[P::NotFound, P::Overloaded],
        ..Call::new("get", "/v1/voucher", "voucher", "The vendor's permit to start with no license server in reach")
    });
    d.finish()
}

fn claims(d: &mut Document) {
    let name = d.sent::<ClaimName>();
    let words = "The claim's name. Names that begin with `hold-` are made by `POST /v1/hold`.";
    let name = parameter("path", "name", true, &name, words);
    let answer = d.answered::<ClaimStatus>("How it stands.");
    d.call(Call {
        parameters: vec![name.clone()],
        answers: vec![(200, answer)],
        problems: &[P::BadRequest, P::NotFound, P::Overloaded],
        ..Call::new("get", "/v1/claims/{name}", "getClaim", "One claim")
    });
    let body = d.sent::<SocketClaim>();
    let wait = parameter(
        "header",
        "Prefer",
        false,
        &json!({"type": "string", "examples": ["wait=5"]}),
        "RFC 7240: `wait=N` holds the answer until the claim is licensed or refused, N seconds at most (600 if more). What is not understood is ignored.",
    );
    let answers = vec![
        (200, d.answered::<ClaimStatus>("Licensed.")),
        (
            202,
            d.answered::<ClaimStatus>("Not yet: it goes on seeking or waiting."),
        ),
    ];
    d.call(Call {
        words: "Repeating it changes nothing and tells how the claim stands. It lives until DELETE, over crashes of the application and of the sidecar. A \
            claim that stands as `Refused` is asked anew. `start` counts when the claim is made. A refusal is the license server's problem.",
        parameters: vec![name.clone(), wait],
        body: Some((body, true)),
        example: Some(json!({"items": [{"product": "render", "seats": 2}]})),
        answers,
        problems: &[
            P::BadRequest, P::TooLarge, P::NotEntitled, P::Revoked, P::ClaimChanged, P::Cloned, P::UnknownProduct, P::ExceedsSeats,
            P::VersionNotCovered, P::TooManyClaims, P::Overloaded,
        ],
        ..Call::new("put", "/v1/claims/{name}", "putClaim", "A claim of the application's own, all or nothing")
    });
    d.call(Call {
        words: "Answered once the license server has it back, or after 2 s; then it goes on by itself. The name is free at once.",
        parameters: vec![name],
        answers: vec![(204, json!({"description": "Given back; also if there was none."}))],
        problems: &[P::BadRequest, P::ClaimChanged, P::Overloaded],
        ..Call::new("delete", "/v1/claims/{name}", "deleteClaim", "Gives a claim back")
    });
}

fn hold(d: &mut Document) {
    let product = d.sent::<ProductName>();
    let mut hold = parameter(
        "query",
        "product",
        true,
        &product,
        "What to claim; with `resume` it does not count, and may be left out.",
    );
    hold["example"] = "render".into();
    let mut seats = d.sent::<Seats>();
    seats["default"] = 1.into();
    let version = d.sent::<Version>();
    let start = d.sent::<Start>();
    let resume = d.sent::<ClaimName>();
    let status = d.answered_schema::<ClaimStatus>();
    let query =
        |name: &str, schema: &Value, words: &str| parameter("query", name, false, schema, words);
    d.call(Call {
        words: "Server-sent events, the first at once, then one at each change: `id`, `event: claim`, `data` (a ClaimStatus as JSON); `: alive` each 15 s. The \
            claim is given back when the connection ends in whatever way, also when only the client's sending half is closed. The events may be left \
            unread. A refusal is an event with state `Refused` and `problem`, after which the answer ends. After a crash of the sidecar its holds wait \
            10 s to be resumed. Takes no body.",
        parameters: vec![
            hold,
            query("seats", &seats, "How many seats."),
            query("version", &version, "The version asked for."),
            query("start", &start, "Whether the application may go on with no server in reach before the first answer."),
            query("resume", &resume, "The name of a hold that this client had when the sidecar crashed; then nothing else counts."),
        ],
        answers: vec![(200, stream("The events.", "claim", &status))],
        problems: &[P::BadRequest, P::NotFound, P::ClaimChanged, P::TooManyClaims, P::Overloaded],
        ..Call::new("post", "/v1/hold", "hold", "A claim that lives as long as this connection")
    });
}

fn token(d: &mut Document) {
    let claim = d.sent::<ClaimName>();
    let nonce = json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{16,64}$"});
    let answer = d.answered::<Bundle>("The lease.");
    d.call(Call {
        parameters: vec![
            parameter(
                "query",
                "claim",
                false,
                &claim,
                "Whose lease; the pod's own without it.",
            ),
            parameter(
                "query",
                "nonce",
                false,
                &nonce,
                "Has the license server sign a fresh token with it, within 10 s.",
            ),
        ],
        answers: vec![(200, answer)],
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
        ..Call::new(
            "get",
            "/v1/token",
            "token",
            "The signed lease, with all that its verification needs",
        )
    });
}
