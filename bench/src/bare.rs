//! The simplest thing that could answer: hyper, and rustls as the server has it, with a fixed
//! answer to each method. What the server is measured against.

use crate::wire::Answer;
use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use mooring_net::tls::{self, Http, ServerIdentity};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;

#[derive(Debug, clap::Args)]
pub(crate) struct BareArgs {
    /// What is answered: a file that [`record`] made.
    #[arg(long)]
    answers: PathBuf,
    /// Over TLS on this address, with tls.crt, tls.key and ca.crt of this folder.
    #[arg(long, requires = "dir")]
    listen: Option<String>,
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Or on this Unix socket, as a sidecar.
    #[arg(long)]
    socket: Option<PathBuf>,
}

/// One answer as it was heard from the real thing.
#[derive(Debug, Serialize, Deserialize)]
struct Recorded {
    method: String,
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// Writes down what was heard, by method, to be answered with the same bytes.
pub(crate) fn record(file: &Path, heard: &[(&str, Answer<'_>)]) -> Result<()> {
    let all: Result<Vec<_>> = heard.iter().map(|(m, a)| recorded(m, *a)).collect();
    Ok(std::fs::write(file, serde_json::to_vec(&all?)?)?)
}

fn recorded(method: &str, answer: Answer<'_>) -> Result<Recorded> {
    let head = std::str::from_utf8(answer.head)?;
    let headers = head.split("\r\n").skip(1).filter_map(|l| l.split_once(':'));
    // hyper writes these two itself.
    let headers = headers.filter(|(n, _)| !["date", "content-length"].contains(n));
    Ok(Recorded {
        method: method.to_owned(),
        status: answer.status,
        headers: headers
            .map(|(n, v)| (n.to_owned(), v.trim().to_owned()))
            .collect(),
        body: std::str::from_utf8(answer.body)?.to_owned(),
    })
}

type Answers = Arc<HashMap<Method, Response<Bytes>>>;

fn answers(file: &Path) -> Result<Answers> {
    let all: Vec<Recorded> = serde_json::from_slice(&std::fs::read(file)?)?;
    let one = |r: Recorded| {
        let mut headers = HeaderMap::new();
        for (n, v) in &r.headers {
            headers.insert(HeaderName::try_from(n)?, HeaderValue::try_from(v)?);
        }
        let mut response = Response::new(Bytes::from(r.body));
        *response.status_mut() = StatusCode::from_u16(r.status)?;
        *response.headers_mut() = headers;
        Ok((Method::try_from(r.method.as_str())?, response))
    };
    let all: Result<HashMap<_, _>> = all.into_iter().map(one).collect();
    Ok(Arc::new(all?))
}

/// Answers until it is killed. A sidecar has one thread, a license server one for each core.
pub(crate) fn serve(args: &BareArgs) -> Result<()> {
    let answers = answers(&args.answers)?;
    if let Some(socket) = &args.socket {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        return runtime.block_on(on_socket(socket, answers));
    }
    let listen = args.listen.as_deref().context("--listen or --socket")?;
    let dir = args.dir.as_deref().context("--dir")?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(on_port(listen, dir, answers))
}

async fn on_port(listen: &str, dir: &Path, answers: Answers) -> Result<()> {
    mooring_net::serve::file_limit();
    let key = tls::certified_files(&dir.join("tls.crt"), &dir.join("tls.key"))?;
    let clients = tls::optional_clients(&std::fs::read_to_string(dir.join("ca.crt"))?)?;
    let identity = ServerIdentity::new(key, Vec::new());
    let config = tls::server_config(identity, Some(clients), Http::One)?;
    let acceptor = TlsAcceptor::from(config);
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (acceptor, answers) = (acceptor.clone(), answers.clone());
        tokio::spawn(async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                connection(stream, answers).await;
            }
        });
    }
}

async fn on_socket(path: &Path, answers: Answers) -> Result<()> {
    let listener = UnixListener::bind(path)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(connection(stream, answers.clone()));
    }
}

async fn connection<S>(stream: S, answers: Answers)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let answers = answers.clone();
        async move {
            let method = request.method().clone();
            request.into_body().collect().await?;
            let answer = answers.get(&method).cloned().unwrap_or_default();
            Ok::<_, hyper::Error>(answer.map(Full::new))
        }
    });
    // The loader goes away in the middle of a request.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
