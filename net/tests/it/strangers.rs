//! What strangers do to a port, and that others are served meanwhile.

use crate::rig::{SOON, Server, get, serve, serve_as};
use mooring_net::client::Call;
use mooring_net::serve::Limits;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

const STRANGER: [u8; 4] = [127, 0, 0, 66];
const INNOCENT: [u8; 4] = [127, 0, 0, 7];
const H2: &[u8] = b"h2";
const H1: &[u8] = b"http/1.1";

/// With little patience.
fn quick() -> Limits {
    let mut limits = Limits::of(1000, 250);
    limits.patience.head = Duration::from_millis(300);
    limits.patience.idle = Duration::from_millis(300);
    limits.patience.unread = Duration::from_millis(300);
    limits
}

/// Waits until the other side has ended the connection, in whatever way.
async fn ended(mut io: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut all = Vec::new();
    let read = tokio::time::timeout(SOON, io.read_to_end(&mut all)).await;
    assert!(read.is_ok(), "still connected, after {} bytes", all.len());
    all
}

async fn until(what: &str, mut f: impl FnMut() -> bool) {
    let all = async {
        while !f() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let done = tokio::time::timeout(SOON, all).await;
    assert!(done.is_ok(), "waited in vain for: {what}");
}

/// An answer in plain HTTP, from this address.
async fn asks(s: &Server, from: [u8; 4]) -> String {
    let mut io = s.connect_from(from).await;
    let head = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    io.write_all(head).await.unwrap();
    String::from_utf8(ended(io).await).unwrap()
}

#[tokio::test]
async fn who_says_nothing_or_not_enough_is_sent_away_at_each_stage() {
    let plain = serve_as(quick(), false).await;
    let over_tls = serve(quick()).await;
    // The second is how HTTP/2 begins: no server may wait to learn which version it is.
    for said in [&b""[..], b"PRI * HT", b"GET / HTTP/1.1\r\nhost:"] {
        let mut io = plain.connect_from(STRANGER).await;
        io.write_all(said).await.unwrap();
        ended(io).await;
        for alpn in [H1, H2] {
            let mut io = over_tls.shake_hands(STRANGER, &[alpn], None).await;
            io.write_all(said).await.unwrap();
            ended(io).await;
        }
    }
    // No handshake, half of a hello, and a hello that is announced and does not come.
    for said in [
        &b""[..],
        b"\x16\x03",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    ] {
        let mut io = over_tls.connect_from(STRANGER).await;
        io.write_all(said).await.unwrap();
        ended(io).await;
    }
}

#[tokio::test]
async fn halves_of_hellos_keep_nobody_from_a_handshake() {
    let s = serve(Limits::of(1000, 500)).await;
    let mut halves = Vec::new();
    // More than there are cores anywhere.
    for _ in 0..400 {
        let mut io = s.connect_from(STRANGER).await;
        let half = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc";
        io.write_all(half).await.unwrap();
        halves.push(io);
    }
    let shaken = s.shake_hands(INNOCENT, &[H1], None);
    let shaken = tokio::time::timeout(SOON, shaken).await;
    assert!(shaken.is_ok(), "no handshake beside {}", halves.len());
}

#[tokio::test]
async fn hellos_that_nothing_follows_keep_nobody_from_a_handshake() {
    let s = serve(Limits::of(2000, 1000)).await;
    let config = mooring_net::tls::client_config(&s.ca.roots(), None).unwrap();
    let mut hello = Vec::new();
    let name = "main.ns.svc".try_into().unwrap();
    let mut client = rustls::ClientConnection::new(config, name).unwrap();
    client.write_tls(&mut hello).unwrap();
    let mut greeted = Vec::new();
    for _ in 0..900 {
        let mut io = s.connect_from(STRANGER).await;
        io.write_all(&hello).await.unwrap();
        greeted.push(io);
    }
    let shaken = s.shake_hands(INNOCENT, &[H1], None);
    let shaken = tokio::time::timeout(SOON, shaken).await;
    assert!(shaken.is_ok(), "no handshake beside {}", greeted.len());
}

#[tokio::test]
async fn two_thousand_silent_connections_of_one_address_disturb_neither_another_nor_itself() {
    for over_tls in [false, true] {
        // No time limit helps here.
        let s = serve_as(Limits::of(1000, 250), over_tls).await;
        let mut silent = Vec::new();
        for _ in 0..2000 {
            silent.push(s.connect_from(STRANGER).await);
        }
        for from in [INNOCENT, STRANGER] {
            if over_tls {
                let mut io = s.shake_hands(from, &[H1], None).await;
                let head = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
                io.write_all(head).await.unwrap();
                let answer = ended(io).await;
                assert!(answer.starts_with(b"HTTP/1.1 200"), "{from:?}");
            } else {
                let answer = asks(&s, from).await;
                assert!(answer.starts_with("HTTP/1.1 200"), "{from:?}: {answer}");
            }
        }
        let open = silent
            .iter()
            .filter(|io| {
                io.try_read(&mut [0])
                    .is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock)
            })
            .count();
        assert!(
            open <= 125,
            "{open} are left, of which a half of 250 may be"
        );
    }
}

#[tokio::test]
async fn many_addresses_that_fill_the_port_make_room_for_one_that_has_nothing() {
    let s = serve_as(Limits::of(100, 25), false).await;
    let mut held = Vec::new();
    for n in 0..40 {
        for _ in 0..25 {
            let mut io = s.connect_from([127, 0, 1, n]).await;
            // Under way, not silent.
            let _ = io
                .write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n")
                .await;
            held.push(io);
        }
    }
    until("they fill it", || s.streams.load(Ordering::SeqCst) == 100).await;
    let answer = asks(&s, INNOCENT).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_connection_that_rests_is_ended_in_order_also_in_http2() {
    let s = serve(quick()).await;
    let mut io = s.shake_hands(INNOCENT, &[H1], None).await;
    io.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let answer = ended(io).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"));

    let io = s.shake_hands(INNOCENT, &[H2], None).await;
    let io = hyper_util::rt::TokioIo::new(io);
    let executor = hyper_util::rt::TokioExecutor::new();
    let made = hyper::client::conn::http2::handshake(executor, io).await;
    let (mut sender, connection) = made.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get("https://main.ns.svc/").body(String::new());
    let response = sender.send_request(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    drop(response);
    let end = tokio::time::timeout(SOON, connection)
        .await
        .expect("still there");
    end.unwrap().expect("told, not cut off");
    drop(sender);
}

#[tokio::test]
async fn an_answer_may_take_longer_than_a_connection_may_rest() {
    let s = serve(quick()).await;
    let c = s.client("main.ns.svc", &s.ca.roots(), None);
    let later = Call::new(http::Method::GET, "/later");
    assert_eq!(c.call(&later, SOON).await.unwrap().body, "nobody");
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_cut_off_in_both_versions() {
    let s = serve(quick()).await;
    let mut io = s.shake_hands(STRANGER, &[H1], None).await;
    let request = b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n";
    io.write_all(request).await.unwrap();
    until("it streams", || s.streams.load(Ordering::SeqCst) == 1).await;
    until("it is cut off", || s.streams.load(Ordering::SeqCst) == 0).await;
    drop(io);

    let io = s.shake_hands(STRANGER, &[H2], None).await;
    let io = hyper_util::rt::TokioIo::new(io);
    let executor = hyper_util::rt::TokioExecutor::new();
    let made = hyper::client::conn::http2::handshake(executor, io).await;
    let (mut sender, connection) = made.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("https://main.ns.svc/endless").body(String::new());
    let unread = sender.send_request(request.unwrap()).await.unwrap();
    until("it is cut off", || s.streams.load(Ordering::SeqCst) == 0).await;
    drop(unread);
}

#[tokio::test]
async fn no_session_is_resumed_where_certificates_are_asked_for() {
    let s = serve(Limits::of(100, 50)).await;
    let (cert, key) = s.ca.issue("mooring-operator", &[]);
    let config = mooring_net::tls::client_config(&s.ca.roots(), Some((&cert, &key))).unwrap();
    let connector = tokio_rustls::TlsConnector::from(config);
    for _ in 0..3 {
        let tcp = s.connect_from(INNOCENT).await;
        let name = "main.ns.svc".try_into().unwrap();
        let mut io = connector.connect(name, tcp).await.unwrap();
        let head = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        io.write_all(head).await.unwrap();
        let mut all = Vec::new();
        let _ = io.read_to_end(&mut all).await;
        let kind = io.get_ref().1.handshake_kind();
        assert_eq!(kind, Some(rustls::HandshakeKind::Full));
    }
}

#[tokio::test]
async fn connections_with_a_certificate_end_when_certificates_are_judged_otherwise() {
    let s = serve(Limits::of(100, 50)).await;
    let (cert, key) = s.ca.issue("mooring-operator", &[]);
    let mut known = s.shake_hands(INNOCENT, &[H1], Some((&cert, &key))).await;
    let mut stranger = s.shake_hands(INNOCENT, &[H1], None).await;
    let head = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut read = vec![0; 4096];
    for io in [&mut known, &mut stranger] {
        io.write_all(head).await.unwrap();
        assert!(io.read(&mut read).await.unwrap() > 0);
    }
    s.judged.send_replace(());
    ended(known).await;
    stranger.write_all(head).await.unwrap();
    assert!(stranger.read(&mut read).await.unwrap() > 0);
}

#[tokio::test]
async fn a_certificate_that_ended_counts_no_more_on_a_connection_that_goes_on() {
    let s = serve(Limits::of(100, 50)).await;
    let time = Duration::from_secs(3);
    let (cert, key) = s.ca.issue_for("mooring-operator", &[], time);
    let c = s.client("main.ns.svc", &s.ca.roots(), Some((&cert, &key)));
    let who = async || c.call(&get(), SOON).await.unwrap().body;
    assert_eq!(who().await, "mooring-operator");
    let ends = async {
        while who().await != "nobody" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON, ends)
        .await
        .expect("it still counts");
}
