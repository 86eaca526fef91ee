//! The license server's calls in words.

use crate::document::{Document, Prose, parameter};
use anyhow::Result;
use mooring_core::names::{ClaimName, InstanceId, LeaseId};
use mooring_core::secret::Secret;
use mooring_core::wire::calls::{SERVER, ServerCall};
use mooring_core::wire::{COUNTER_HEADER, INSTANCE_HEADER, SECRET_HEADER, WatchPosition};
use serde_json::{Value, json};

const WORDS: &str = "Who asks is known by a client certificate, by a client token (`mct_…`), or by a pod's service-account token; a claim's \
    secret is enough to renew it, to give it back, and to ask for a token. Unknown fields and parameters are ignored. Errors are problems \
    (RFC 9457): act on the `type`, never on the status. Durations are told, never a clock's reading. Bodies are at most 64 KiB, the operator's 16 MiB.";

/// The document.
pub(crate) fn document() -> Result<Value> {
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
    d.header::<InstanceId>(
        INSTANCE_HEADER,
        "The run that answers: what comes without it is not the server's word.",
    );
    for spec in SERVER {
        let prose = prose(&mut d, spec.call);
        d.call(spec, prose)?;
    }
    Ok(d.finish())
}

fn prose(d: &mut Document, call: ServerCall) -> Prose {
    let plain = |summary, answers| Prose {
        summary,
        answers,
        ..Prose::default()
    };
    match call {
        ServerCall::Versions => plain(
            "The versions of this API",
            &["The versions of this API that it speaks."],
        ),
        ServerCall::OpenApi => plain("This document", &["OpenAPI 3.1."]),
        ServerCall::PutClaim => put_claim(d),
        ServerCall::DeleteClaim => delete_claim(d),
        ServerCall::Renew => Prose {
            words: "Each renewal is answered for itself. Save counter and request id before sending: the same counter with another request id is a copy of the holder.",
            ..plain(
                "Renews many leases at once",
                &["An answer to each, in the order of the request: renewed, or a problem."],
            )
        },
        ServerCall::Token => Prose {
            parameters: vec![lease(d, "The lease.")],
            ..plain(
                "A lease token that answers the application's own question",
                &["License, delegation and a lease token with the nonce in it."],
            )
        },
        ServerCall::Products => plain(
            "Capacity, use, line",
            &["The server as a whole, its products and pools."],
        ),
        ServerCall::Leases => leases(d),
        ServerCall::Revoke
        | ServerCall::Lift
        | ServerCall::TakeBack
        | ServerCall::Revocations
        | ServerCall::ChangeRevocations => taken_away(d, call),
        ServerCall::Gone
        | ServerCall::Expected
        | ServerCall::Owners
        | ServerCall::Policies
        | ServerCall::TestPolicy => operators(call),
    }
}

/// What the operator says.
fn operators(call: ServerCall) -> Prose {
    let plain = |summary, answers| Prose {
        summary,
        answers,
        ..Prose::default()
    };
    match call {
        ServerCall::Gone => Prose {
            words: "For the operator and the administrators.",
            ..plain(
                "Holders proven gone: their seats are free in this step",
                &["Done."],
            )
        },
        ServerCall::Expected => Prose {
            words: "For the operator alone.",
            ..plain(
                "The roster: settling ends once each holder on it is in or gone",
                &["Done."],
            )
        },
        ServerCall::Owners => Prose {
            words: "For the operator alone. Each claim is answered for itself and at once; the watch tells of its grant. It is kept for five minutes after it was said last.",
            ..plain(
                "Claims for what has pods run, of which its pods take their shares over",
                &["How each claim stands, in the order of the request."],
            )
        },
        ServerCall::Policies => Prose {
            words: "For the operator alone.",
            ..plain(
                "Who may use this server, and whose its seats are",
                &["Done."],
            )
        },
        _ => Prose {
            words: "For the operator and the administrators. Tried on a copy of the books, by the rules that would apply it; nothing changes by asking.",
            ..plain(
                "What a seat policy would change, were it in force from now on",
                &["The claims that would stand otherwise, and what each group would have."],
            )
        },
    }
}

/// What an administrator takes away, and gives back.
fn taken_away(d: &mut Document, call: ServerCall) -> Prose {
    let plain = |summary, answers| Prose {
        summary,
        answers,
        ..Prose::default()
    };
    match call {
        ServerCall::Revoke => Prose {
            words: "For the operator and the administrators. The holder is told at its next request, within a third of a lease, and gets nothing more whatever it \
                shows. Its seats are free when the lease has run out that it may still count on. It outlives a restart.",
            parameters: vec![lease(d, REVOKED)],
            ..plain("Revokes a lease's holder", &["Revoked."])
        },
        ServerCall::Lift => Prose {
            parameters: vec![lease(d, REVOKED)],
            ..plain("Lifts that again", &["Lifted."])
        },
        ServerCall::TakeBack => Prose {
            words: "For the operator and the administrators. The holder is barred from nothing: it is told `given-back` at its next request, and may claim anew with another \
                secret. Its seats are free when it has, or when the lease has run out that it may still count on.",
            parameters: vec![lease(d, "The lease, or the place in the queue.")],
            ..plain("Takes one lease back", &["Taken back."])
        },
        ServerCall::ChangeRevocations => Prose {
            words: "For the operator alone, which says so anew to each run: who is revoked is named by holder, and need not have been heard.",
            ..plain("Revokes holders, and lifts that", &["Done."])
        },
        _ => Prose {
            words: "For the operator and the administrators.",
            ..plain(
                "Who is revoked",
                &["Those that the call revoked, and that are not lifted."],
            )
        },
    }
}

const REVOKED: &str = "A lease of the holder; to lift, the one that was named.";

fn lease(d: &mut Document, words: &str) -> Value {
    let id = d.sent::<LeaseId>();
    parameter("path", "id", true, &id, words)
}

fn name(d: &mut Document) -> Value {
    let name = d.sent::<ClaimName>();
    let words = "The holder's own name for the claim; a sidecar's is `pod`.";
    parameter("path", "name", true, &name, words)
}

fn put_claim(d: &mut Document) -> Prose {
    let wait = json!({"type": "string", "examples": ["wait=5"]});
    let words = "RFC 7240: `wait=N` holds the answer until the claim is granted, N seconds or half a lease at most. What is not understood is ignored.";
    Prose {
        summary: "Claims, all or nothing, or asks again",
        words: "Repeating it changes nothing: one lease for a holder and name. Instead of a credential an earlier answer may be shown: `ticket` or `held`, with \
            `secret` and `holder`.",
        parameters: vec![name(d), parameter("header", "Prefer", false, &wait, words)],
        example: Some(json!({
            "items": [{"product": "render", "seats": 2}],
            "secretHash": "Zmh6rfhivXdsj8GLjp-OIAiXFIVu4jOzkCpZHQ1fKSU",
            "requestId": "0123456789abcdef0123456789abcdef"
        })),
        answers: &[
            "Granted: a lease, its token, and for how long from the sending of the request.",
            "In line: the place, and a ticket to show again, also to a restarted server.",
        ],
    }
}

fn delete_claim(d: &mut Document) -> Prose {
    let secret = d.sent::<Secret>();
    let counter = json!({"type": "integer", "minimum": 0, "maximum": u64::MAX});
    let higher = "Higher than in any request of the claim before; otherwise a copy of the holder asks, and is told so.";
    let tag = json!({"type": "string", "pattern": "^\"[0-9a-f]{32}\"$"});
    let known = "The lease's id in quotes: its secret is enough then. Without it the claim of this name is given back, and who asks must be known.";
    let header = |name, needed, schema, words| parameter("header", name, needed, schema, words);
    Prose {
        summary: "Gives back, or leaves the line",
        words: "A lease that is not in the books, or not this claim's: 204, nothing is touched.",
        parameters: vec![
            name(d),
            header(SECRET_HEADER, true, &secret, "The claim's secret."),
            header(COUNTER_HEADER, false, &counter, higher),
            header("If-Match", false, &tag, known),
        ],
        answers: &["Given back, or left the queue."],
        ..Prose::default()
    }
}

fn leases(d: &mut Document) -> Prose {
    let (watch, after) = (json!({"type": "boolean"}), d.sent::<WatchPosition>());
    let from = "With `watch`: the position that an earlier list or event gave.";
    Prose {
        summary: "Who holds what, and who waits",
        words: "The operator and the administrators see all, a holder its own.",
        parameters: vec![
            parameter("query", "watch", false, &watch, "Follow changes instead."),
            parameter("query", "after", false, &after, from),
        ],
        answers: &[
            "The claims; with `watch` a WatchEvent a line at each change, and `Alive` each 10 s. It does not end by itself.",
        ],
        ..Prose::default()
    }
}
