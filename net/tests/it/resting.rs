//! Connections that rest are read by nothing but a byte, and go on where they were.

use crate::rig::{SOON, Server, serve};
use mooring_net::serve::Limits;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

const REST: Duration = Duration::from_millis(5);
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

async fn connected() -> (Server, TlsStream<TcpStream>) {
    let mut limits = Limits::of(1000, 500);
    limits.patience.rest = REST;
    let s = serve(limits).await;
    let io = s.shake_hands([127, 0, 0, 7], &[b"http/1.1"], None).await;
    (s, io)
}

/// Time passes, in which a connection rests that may.
async fn pause() {
    tokio::time::sleep(20 * REST).await;
}

/// So many answers.
async fn answers(io: &mut TlsStream<TcpStream>, n: usize) -> String {
    let mut all = String::new();
    let mut some = [0; 4096];
    while all.matches("nobody").count() < n {
        let read = tokio::time::timeout(SOON, io.read(&mut some)).await;
        let read = read
            .unwrap_or_else(|_| panic!("no more than {all}"))
            .unwrap();
        assert!(read > 0, "the connection ended after {all}");
        all.push_str(&String::from_utf8_lossy(&some[..read]));
    }
    all
}

/// A request's head, and half of its body.
async fn half_a_post(io: &mut TlsStream<TcpStream>, path: &str) {
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 3000\r\n\r\n");
    io.write_all(head.as_bytes()).await.unwrap();
    io.write_all(&[b'x'; 1500]).await.unwrap();
}

/// The other half, of which the end looks like a request.
fn other_half() -> Vec<u8> {
    let mut half = vec![b'x'; 1500 - GET.len()];
    half.extend(GET);
    half
}

/// All that comes until the connection ends.
async fn until_the_end(io: &mut TlsStream<TcpStream>) -> String {
    let mut all = Vec::new();
    let read = tokio::time::timeout(SOON, io.read_to_end(&mut all)).await;
    assert!(read.is_ok(), "it is still connected");
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn requests_are_answered_before_and_after_a_rest_wherever_it_falls() {
    let (_s, mut io) = connected().await;
    for cut in [0, 1, 7, GET.len() - 1] {
        let (first, rest) = GET.split_at(cut);
        for piece in [first, rest] {
            io.write_all(piece).await.unwrap();
            pause().await;
        }
        answers(&mut io, 1).await;
    }
    // Half of the next comes with the one before.
    io.write_all(&[GET, GET, &GET[..9]].concat()).await.unwrap();
    answers(&mut io, 2).await;
    pause().await;
    io.write_all(&GET[9..]).await.unwrap();
    answers(&mut io, 1).await;
    // A body that comes slowly.
    let post = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\n\r\nno";
    io.write_all(post).await.unwrap();
    pause().await;
    io.write_all(b"body").await.unwrap();
    let mut some = [0; 4096];
    let n = io.read(&mut some).await.unwrap();
    let answer = String::from_utf8_lossy(&some[..n]).into_owned();
    assert!(answer.ends_with("\r\n\r\n6"), "{answer}");
    pause().await;
    io.write_all(GET).await.unwrap();
    answers(&mut io, 1).await;
}

#[tokio::test]
async fn what_is_left_of_a_body_that_was_not_read_is_no_request() {
    let (_s, mut io) = connected().await;
    // Larger than its reader takes.
    half_a_post(&mut io, "/").await;
    pause().await;
    // It may be closed by then.
    let _ = io.write_all(&other_half()).await;
    let all = until_the_end(&mut io).await;
    assert!(all.starts_with("HTTP/1.1 413"), "{all}");
    assert_eq!(all.matches("HTTP/1.1 ").count(), 1, "{all}");
}

#[tokio::test]
async fn what_is_read_after_the_answer_is_no_request_either() {
    let (_s, mut io) = connected().await;
    half_a_post(&mut io, "/kept").await;
    answers(&mut io, 1).await;
    pause().await;
    io.write_all(&other_half()).await.unwrap();
    io.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let all = until_the_end(&mut io).await;
    assert_eq!(all.matches("HTTP/1.1 200").count(), 1, "{all}");
}

#[tokio::test]
async fn a_connection_that_rests_ends_in_order_with_the_process_and_with_its_peer() {
    let (s, mut io) = connected().await;
    io.write_all(GET).await.unwrap();
    answers(&mut io, 1).await;
    pause().await;
    s.stop.send_replace(true);
    let end = tokio::time::timeout(SOON, io.read(&mut [0; 16])).await;
    // Told by TLS, not cut off.
    assert_eq!(end.expect("still connected").unwrap(), 0);

    let (_s, mut io) = connected().await;
    io.write_all(GET).await.unwrap();
    answers(&mut io, 1).await;
    pause().await;
    io.shutdown().await.unwrap();
    let end = tokio::time::timeout(SOON, io.read(&mut [0; 16])).await;
    assert_eq!(end.expect("still connected").unwrap(), 0);
}
