//! Why a license server cannot be talked to, and the TLS that it is talked to with.

use crate::certs::{Ca, CertRequest, Usage};
use mooring_api::names::FIELD_MANAGER;
use mooring_net::tls::TlsError;
use std::sync::Arc;
use std::time::Duration;

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectionError {
    #[error(transparent)]
    Client(#[from] mooring_net::client::ClientError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The operator could not say who it is to a server outside of the cluster.
    #[error(transparent)]
    Token(#[from] mooring_core::client_token::ClientTokenError),
    /// The CA did not sign.
    #[error(transparent)]
    Cert(#[from] crate::certs::CertError),
    /// The server answered with a problem.
    #[error("{call}: the server answered {status}: {detail}")]
    Answer {
        call: String,
        status: u16,
        /// The problem's detail, or the beginning of the body.
        detail: String,
    },
    /// The server said nothing for too long.
    #[error("the watch was silent for {0:?}")]
    Silent(Duration),
    #[error("the server ended the watch")]
    Ended,
    #[error("the server has restarted")]
    Restarted,
}

/// A TLS configuration that shows the operator's certificate and trusts the operator's CA alone.
pub(super) fn tls(ca: &Ca) -> Result<Arc<rustls::ClientConfig>, ConnectionError> {
    let cert = ca.issue(&CertRequest {
        common_name: FIELD_MANAGER.to_owned(),
        dns_names: Vec::new(),
        usages: vec![Usage::Client],
        // Made anew for each session.
        validity: ca.lives.certificate(),
    })?;
    Ok(mooring_net::tls::client_config(
        &ca.roots_pem(),
        Some((&cert.cert_pem, &cert.key_pem)),
    )?)
}
