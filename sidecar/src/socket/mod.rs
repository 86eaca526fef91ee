//! The Unix socket that the application reads: bound in one step, open to every user of the pod,
//! bounded.
//!
//! | file | idea |
//! |---|---|
//! | `api` | what each call answers |
//! | `events` | changes as server-sent events |
//! | `input` | queries, bodies and headers, as pure functions |
//! | `hold_stream` | a claim that lives as long as its connection |
//! | `peer` | the connection itself: its end is noticed, a reader that does not read is cut off |

mod api;
mod events;
mod hold_stream;
mod input;
mod peer;

pub(crate) use api::Api;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use mooring_core::wire::{Problem, ProblemType};
use peer::{Peer, Stall};
use std::convert::Infallible;
use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

/// Connections at once. Each costs some KB; one more is told so and closed, so that it need not
/// wait.
const CONNECTIONS: usize = 64;
/// How long a request's head may take to arrive, and how long an idle connection is kept.
const HEAD: Duration = Duration::from_secs(10);
const HEAD_BYTES: usize = 16 * 1024;
/// How long a reader may leave its answer unread.
const UNREAD: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
#[error("{}: {what}: {error}", path.display())]
pub(crate) struct SocketError {
    path: PathBuf,
    what: &'static str,
    error: std::io::Error,
}

/// Binds the socket. A file left by an earlier run is replaced in one step: there is no moment
/// without a socket once there was one, and none with the wrong mode.
pub(crate) fn bind(path: &Path) -> Result<UnixListener, SocketError> {
    let fail = |what| {
        move |error| SocketError {
            path: path.to_owned(),
            what,
            error,
        }
    };
    if fs::symlink_metadata(path).is_ok_and(|m| !m.file_type().is_socket()) {
        let error = std::io::Error::other("it exists and is no socket; remove it");
        return Err(fail("binding")(error));
    }
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = Path::new(&fresh);
    let _ = fs::remove_file(fresh);
    let listener = UnixListener::bind(fresh).map_err(fail("binding"))?;
    let opened = fs::set_permissions(fresh, Permissions::from_mode(0o666));
    opened.map_err(fail("opening it to all users"))?;
    fs::rename(fresh, path).map_err(fail("putting it in place"))?;
    Ok(listener)
}

pub(crate) async fn serve(listener: UnixListener, api: Arc<Api>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let stream = match listener.accept().await {
            Ok((s, _)) => s,
            Err(e) => {
                // Out of file descriptors or the like: waiting a little is all that helps.
                tracing::warn!(error = %e, "accepting on the socket");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        match permits.clone().try_acquire_owned() {
            Err(_) => turn_away(stream),
            Ok(permit) => {
                let api = api.clone();
                tokio::spawn(async move {
                    connection(stream, api).await;
                    drop(permit);
                });
            }
        }
    }
}

async fn connection(stream: UnixStream, api: Arc<Api>) {
    let peer = Peer::new(stream);
    let of_service = peer.clone();
    let service = service_fn(move |req: Request<Incoming>| {
        let (api, peer) = (api.clone(), of_service.clone());
        async move { Ok::<_, Infallible>(api.answer(req, &peer).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(Stall::new(peer, UNREAD)), service);
    if let Err(e) = served.await {
        tracing::debug!(error = %e, "a connection to the socket");
    }
}

/// Says why, in the little that the kernel takes without waiting.
fn turn_away(mut stream: UnixStream) {
    tokio::spawn(async move {
        let answer = full();
        let said = stream.write_all(answer.as_bytes());
        let _ = tokio::time::timeout(Duration::from_millis(100), said).await;
    });
}

/// A whole HTTP answer, since nothing of the request is read.
fn full() -> String {
    let detail = format!("this pod has {CONNECTIONS} connections to its sidecar; close some");
    let mut problem = Problem::new(ProblemType::Overloaded, detail).retry_after(1);
    problem.title = "Too many connections".into();
    let body = serde_json::to_string(&problem).unwrap_or_default();
    format!(
        "HTTP/1.1 {} Service Unavailable\r\nContent-Type: application/problem+json\r\nConnection: close\r\n\
         Retry-After: 1\r\nContent-Length: {}\r\n\r\n{body}",
        problem.status,
        body.len()
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_answer_to_a_connection_too_many_is_well_formed() {
        let answer = full();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        assert!(
            head.contains(&format!("Content-Length: {}", body.len())),
            "{}",
            body.len()
        );
        let p: Problem = serde_json::from_str(body).unwrap();
        assert_eq!(p.kind, ProblemType::Overloaded);
        assert!(p.detail.contains(&CONNECTIONS.to_string()));
    }
}
