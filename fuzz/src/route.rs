//! The license server's routes, with all that is behind them: a real server in this process, and
//! requests that come over no connection. What one of them leaves behind, the next one finds.

use crate::readable;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use mooring_core::client_token::OPERATOR_SUBJECT;
use mooring_core::wire::calls::{self, CallSpec, MayCall, SERVER, ServerCall};
use mooring_core::wire::{INSTANCE_HEADER, Problem};
use mooring_net::serve::Peer;
use mooring_testkit::{Server, secs};
use std::sync::LazyLock;
use std::time::Duration;

/// How long a claim may wait for a seat before its client is taken for gone.
const PATIENCE: Duration = Duration::from_millis(5);

struct World {
    server: Server,
    holder: Peer,
    operator: Peer,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let server = Server::new(2, 60);
    let (holder, operator) = (server.peer("render-farm"), server.peer(OPERATOR_SUBJECT));
    World {
        server,
        holder,
        operator,
    }
});

/// Who asks: what their connection has shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Stranger,
    Holder,
    Operator,
}

impl Who {
    fn peer(self) -> Peer {
        match self {
            Self::Stranger => Peer {
                cert: None,
                ..WORLD.holder.clone()
            },
            Self::Holder => WORLD.holder.clone(),
            Self::Operator => WORLD.operator.clone(),
        }
    }

    /// Whether the table of calls lets this one make a call. (The fuzzer signs nothing, so it has
    /// neither tokens nor proofs.)
    fn may(self, call: MayCall) -> bool {
        match call {
            MayCall::Anyone | MayCall::Claim => true,
            MayCall::Holder | MayCall::Known => self != Self::Stranger,
            MayCall::Administrator | MayCall::Operator => self == Self::Operator,
        }
    }
}

/// `METHOD path?query`, headers, an empty line, the body; `None` if it is no HTTP request at all.
fn request(data: &[u8], peer: Peer) -> Option<Request<Bytes>> {
    let cut = data.windows(2).position(|w| w == b"\n\n");
    let (head, body) = match cut {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (data, &[][..]),
    };
    let mut lines = head.split(|b| *b == b'\n');
    let first = std::str::from_utf8(lines.next()?).ok()?;
    let (method, target) = first.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target);
    for line in lines {
        let colon = line.iter().position(|b| *b == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
        request = request.header(name, value);
    }
    let request = request.extension(peer);
    request.body(Bytes::copy_from_slice(body)).ok()
}

/// Whether a claim is given back by its lease's name: then its secret is enough, and a lease that
/// is not there is answered as one that was given back.
fn by_secret(request: &Request<Bytes>) -> bool {
    let named = request.headers().get("if-match");
    let named = named.and_then(|v| v.to_str().ok());
    named.is_some_and(|tag| tag.trim() != "*")
}

fn judge(
    found: Option<&CallSpec<ServerCall>>,
    who: Who,
    by_secret: bool,
    answer: &Response<Bytes>,
) {
    let status = answer.status().as_u16();
    assert!(answer.headers().contains_key(INSTANCE_HEADER));
    if status < 400 {
        let spec = found.expect("an answer to no call");
        let documented = spec.answers.iter().any(|(s, _)| *s == status);
        assert!(documented, "{}: {status} is not in the table", spec.name);
        let by_secret = by_secret && matches!(spec.call, ServerCall::DeleteClaim);
        assert!(by_secret || who.may(spec.who), "{}: it may not", spec.name);
        return;
    }
    let problem: Problem = serde_json::from_slice(answer.body()).expect("a problem");
    readable(&problem);
    assert_eq!((problem.status, problem.kind.status()), (status, status));
    match found {
        None => assert!(matches!(status, 404 | 405), "{problem}"),
        Some(spec) => {
            let documented = spec.problems.contains(&problem.kind);
            assert!(documented, "{}: {problem} is not in the table", spec.name);
        }
    }
}

/// The first byte says who asks.
pub fn route(data: &[u8]) {
    let Some((first, text)) = data.split_first() else {
        return;
    };
    let who = match first {
        b'o' => Who::Operator,
        b'h' => Who::Holder,
        _ => Who::Stranger,
    };
    let Some(request) = request(text, who.peer()) else {
        return;
    };
    let (method, path) = (
        request.method().to_string(),
        request.uri().path().to_owned(),
    );
    let found = calls::find(SERVER, &method, &path)
        .ok()
        .map(|(spec, _)| spec);
    let waits = found.is_some_and(|s| matches!(s.call, ServerCall::PutClaim));
    let patience = if waits { PATIENCE } else { secs(5) };
    let by_secret = by_secret(&request);
    match WORLD.server.answer(request, patience) {
        Some(answer) => judge(found, who, by_secret, &answer),
        None => assert!(waits, "{method} {path}: no answer"),
    }
}
