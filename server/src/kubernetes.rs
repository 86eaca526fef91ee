//! The Kubernetes API server, asked by the pod's own service account.

use http::header::{ACCEPT, AUTHORIZATION};
use mooring_core::cut::cut;
use mooring_net::client::{Answer, Call, Client};
use mooring_net::tls;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where Kubernetes mounts a pod's own credentials.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

#[derive(Debug, thiserror::Error)]
#[error(
    "configuration field {field}: {problem}; it needs a pod with a service account whose token is mounted, or leave {field} out"
)]
pub(crate) struct NoApiServer {
    field: &'static str,
    problem: String,
}

/// The folder with the pod's own credentials. `MOORING_SERVICE_ACCOUNT_DIR` names another one than
/// Kubernetes' own.
pub(crate) fn service_account() -> PathBuf {
    let named = std::env::var_os("MOORING_SERVICE_ACCOUNT_DIR");
    named.map_or_else(|| SERVICE_ACCOUNT.into(), PathBuf::from)
}

/// The API server.
pub(crate) struct ApiServer {
    client: Client,
    token: PathBuf,
}

impl ApiServer {
    /// That of the cluster which this pod is in; `field` of the configuration asks for it.
    pub(crate) fn in_cluster(field: &'static str) -> Result<Self, NoApiServer> {
        Self::found().map_err(|problem| NoApiServer { field, problem })
    }

    fn found() -> Result<Self, String> {
        let env = |n: &str| std::env::var(n).map_err(|_| format!("{n} is not set"));
        let mut host = env("KUBERNETES_SERVICE_HOST")?;
        if host.contains(':') {
            host = format!("[{host}]");
        }
        let url = format!("https://{host}:{}", env("KUBERNETES_SERVICE_PORT")?);
        let dir = service_account();
        let roots = read(&dir.join("ca.crt"))?;
        let config = tls::client_config(&roots, None).map_err(|e| e.to_string())?;
        let client = Client::new(&url, Vec::new(), config).map_err(|e| e.to_string())?;
        Ok(Self {
            client,
            token: dir.join("token"),
        })
    }

    /// Asks, and reads the whole answer, within `time`. The token is read anew for each call: it is
    /// replaced before it ends.
    pub(crate) async fn call(&self, call: Call, time: Duration) -> Result<Answer, String> {
        let own = format!("Bearer {}", read(&self.token)?.trim());
        let call = call
            .header(AUTHORIZATION, &own)
            .header(ACCEPT, "application/json");
        let answer = self.client.call(&call, time).await;
        answer.map_err(|e| e.to_string())
    }
}

/// An answer that is no success, for people; `todo`: what they may look at.
pub(crate) fn unsuccessful(answer: &Answer, todo: &str) -> String {
    let text = cut(String::from_utf8_lossy(&answer.body).into_owned());
    format!("status {}: {text}; {todo}", answer.status)
}

fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))
}
