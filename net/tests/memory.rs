//! What a connection needs that rests: most of those of a license server do at any moment.
#![allow(clippy::unwrap_used)]

use http::StatusCode;
use mooring_net::http::{read_body, with_type};
use mooring_net::serve::{Limits, serve};
use mooring_net::shutdown::Shutdown;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

const CONNECTIONS: usize = 50;
/// Bytes of each, without TLS: its task, its place among the shares, its timers. What reads and
/// writes requests has 16 KiB of buffers alone.
const MOST: i64 = 5 * 1024;

/// What is allocated by it and still there, in bytes.
fn live<T>(runtime: &Runtime, work: impl Future<Output = T>) -> (T, i64) {
    let mut done = None;
    let info = allocation_counter::measure(|| done = Some(runtime.block_on(work)));
    (done.unwrap(), info.bytes_current)
}

/// A request with a body, and its answer.
async fn post(io: &mut TcpStream) {
    let request = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody";
    io.write_all(request).await.unwrap();
    let mut answer = [0; 1024];
    let n = io.read(&mut answer).await.unwrap();
    assert!(answer[..n].ends_with(b"\r\n\r\nok"));
}

#[test]
fn a_connection_that_rests_needs_little() {
    // One thread, whose allocations are counted.
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let mut limits = Limits::of(100, 100);
    limits.patience.rest = Duration::from_millis(1);
    let (_stop, shutdown) = Shutdown::channel();
    let addr = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, None, limits, shutdown, |req| async {
            let body = read_body(req.into_body(), 100, Duration::from_secs(5)).await;
            assert_eq!(body.unwrap().as_ref(), b"body");
            with_type(StatusCode::OK, "text/plain", "ok")
        }));
        post(&mut TcpStream::connect(addr).await.unwrap()).await;
        addr
    });
    let (_open, mut bytes) = live(&runtime, async {
        let mut open = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            let mut io = TcpStream::connect(addr).await.unwrap();
            post(&mut io).await;
            open.push(io);
        }
        open
    });
    let busy = bytes;
    let end = Instant::now() + Duration::from_secs(5);
    let of_each = |bytes: i64| bytes / i64::try_from(CONNECTIONS).unwrap();
    while of_each(bytes) >= MOST {
        assert!(
            Instant::now() < end,
            "{} bytes for each of {CONNECTIONS} connections that rest, {} right after their requests",
            of_each(bytes),
            of_each(busy)
        );
        let passes = async { tokio::time::sleep(Duration::from_millis(5)).await };
        bytes += live(&runtime, passes).1;
    }
    println!("{} bytes for each connection that rests", of_each(bytes));
}
