//! Two replicas that start together, against a small API server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use mooring_net::http::{Body, json, read_body};
use mooring_net::serve::{Limits, serve};
use mooring_net::shutdown::Shutdown;
use serde_json::{Value, json as value};
use std::sync::{Arc, Mutex};

/// Keeps one Secret; its first reader finds nothing, as long as nobody has made it.
#[derive(Default)]
struct Cluster {
    secret: Mutex<Option<Value>>,
    creates: Mutex<u32>,
    /// Both replicas have looked before one of them creates.
    looked: Option<tokio::sync::Barrier>,
}

async fn answer(cluster: Arc<Cluster>, request: Request<Incoming>) -> Response<Body> {
    let problem = |code: u16, reason: &str| {
        let status = StatusCode::from_u16(code).unwrap();
        json(
            status,
            &value!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": reason}),
        )
    };
    if request.method() == Method::GET {
        let there = cluster.secret.lock().unwrap().clone();
        if let Some(s) = there {
            return json(StatusCode::OK, &s);
        }
        if let Some(b) = &cluster.looked {
            b.wait().await;
        }
        return problem(404, "NotFound");
    }
    let body = read_body(request.into_body(), 65536, Duration::from_secs(5))
        .await
        .unwrap();
    *cluster.creates.lock().unwrap() += 1;
    let mut secret = cluster.secret.lock().unwrap();
    if secret.is_some() {
        return problem(409, "AlreadyExists");
    }
    *secret = Some(serde_json::from_slice(&body).unwrap());
    json(StatusCode::CREATED, secret.as_ref().unwrap())
}

async fn start(cluster: Cluster) -> (Client, Arc<Cluster>, tokio::sync::watch::Sender<bool>) {
    let cluster = Arc::new(cluster);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tx, shutdown) = Shutdown::channel();
    let of = cluster.clone();
    tokio::spawn(serve(
        listener,
        None,
        Limits::of(1000, 1000),
        shutdown,
        move |r| answer(of.clone(), r),
    ));
    (
        Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap(),
        cluster,
        tx,
    )
}

#[tokio::test]
async fn create_decides_between_replicas() {
    let cluster = Cluster {
        looked: Some(tokio::sync::Barrier::new(2)),
        ..Cluster::default()
    };
    let (client, cluster, _shutdown) = start(cluster).await;
    let (a, b) = tokio::join!(
        Ca::load_or_create(&client, "ns"),
        Ca::load_or_create(&client, "ns")
    );
    assert_eq!(
        a.unwrap().roots_pem(),
        b.unwrap().roots_pem(),
        "both sign with one key"
    );
    assert_eq!(*cluster.creates.lock().unwrap(), 2, "both tried");
}

#[tokio::test]
async fn a_ca_that_is_there_is_never_written() {
    let (client, cluster, _shutdown) = start(Cluster::default()).await;
    let first = Ca::load_or_create(&client, "ns").await.unwrap();
    let again = Ca::load_or_create(&client, "ns").await.unwrap();
    assert_eq!(first.roots_pem(), again.roots_pem());
    assert_eq!(*cluster.creates.lock().unwrap(), 1);
    cluster.secret.lock().unwrap().as_mut().unwrap()["data"]["ca.crt"] = value!("bm9uc2Vuc2U=");
    let e = Ca::load_or_create(&client, "ns")
        .await
        .unwrap_err()
        .to_string();
    assert!(e.contains("`ca.crt` is no CA certificate"), "{e}");
    assert_eq!(
        *cluster.creates.lock().unwrap(),
        1,
        "a damaged one is an error, not a reason for a new one"
    );
}
