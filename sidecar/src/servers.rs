//! The license servers of this sidecar, in their order: one, or several that have the same products.

use crate::config::ServerConfig;
use crate::server_client::ServerClient;
use crate::voucher::{NoVoucher, OfflineStart};
use mooring_core::license::OpenVoucher;
use mooring_core::names::ClaimName;
use std::sync::Arc;
use std::time::Duration;

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) client: ServerClient,
    pub(crate) max_grace: Duration,
    pub(crate) offline_start: OfflineStart,
}

/// All of them.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    first: Arc<Server>,
    others: Arc<[Server]>,
}

impl Servers {
    /// Of the configuration, which has at least one. `prefix`: what claims' names begin with there.
    pub(crate) fn new(
        configured: Vec<ServerConfig>,
        prefix: Option<&ClaimName>,
    ) -> anyhow::Result<Self> {
        let server = |c: ServerConfig| Server {
            client: ServerClient::new(c.client, c.credentials, prefix.cloned()),
            max_grace: c.max_grace,
            offline_start: c.offline_start,
        };
        let mut all = configured.into_iter().map(server);
        let first = all.next();
        Ok(Self {
            first: Arc::new(first.ok_or_else(|| anyhow::anyhow!("no license server"))?),
            others: all.collect(),
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Server> {
        std::iter::once(&*self.first).chain(&*self.others)
    }

    pub(crate) fn count(&self) -> usize {
        1 + self.others.len()
    }

    /// The n-th; the first, should there not be so many.
    pub(crate) fn get(&self, n: usize) -> &Server {
        let other = n.checked_sub(1).and_then(|n| self.others.get(n));
        other.unwrap_or(&self.first)
    }

    /// As their certificates name them, with the port.
    pub(crate) fn names(&self) -> Vec<String> {
        self.iter().map(|s| s.client.server().to_owned()).collect()
    }

    /// The longest name that a claim may have.
    pub(crate) fn longest_name(&self) -> usize {
        self.first.client.longest_name()
    }

    /// The first voucher that there is.
    pub(crate) fn voucher(&self) -> Result<OpenVoucher, NoVoucher> {
        let own = self.first.offline_start.voucher();
        let others = || self.others.iter().map(|s| s.offline_start.voucher());
        own.or_else(|why| others().find_map(Result::ok).ok_or(why))
    }
}
