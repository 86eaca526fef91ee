//! How often answering `GET /v1/status` allocates, exactly: applications ask it all the time. A
//! number that has grown was worse before; one that has shrunk is written down here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::peer::Peer;
use super::{Api, connection};
use crate::args::HoldArgs;
use crate::claims::{Claims, Terms};
use crate::config::Config;
use crate::options::Mode;
use crate::servers::Servers;
use crate::store::Folder;
use crate::users::Users;
use mooring_net::shutdown::Shutdown;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::runtime::Builder;

const ROOT: &str = include_str!("../../tests/data/root.pem");
const ASKED: &[u8] = b"GET /v1/status HTTP/1.1\r\nhost: mooring\r\n\r\n";
const TIMES: usize = 100;

/// A sidecar's socket whose pod has a claim, and no server in reach.
fn api(dir: &Path) -> Arc<Api> {
    let args = HoldArgs {
        licenses: "render:2".into(),
        server: "https://127.0.0.1:1".into(),
        roots: ROOT.into(),
        start: "licensed".into(),
        optimistic_start: "allow".into(),
        contact_timeout: "15s".into(),
        max_grace: "8h".into(),
        state_dir: Some(dir.to_owned()),
        ..HoldArgs::default()
    };
    let config = Config::from_args(&args, Mode::Run).unwrap();
    let servers = Servers::new(config.servers, None).unwrap();
    let folder = Folder::new(dir, "boot".into());
    let terms = Terms {
        contact: config.contact,
        project: config.project,
    };
    let (_, stop) = Shutdown::channel();
    let (claims, _) = Claims::new(servers, folder, terms, Users::Together, stop);
    claims.pod(config.items, config.start).unwrap();
    Arc::new(Api::new(claims))
}

async fn ask(conn: &mut UnixStream, buffer: &mut [u8]) {
    conn.write_all(ASKED).await.unwrap();
    let n = conn.read(buffer).await.unwrap();
    assert!(buffer[..n].starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert!(buffer[..n].ends_with(b"}"));
}

#[test]
fn a_status_is_answered_with_so_many_allocations() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (mut conn, mut buffer) = runtime.block_on(async {
        let (here, there) = UnixStream::pair().unwrap();
        let api = api(dir.path());
        let asker = Users::Together.asker(None).unwrap();
        tokio::spawn(connection(Peer::new(there, asker), api));
        (here, vec![0; 4096])
    });
    let mut counts = BTreeMap::<u64, usize>::new();
    for _ in 0..TIMES {
        let asked = || runtime.block_on(ask(&mut conn, &mut buffer));
        let allocated = allocation_counter::measure(asked).count_total;
        *counts.entry(allocated).or_default() += 1;
    }
    // Most of them: the first makes what stays, and now and then the claim's task asks the server
    // that is not there.
    let (mostly, _) = counts.iter().max_by_key(|(_, n)| **n).unwrap();
    // The text, its box as a body, the request's bytes, and the two halves of a table of headers.
    assert_eq!(*mostly, 5, "{counts:?}");
}
