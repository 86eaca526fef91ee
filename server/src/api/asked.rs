//! A request whose head was understood, and how its body is read.

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::combinators::BoxBody;
use mooring_core::wire::Problem;
use mooring_net::http as net;
use mooring_net::serve::Peer;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The largest body of a stranger.
pub(super) const BODY: usize = 64 * 1024;
/// The largest body of the operator: a roster of a few hundred thousand pods.
pub(super) const OPERATOR_BODY: usize = 16 * 1024 * 1024;
pub(super) const BODY_TIME: Duration = Duration::from_secs(10);

/// A request's body as it comes, over a connection or out of a caller's hands.
pub(crate) type Sent = BoxBody<Bytes, std::io::Error>;

pub(super) struct Asked {
    pub(super) peer: Peer,
    pub(super) headers: HeaderMap,
    pub(super) query: String,
    pub(super) body: Sent,
}

impl Asked {
    pub(super) async fn json<T: DeserializeOwned>(self, limit: usize) -> Result<T, Problem> {
        net::read_json(self.body, limit, BODY_TIME).await
    }

    /// For calls whose body may be left out.
    pub(super) async fn json_or_default<T: DeserializeOwned + Default>(
        self,
        limit: usize,
    ) -> Result<T, Problem> {
        let data = net::read_body(self.body, limit, BODY_TIME).await?;
        if data.is_empty() {
            return Ok(T::default());
        }
        net::parse_json(&data)
    }
}
