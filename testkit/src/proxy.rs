//! A TCP proxy with a port of its own: while it is shut, the server behind it is out of reach,
//! with its books. It knows nothing of what passes through.

use crate::free_port;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::{JoinHandle, JoinSet};

pub(crate) struct Proxy {
    pub(crate) port: u16,
    delay: Arc<Mutex<Duration>>,
    passing: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Shut.
    pub(crate) fn new() -> Self {
        Self {
            port: free_port(),
            delay: Arc::default(),
            passing: None,
        }
    }

    pub(crate) fn open(&mut self, runtime: &Runtime, to: SocketAddr) {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let listener = runtime.block_on(TcpListener::bind(at)).unwrap();
        let delay = self.delay.clone();
        self.passing = Some(runtime.spawn(async move {
            // Dropped with this task, and so are all connections.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(pass(client, to, delay.clone()));
            }
        }));
    }

    /// Nobody listens any more, and connections break.
    pub(crate) fn shut(&mut self, runtime: &Runtime) {
        if let Some(passing) = self.passing.take() {
            passing.abort();
            let _ = runtime.block_on(passing);
        }
    }

    /// From now on what clients say takes this long to arrive.
    pub(crate) fn delay(&self, time: Duration) {
        *self.delay.lock().unwrap() = time;
    }
}

async fn pass(client: TcpStream, to: SocketAddr, delay: Arc<Mutex<Duration>>) {
    let Ok(server) = TcpStream::connect(to).await else {
        return;
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let asks = async {
        let mut bytes = vec![0; 16 * 1024];
        while let Ok(n @ 1..) = from_client.read(&mut bytes).await {
            let time = *delay.lock().unwrap();
            tokio::time::sleep(time).await;
            if to_server.write_all(&bytes[..n]).await.is_err() {
                break;
            }
        }
        let _ = to_server.shutdown().await;
    };
    let answers = async {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
        let _ = to_client.shutdown().await;
    };
    tokio::join!(asks, answers);
}
