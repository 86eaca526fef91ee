//! Replicas that start together, and what becomes of the Secret afterwards, against a small API
//! server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::keeper::keep;
use super::*;
use http::{Method, Request, Response, StatusCode};
use mooring_net::http::{Body, json, read_body, with_type};
use mooring_net::serve::{Inbound, Limits, serve};
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
    /// Tells the watch.
    changed: tokio::sync::Notify,
}

impl Cluster {
    /// Somebody else writes the Secret, or deletes it.
    fn set(&self, secret: Option<Value>) {
        *self.secret.lock().unwrap() = secret;
        self.changed.notify_one();
    }

    /// What a watch on the Secret is told, once something changed.
    async fn watch(&self) -> Response<Body> {
        self.changed.notified().await;
        let there = self.secret.lock().unwrap().clone();
        let kind = there.as_ref().map_or("DELETED", |_| "MODIFIED");
        let gone = value!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET, "resourceVersion": "9"}});
        let event = value!({"type": kind, "object": there.unwrap_or(gone)});
        with_type(StatusCode::OK, "application/json", format!("{event}\n"))
    }
}

async fn answer(cluster: Arc<Cluster>, request: Request<Inbound>) -> Response<Body> {
    let problem = |code: u16, reason: &str| {
        let status = StatusCode::from_u16(code).unwrap();
        json(
            status,
            &value!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": reason}),
        )
    };
    let query = request.uri().query().unwrap_or_default().to_owned();
    if query.contains("fieldSelector") {
        assert!(query.contains("metadata.name%3Dmooring-ca"), "{query}");
        if query.contains("watch=true") {
            return cluster.watch().await;
        }
        let all: Vec<Value> = cluster.secret.lock().unwrap().clone().into_iter().collect();
        let list = value!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "5"}, "items": all});
        return json(StatusCode::OK, &list);
    }
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
    let mut new: Value = serde_json::from_slice(&body).unwrap();
    new["metadata"]["resourceVersion"] = value!("8");
    *secret = Some(new);
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
        Ca::load_or_create(&client, "ns", Lives::default()),
        Ca::load_or_create(&client, "ns", Lives::default())
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
    let first = Ca::load_or_create(&client, "ns", Lives::default())
        .await
        .unwrap();
    let again = Ca::load_or_create(&client, "ns", Lives::default())
        .await
        .unwrap();
    assert_eq!(first.roots_pem(), again.roots_pem());
    assert_eq!(*cluster.creates.lock().unwrap(), 1);
    cluster.secret.lock().unwrap().as_mut().unwrap()["data"]["ca.crt"] = value!("bm9uc2Vuc2U=");
    let e = Ca::load_or_create(&client, "ns", Lives::default())
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

#[tokio::test]
async fn a_secret_that_was_deleted_is_put_back_and_another_ca_ends_the_replica() {
    let (client, cluster, _shutdown) = start(Cluster::default()).await;
    let ca = Ca::load_or_create(&client, "ns", Lives::default());
    let ca = Arc::new(ca.await.unwrap());
    let roots = ca.roots_pem();
    let kept = {
        let (client, ca) = (client.clone(), ca.clone());
        tokio::spawn(async move { keep(&client, "ns", &ca).await })
    };
    cluster.set(None);
    let back = async {
        while cluster.secret.lock().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), back)
        .await
        .unwrap();
    let again = Ca::load_or_create(&client, "ns", Lives::default()).await;
    assert_eq!(again.unwrap().roots_pem(), roots, "the same CA");

    // A successor is followed while all goes on.
    let mut changes = ca.follow();
    let mut secret = cluster.secret.lock().unwrap().clone().unwrap();
    let change = ca.get().succession(ca.lives.ca(), SystemTime::now());
    json_patch::merge(&mut secret, &change.unwrap());
    cluster.set(Some(secret));
    changes.changed().await.unwrap();
    assert!(ca.roots_pem().contains(roots.trim()) && ca.roots_pem() != roots);

    let other = stored::new_secret(ca.lives.ca(), SystemTime::now()).unwrap();
    cluster.set(Some(serde_json::to_value(other).unwrap()));
    let e = kept.await.unwrap().unwrap_err().to_string();
    assert!(
        e.contains("holds another CA now") && e.contains("this replica ends"),
        "{e}"
    );
}
