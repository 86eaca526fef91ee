//! `late`: somebody else's admission webhook, which writes the same patch into each object.

use anyhow::Context as _;
use clap::Args;
use http::{Request, Response, StatusCode};
use mooring_net::http::{Body, json, read_body, with_type};
use mooring_net::serve::{Inbound, Limits, serve};
use mooring_net::shutdown::Shutdown;
use mooring_net::tls::{Http, ServerIdentity, certified_files, server_config};
use serde_json::{Value, json as value};
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::net::TcpListener;

/// How much of a review is read, and for how long.
const REVIEW: (usize, Duration) = (4 * 1024 * 1024, Duration::from_secs(5));

#[derive(Debug, Args)]
pub(crate) struct LateArgs {
    /// The folder with tls.crt and tls.key.
    #[arg(long)]
    tls: PathBuf,
    /// The JSON patch, in base64.
    #[arg(long)]
    patch: String,
}

/// Serves until it is asked to end.
pub(crate) fn main(args: &LateArgs) -> anyhow::Result<ExitCode> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build()?.block_on(run(args))
}

async fn run(args: &LateArgs) -> anyhow::Result<ExitCode> {
    let key = certified_files(&args.tls.join("tls.crt"), &args.tls.join("tls.key"))?;
    let tls = server_config(ServerIdentity::new(key, vec![]), None, Http::Two)?;
    let on = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 8443));
    let listener = TcpListener::bind(on).await.context("port 8443")?;
    let patch = args.patch.clone();
    let answer = move |request| answer(request, patch.clone());
    let (tls, limits) = (Some(tls.into()), Limits::few());
    serve(listener, tls, limits, Shutdown::on_signals()?, answer).await;
    Ok(ExitCode::SUCCESS)
}

async fn answer(request: Request<Inbound>, patch: String) -> Response<Body> {
    let body = read_body(request.into_body(), REVIEW.0, REVIEW.1).await;
    let review = body
        .ok()
        .and_then(|b| serde_json::from_slice::<Value>(&b).ok());
    let Some(review) = review else {
        let what = "no review\n".to_owned();
        return with_type(StatusCode::BAD_REQUEST, "text/plain", what);
    };
    let response = value!({ "uid": review["request"]["uid"], "allowed": true, "patchType": "JSONPatch", "patch": patch });
    let answer = value!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response });
    json(StatusCode::OK, &answer)
}
