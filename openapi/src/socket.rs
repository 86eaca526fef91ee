//! The calls of the sidecar's socket in words.

use crate::document::{Document, Prose, parameter};
use anyhow::Result;
use mooring_core::names::{ClaimName, ProductName, Seats, Version};
use mooring_core::policy::Start;
use mooring_core::wire::calls::{SOCKET, SocketCall};
use serde_json::{Value, json};

const WORDS: &str = "Unknown fields and parameters are ignored. Errors are problems (RFC 9457): act on the `type`, never on the status. \
    Bounds: 64 connections, 48 of them following events, holding or waiting; bodies of 16 KiB; 15 claims and holds besides the pod's own \
    claim. A connection too many is answered 503 at once.";

/// The document.
pub(crate) fn document() -> Result<Value> {
    let mut d = Document::new(
        "Mooring: the sidecar's socket",
        "What an application asks its sidecar, on the Unix socket that MOORING_SOCKET names (HTTP/1.1).",
        WORDS,
    );
    for spec in SOCKET {
        let prose = prose(&mut d, spec.call);
        d.call(spec, prose)?;
    }
    Ok(d.finish())
}

fn prose(d: &mut Document, call: SocketCall) -> Prose {
    let plain = |summary, answers| Prose {
        summary,
        answers,
        ..Prose::default()
    };
    match call {
        SocketCall::Status => Prose {
            words: "Answered from memory; never waits for the network.",
            ..plain("How the licenses stand", &["How everything stands."])
        },
        SocketCall::Events => Prose {
            words: "The first event is the present status. Each has `id` (the `seq`), `event: status` and `data` (a Status as JSON); `: alive` comes each \
                15 s. A limit that a renewal moved counts as a change. A reader that falls behind is brought up to date in one step, and one that reads \
                nothing for 30 s is cut off.",
            ..plain(
                "The same at each change, as server-sent events",
                &["The events; the answer does not end by itself."],
            )
        },
        SocketCall::OpenApi => plain("This document", &["OpenAPI 3.1."]),
        SocketCall::GetClaim => Prose {
            parameters: vec![name(d)],
            ..plain("One claim", &["How it stands."])
        },
        SocketCall::PutClaim => put_claim(d),
        SocketCall::DeleteClaim => Prose {
            words: "Answered once the license server has it back, or after 2 s; then it goes on by itself. The name is free at once.",
            parameters: vec![name(d)],
            ..plain(
                "Gives a claim back",
                &["Given back; also if there was none."],
            )
        },
        SocketCall::Hold => hold(d),
        SocketCall::Token => token(d),
        SocketCall::Voucher => Prose {
            words: "As it was given to the sidecar, which has no key to verify it with: the application has. `not-found` if there is none.",
            ..plain(
                "The vendor's permit to start with no license server in reach",
                &["The voucher, signed by the vendor."],
            )
        },
    }
}

fn name(d: &mut Document) -> Value {
    let name = d.sent::<ClaimName>();
    let words = "The claim's name. Names that begin with `hold-` are made by `POST /v1/hold`.";
    parameter("path", "name", true, &name, words)
}

fn put_claim(d: &mut Document) -> Prose {
    let wait = json!({"type": "string", "examples": ["wait=5"]});
    let words = "RFC 7240: `wait=N` holds the answer until the claim is licensed or refused, N seconds at most (600 if more). What is not understood is ignored.";
    Prose {
        summary: "A claim of the application's own, all or nothing",
        words: "Repeating it changes nothing and tells how the claim stands. It lives until DELETE, over crashes of the application and of the sidecar. A \
            claim that stands as `Refused` is asked anew. `start` counts when the claim is made. A refusal is the license server's problem.",
        parameters: vec![name(d), parameter("header", "Prefer", false, &wait, words)],
        example: Some(json!({"items": [{"product": "render", "seats": 2}]})),
        answers: &["Licensed.", "Not yet: it goes on seeking or waiting."],
    }
}

fn hold(d: &mut Document) -> Prose {
    let product = d.sent::<ProductName>();
    let words = "What to claim; with `resume` it does not count, and may be left out.";
    let mut product = parameter("query", "product", true, &product, words);
    product["example"] = "render".into();
    let mut seats = d.sent::<Seats>();
    seats["default"] = 1.into();
    let (version, start) = (d.sent::<Version>(), d.sent::<Start>());
    let may = "Whether the application may go on with no server in reach before the first answer.";
    let resume = d.sent::<ClaimName>();
    let had = "The name of a hold that this client had when the sidecar crashed; then nothing else counts.";
    let query = |name, schema, words| parameter("query", name, false, schema, words);
    Prose {
        summary: "A claim that lives as long as this connection",
        words: "Server-sent events, the first at once, then one at each change: `id`, `event: claim`, `data` (a ClaimStatus as JSON); `: alive` each 15 s. The \
            claim is given back when the connection ends in whatever way, also when only the client's sending half is closed. The events may be left \
            unread. A refusal is an event with state `Refused` and `problem`, after which the answer ends. After a crash of the sidecar its holds wait \
            10 s to be resumed. Takes no body.",
        parameters: vec![
            product,
            query("seats", &seats, "How many seats."),
            query("version", &version, "The version asked for."),
            query("start", &start, may),
            query("resume", &resume, had),
        ],
        answers: &["The events."],
        ..Prose::default()
    }
}

fn token(d: &mut Document) -> Prose {
    let claim = d.sent::<ClaimName>();
    let nonce = json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{16,64}$"});
    let words = "Has the license server sign a fresh token with it, within 10 s.";
    let whose = "Whose lease; the pod's own without it.";
    let product = d.sent::<ProductName>();
    let of = "Where the claim's seats come from several license servers: that of this product.";
    Prose {
        summary: "The signed lease, with all that its verification needs",
        parameters: vec![
            parameter("query", "claim", false, &claim, whose),
            parameter("query", "nonce", false, &nonce, words),
            parameter("query", "product", false, &product, of),
        ],
        answers: &["The lease."],
        ..Prose::default()
    }
}
