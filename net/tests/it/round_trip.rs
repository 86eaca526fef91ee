//! Client and server of this crate against each other, over real TLS: names are verified,
//! certificates are replaced without a dropped connection, bounds are kept.
use crate::rig::{Authority, SOON, Server, get, post, serve};
use mooring_core::wire::{Problem, ProblemType};
use mooring_net::client::{Call, Client, ClientError};
use mooring_net::serve::Limits;
use mooring_net::tls;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn the_name_is_verified_whatever_the_address_and_the_peer_is_known_by_its_certificate() {
    let s = serve(Limits::of(1000, 500)).await;
    let roots = s.ca.roots();
    let nobody = s.client("main.ns.svc", &roots, None);
    assert_eq!(nobody.call(&get(), SOON).await.unwrap().body, "nobody");
    let (cert, key) = s.ca.issue("mooring-operator", &[]);
    let operator = s.client("main.ns.svc", &roots, Some((&cert, &key)));
    assert_eq!(
        operator.call(&get(), SOON).await.unwrap().body,
        "mooring-operator"
    );

    let other_name = s
        .client("other.ns.svc", &roots, None)
        .call(&get(), SOON)
        .await;
    assert!(
        matches!(other_name, Err(ClientError::Tls { .. })),
        "{other_name:?}"
    );
    let other_roots = s
        .client("main.ns.svc", &Authority::new().roots(), None)
        .call(&get(), SOON)
        .await;
    assert!(
        matches!(other_roots, Err(ClientError::Tls { .. })),
        "{other_roots:?}"
    );
    let (cert, key) = Authority::new().issue("mooring-operator", &[]);
    let forged = s
        .client("main.ns.svc", &roots, Some((&cert, &key)))
        .call(&get(), SOON)
        .await;
    assert!(
        forged.is_err(),
        "a certificate of a foreign CA was taken: {forged:?}"
    );
}

#[tokio::test]
async fn a_server_that_is_too_old_is_told_from_one_that_is_away() {
    let s = serve(Limits::of(1000, 500)).await;
    let client = s.client("main.ns.svc", &s.ca.roots(), None);
    let old = Call::new(http::Method::GET, "/old");
    let (whole, lines) = (client.call(&old, SOON), client.lines(&old, SOON));
    for answer in [whole.await.map(drop), lines.await.map(drop)] {
        let Err(ClientError::Version(p)) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(p.kind, ProblemType::UpgradeRequired);
        assert!(p.detail.ends_with("upgrade the license server"), "{p}");
    }
    client.call(&get(), SOON).await.unwrap();
}

#[tokio::test]
async fn a_certificate_is_replaced_without_dropping_connections() {
    let s = serve(Limits::of(1000, 500)).await;
    let kept = s.client("main.ns.svc", &s.ca.roots(), None);
    kept.call(&get(), SOON).await.unwrap();
    let next = Authority::new();
    let (cert, key) = next.issue("second", &["main.ns.svc"]);
    let next_key = tls::certified_key(&cert, &key).unwrap();
    s.identity.replace(next_key, vec![]);
    // The kept connection still stands on the old certificate; a new one sees the new.
    kept.call(&get(), SOON).await.unwrap();
    s.client("main.ns.svc", &next.roots(), None)
        .call(&get(), SOON)
        .await
        .unwrap();
    let roots = s.ca.roots();
    let stranger = s
        .client("main.ns.svc", &roots, None)
        .call(&get(), SOON)
        .await;
    assert!(
        matches!(stranger, Err(ClientError::Tls { .. })),
        "the old certificate is still shown: {stranger:?}"
    );
}

#[tokio::test]
async fn each_client_is_shown_the_chain_that_it_can_verify() {
    let s = serve(Limits::of(1000, 500)).await;
    let (old, new) = (Authority::named("old CA"), Authority::named("new CA"));
    let chain = |ca: &Authority| {
        let (cert, key) = ca.issue("server", &["main.ns.svc"]);
        cert + &key
    };
    let read = |text: &str| tls::certified_keys(text).unwrap();
    let (current, kept) = (
        chain(&new),
        chain(&old) + &chain(&Authority::named("third")),
    );
    s.identity.replace(read(&current).remove(0), read(&kept));
    let calls = async |roots: &str| {
        let client = s.client("main.ns.svc", roots, None);
        client.call(&get(), SOON).await
    };
    calls(&new.roots()).await.unwrap();
    calls(&old.roots()).await.unwrap();
    calls(&(old.roots() + &new.roots())).await.unwrap();
    let stranger = calls(&Authority::named("nobody").roots()).await;
    assert!(
        matches!(stranger, Err(ClientError::Tls { .. })),
        "{stranger:?}"
    );
    // What is found beforehand is what the handshake finds.
    let now = std::time::SystemTime::now();
    let trusts = |ca: &Authority, name| tls::would_trust(&ca.roots(), &current, name, now);
    assert!(trusts(&new, "main.ns.svc"));
    assert!(!trusts(&old, "main.ns.svc") && !trusts(&new, "other.ns.svc"));
    assert!(!tls::would_trust("nonsense", &current, "main.ns.svc", now));
}

#[tokio::test]
async fn large_and_slow_bodies_are_refused_and_others_are_served() {
    let mut limits = Limits::of(1000, 500);
    limits.patience.head = Duration::from_millis(800);
    let s = serve(limits).await;
    let c = s.client("main.ns.svc", &s.ca.roots(), None);
    assert_eq!(c.call(&post(1000), SOON).await.unwrap().body, "1000");
    let large = c.call(&post(1001), SOON).await.unwrap();
    assert_eq!(
        (large.status.as_u16(), large.json::<Problem>().unwrap().kind),
        (413, ProblemType::TooLarge)
    );

    let config = tls::client_config(&s.ca.roots(), None).unwrap();
    let tls = tokio_rustls::TlsConnector::from(config);
    let stream = TcpStream::connect(s.addr).await.unwrap();
    let mut slow = tls
        .connect("main.ns.svc".try_into().unwrap(), stream)
        .await
        .unwrap();
    slow.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 500\r\n\r\nabc")
        .await
        .unwrap();
    let mut answer = vec![0; 4096];
    let n = tokio::time::timeout(SOON, slow.read(&mut answer))
        .await
        .unwrap()
        .unwrap();
    let answer = String::from_utf8_lossy(&answer[..n]).into_owned();
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.contains("too long"),
        "{answer}"
    );

    // One that never finishes its headers is cut off; the others are served meanwhile.
    let stream = TcpStream::connect(s.addr).await.unwrap();
    let config = tls::client_config(&s.ca.roots(), None).unwrap();
    let mut silent = tokio_rustls::TlsConnector::from(config)
        .connect("main.ns.svc".try_into().unwrap(), stream)
        .await
        .unwrap();
    silent.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
    assert!(c.call(&get(), SOON).await.is_ok());
    let mut rest = Vec::new();
    assert!(
        tokio::time::timeout(SOON, silent.read_to_end(&mut rest))
            .await
            .is_ok(),
        "it is still connected"
    );
}

#[tokio::test]
async fn an_end_is_an_end_and_a_kept_connection_that_died_is_replaced() {
    let s = serve(Limits::of(1000, 500)).await;
    let c = s.client("main.ns.svc", &s.ca.roots(), None);
    c.call(&get(), SOON).await.unwrap();
    s.stop.send(true).unwrap();
    for _ in 0..100 {
        if c.call(&get(), SOON).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the server still answers");
}

/// An address at which nobody listens.
async fn nobody_at() -> SocketAddr {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    free.local_addr().unwrap()
}

/// A server's name that resolves without DNS.
async fn serve_localhost() -> (Server, String) {
    let s = serve(Limits::of(1000, 500)).await;
    let (cert, key) = s.ca.issue("local", &["localhost"]);
    let next_key = tls::certified_key(&cert, &key).unwrap();
    s.identity.replace(next_key, vec![]);
    let url = format!("https://localhost:{}", s.addr.port());
    (s, url)
}

#[tokio::test]
async fn where_no_address_answers_the_name_is_resolved() {
    let (s, url) = serve_localhost().await;
    let tls = tls::client_config(&s.ca.roots(), None).unwrap();
    // Nobody there; and somebody who is another service by now.
    let stranger = serve(Limits::of(1000, 500)).await;
    let gone = vec![nobody_at().await.to_string(), stranger.addr.to_string()];
    let c = Client::new(&url, gone.clone(), tls.clone()).unwrap();
    assert_eq!(c.call(&get(), SOON).await.unwrap().body, "nobody");
    // A new connection goes where the last one was.
    c.disconnect();
    stranger.stop.send_replace(true);
    assert_eq!(c.call(&get(), SOON).await.unwrap().body, "nobody");
}

#[tokio::test]
async fn a_place_that_says_nothing_leaves_time_for_the_others() {
    let (s, url) = serve_localhost().await;
    let tls = tls::client_config(&s.ca.roots(), None).unwrap();
    // It is listened on, and nobody ever accepts.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let c = Client::new(&url, vec![silent.local_addr().unwrap().to_string()], tls).unwrap();
    let answer = c.call(&get(), Duration::from_secs(3)).await.unwrap();
    assert_eq!(answer.body, "nobody");
}

#[tokio::test]
async fn the_error_tells_what_each_address_said() {
    let (s, url) = serve_localhost().await;
    let other = Authority::new();
    let tls = tls::client_config(&other.roots(), None).unwrap();
    let (first, second) = (nobody_at().await.to_string(), nobody_at().await.to_string());
    let c = Client::new(&url, vec![first.clone(), second.clone()], tls).unwrap();
    let e = c.call(&get(), SOON).await.unwrap_err();
    assert!(matches!(e, ClientError::Tls { .. }), "{e}");
    let text = e.to_string();
    for part in [
        format!("{first}: Connection refused"),
        format!("{second}: Connection refused"),
        format!("localhost:{}: invalid peer certificate", s.addr.port()),
    ] {
        assert!(text.contains(&part), "{part}: {text}");
    }
}

#[tokio::test]
async fn a_client_certificate_is_read_anew_and_a_bad_one_changes_nothing() {
    let s = serve(Limits::of(1000, 500)).await;
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("c.crt"), dir.path().join("c.key"));
    let write = |(c, k): (String, String)| {
        std::fs::write(&cert, c).unwrap();
        std::fs::write(&key, k).unwrap();
    };
    assert!(
        tls::ClientFiles::open(&cert, &key).is_err(),
        "a missing file is said at once"
    );
    write(s.ca.issue("first", &[]));
    let files = tls::ClientFiles::open(&cert, &key).unwrap();
    let config = tls::client_config_from_files(&s.ca.roots(), files.clone()).unwrap();
    let c = Client::new("https://main.ns.svc:8443", vec![s.addr.to_string()], config).unwrap();
    let who = async || {
        c.disconnect();
        c.call(&get(), SOON).await.unwrap().body
    };
    assert_eq!(who().await, "first");
    assert!(!files.refresh());
    write(("nonsense".into(), "nonsense".into()));
    assert_eq!(who().await, "first");
    let next = s.ca.issue("second", &[]);
    std::fs::write(&cert, &next.0).unwrap();
    assert!(
        !files.refresh(),
        "a certificate whose key is not there yet is not shown"
    );
    write(next);
    assert!(files.refresh());
    assert_eq!(who().await, "second");
}

#[tokio::test]
async fn what_cannot_be_reached_is_said_with_its_address() {
    let tls = tls::client_config(&Authority::new().roots(), None).unwrap();
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let c = Client::new(
        "https://main.ns.svc:8443",
        vec![free.to_string()],
        tls.clone(),
    )
    .unwrap();
    let e = c.call(&get(), SOON).await.unwrap_err().to_string();
    assert!(
        e.contains("main.ns.svc:8443") && e.contains(&free.to_string()),
        "{e}"
    );
    for bad in ["http://x:1", "https://", "x", "https://x/path"] {
        assert!(
            matches!(
                Client::new(bad, vec![], tls.clone()),
                Err(ClientError::Url(_))
            ),
            "{bad}"
        );
    }
}
