//! A Kubernetes without nodes: etcd and the API server as they are, on the loopback of the network
//! namespace that this process is in.

use crate::process::Process;
use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _};
use http::Method;
use http::header::AUTHORIZATION;
use mooring_net::client::{Call, Client};
use mooring_net::tls::client_config;
use mooring_testkit::Ca;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::time::sleep;

/// Where the API server is.
pub(crate) const PORT: u16 = 6443;
/// The addresses of Services. All of them lead to this namespace itself.
const SERVICES: &str = "10.96.0.0/16";
/// The API server wants one that is no loopback address; nobody is told of it.
const ADVERTISED: &str = "10.96.255.254";
/// What everybody shows who asks the API server: its administrators' own.
const TOKEN: &str = "bench";
/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many calls are made at once, each on a connection of its own.
const AT_ONCE: usize = 32;

/// Both programs, and their files.
pub(crate) struct Plane {
    dir: TempDir,
    ca: Ca,
    server: Process,
    _etcd: Process,
}

/// A client of the API server, with a connection of its own.
#[derive(Clone)]
pub(crate) struct Api(Client);

impl Plane {
    /// Starts both; `bin` has `kube-apiserver`, and etcd is the system's. Until it answers.
    pub(crate) async fn start(bin: &Path) -> Result<Self> {
        // In memory: whoever made 60,000 objects would wait for the disk.
        let dir = tempfile::Builder::new().tempdir_in("/dev/shm")?;
        let (ca, at) = (Ca::new(), |name: &str| {
            dir.path().join(name).display().to_string()
        });
        let (cert, key) = ca.issue("kube-apiserver");
        let user = format!("{TOKEN},bench,1,system:masters\n");
        for (name, text) in [
            ("ca.crt", &ca.pem),
            ("tls.crt", &cert),
            ("tls.key", &key),
            ("token", &TOKEN.to_owned()),
            ("users", &user),
        ] {
            std::fs::write(at(name), text)?;
        }
        let quick = format!("--data-dir={}", at("etcd"));
        let etcd = [
            "--unsafe-no-fsync",
            "--quota-backend-bytes=8589934592",
            &quick,
        ];
        let etcd = Process::anywhere(Path::new("etcd"), &etcd, &[], &dir.path().join("etcd.log"))?;
        let args = [
            "--etcd-servers=http://127.0.0.1:2379".to_owned(),
            format!("--advertise-address={ADVERTISED}"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={PORT}"),
            format!("--service-cluster-ip-range={SERVICES}"),
            format!("--tls-cert-file={}", at("tls.crt")),
            format!("--tls-private-key-file={}", at("tls.key")),
            format!("--token-auth-file={}", at("users")),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", at("tls.crt")),
            format!("--service-account-signing-key-file={}", at("tls.key")),
            "--authorization-mode=RBAC".to_owned(),
            // The loader's own calls are not to wait for their turn.
            "--enable-priority-and-fairness=false".to_owned(),
            "--max-requests-inflight=0".to_owned(),
            "--max-mutating-requests-inflight=0".to_owned(),
        ];
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let log = dir.path().join("apiserver.log");
        let server = Process::anywhere(&bin.join("kube-apiserver"), &args, &[], &log)?;
        let mut plane = Self {
            dir,
            ca,
            server,
            _etcd: etcd,
        };
        plane.until_ready().await?;
        Ok(plane)
    }

    async fn until_ready(&mut self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            let ready = self.api()?.text("/readyz").await;
            match ready {
                Ok(text) if text == "ok" => return Ok(()),
                other if Instant::now() > end => bail!("the API server: {other:?}"),
                _ => sleep(Duration::from_millis(200)).await,
            }
            self.server.lives()?;
        }
    }

    /// For whoever is to have a connection of its own.
    pub(crate) fn api(&self) -> Result<Api> {
        let tls = client_config(&self.ca.pem, None)?;
        let client = Client::new(
            &format!("https://localhost:{PORT}"),
            vec![format!("127.0.0.1:{PORT}")],
            tls,
        )?;
        Ok(Api(client))
    }

    /// A kubeconfig file with all rights.
    pub(crate) fn kubeconfig(&self) -> Result<PathBuf> {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "bench",
            "clusters": [{"name": "bench", "cluster": {
                "server": format!("https://127.0.0.1:{PORT}"),
                "certificate-authority": self.dir().join("ca.crt"),
            }}],
            "users": [{"name": "bench", "user": {"token": TOKEN}}],
            "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        });
        let file = self.dir().join("kubeconfig");
        std::fs::write(&file, serde_json::to_vec(&config)?)?;
        Ok(file)
    }

    /// A folder with `ca.crt` and `token`, as a pod's service account has them, among others.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Makes `n` calls or chains of them, each numbered; their values in that order.
    pub(crate) async fn each<T>(
        &self,
        n: usize,
        one: impl AsyncFn(&Api, usize) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut idle = Vec::new();
        for _ in 0..AT_ONCE {
            idle.push(self.api()?);
        }
        let idle = std::cell::RefCell::new(idle);
        let (idle, one) = (&idle, &one);
        let all = futures::stream::iter(0..n).map(|i| async move {
            let api = idle.borrow_mut().pop().context("a client")?;
            let done = one(&api, i).await;
            idle.borrow_mut().push(api);
            done
        });
        all.buffered(AT_ONCE).try_collect().await
    }
}

impl Api {
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Vec<u8>> {
        let name = format!("{method} {path}");
        let mut call = Call::new(method, path).header(AUTHORIZATION, &format!("Bearer {TOKEN}"));
        if let Some(body) = body {
            call = call.json(body)?;
        }
        let answer = self
            .0
            .call(&call, PATIENCE)
            .await
            .with_context(|| name.clone())?;
        if !answer.status.is_success() {
            bail!(
                "{name}: {} {}",
                answer.status,
                String::from_utf8_lossy(&answer.body)
            );
        }
        Ok(answer.body.to_vec())
    }

    pub(crate) async fn text(&self, path: &str) -> Result<String> {
        Ok(String::from_utf8(
            self.call(Method::GET, path, None).await?,
        )?)
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        Ok(serde_json::from_slice(
            &self.call(Method::GET, path, None).await?,
        )?)
    }

    pub(crate) async fn create(&self, path: &str, object: &Value) -> Result<Value> {
        Ok(serde_json::from_slice(
            &self.call(Method::POST, path, Some(object)).await?,
        )?)
    }

    pub(crate) async fn replace(&self, path: &str, object: &Value) -> Result<()> {
        self.call(Method::PUT, path, Some(object)).await.map(drop)
    }

    /// How many LicenseLeases say that they are held.
    pub(crate) async fn held(&self) -> Result<usize> {
        let (mut held, mut next) = (0, String::new());
        loop {
            let path = "/apis/mooring.dev/v1alpha1/licenseleases?limit=500&continue=";
            let page = self.get(&format!("{path}{next}")).await?;
            let items = page.get("items").and_then(Value::as_array);
            let is_held = |l: &&Value| l.pointer("/status/state") == Some(&json!("Held"));
            held += items.into_iter().flatten().filter(is_held).count();
            let more = page.pointer("/metadata/continue").and_then(Value::as_str);
            match more.filter(|token| !token.is_empty()) {
                Some(token) => token.clone_into(&mut next),
                None => return Ok(held),
            }
        }
    }

    /// How often objects of this plural were written or deleted, by whomever.
    pub(crate) async fn writes(&self, plural: &str) -> Result<f64> {
        const READS: [&str; 4] = ["GET", "LIST", "WATCH", "CONNECT"];
        let metrics = self.text("/metrics").await?;
        let resource = format!("resource=\"{plural}\"");
        let ours = |line: &&str| {
            let reads = READS
                .iter()
                .any(|r| line.contains(&format!("verb=\"{r}\"")));
            line.starts_with("apiserver_request_total{") && line.contains(&resource) && !reads
        };
        let number = |line: &str| line.rsplit(' ').next().and_then(|n| n.parse::<f64>().ok());
        Ok(metrics.lines().filter(ours).filter_map(number).sum())
    }
}
