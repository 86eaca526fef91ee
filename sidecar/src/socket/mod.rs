//! The Unix socket that the application reads: bound in one step, open to every user of the pod,
//! bounded.
//!
//! | file | idea |
//! |---|---|
//! | `api` | what each call answers |
//! | `events` | changes as server-sent events |
//! | `input` | queries, bodies and headers, as pure functions |
//! | `limits` | how much of it one user may have |
//! | `hold_stream` | a claim that lives as long as its connection |
//! | `peer` | the connection itself: its end is noticed, a reader that does not read is cut off |

mod api;
mod events;
mod hold_stream;
pub mod input;
mod limits;
mod peer;

pub(crate) use api::Api;

use crate::users::Users;
use futures::FutureExt as _;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use limits::Limit;
use mooring_core::wire::Problem;
use peer::{Peer, Stall};
use std::convert::Infallible;
use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};

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
///
/// Every user may connect, or with a `group` its members alone.
pub(crate) fn bind(path: &Path, group: Option<u32>) -> Result<UnixListener, SocketError> {
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
    let mode = if group.is_some() { 0o660 } else { 0o666 };
    std::os::unix::fs::chown(fresh, None, group).map_err(fail("giving it to the group"))?;
    let opened = fs::set_permissions(fresh, Permissions::from_mode(mode));
    opened.map_err(fail("opening it to its users"))?;
    fs::rename(fresh, path).map_err(fail("putting it in place"))?;
    Ok(listener)
}

pub(crate) async fn serve(listener: UnixListener, api: Arc<Api>, users: Users) {
    let limit = Limit::new(CONNECTIONS);
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
        let uid = stream.peer_cred().ok().map(|c| c.uid());
        let Some(asker) = users.asker(uid) else {
            tracing::warn!("the kernel does not say whose a connection to the socket is");
            continue;
        };
        match limit.take(asker.owner) {
            None => turn_away(
                stream,
                limit.problem(asker.owner, "to the sidecar are open"),
            ),
            Some(permit) => {
                let (sides, api) = (Peer::new(stream, asker), api.clone());
                tokio::spawn(async move {
                    connection(sides, api).await;
                    drop(permit);
                });
            }
        }
    }
}

async fn connection(sides: (Arc<Peer>, OwnedReadHalf), api: Arc<Api>) {
    let peer = sides.0.clone();
    let service =
        service_fn(move |req: Request<Incoming>| api.answer(req, &peer).map(Ok::<_, Infallible>));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(Stall::new(sides, UNREAD)), service);
    if let Err(e) = served.await {
        tracing::debug!(error = %e, "a connection to the socket");
    }
}

/// Says why, in the little that the kernel takes without waiting.
fn turn_away(mut stream: UnixStream, problem: Problem) {
    tokio::spawn(async move {
        let answer = full(problem);
        let said = stream.write_all(answer.as_bytes());
        let _ = tokio::time::timeout(Duration::from_millis(100), said).await;
    });
}

/// A whole HTTP answer, since nothing of the request is read.
fn full(mut problem: Problem) -> String {
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
mod allocations;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use mooring_core::wire::ProblemType;

    #[test]
    fn the_answer_to_a_connection_too_many_is_well_formed() {
        let problem = Limit::new(CONNECTIONS).problem(None, "to the sidecar are open");
        let answer = full(problem);
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
