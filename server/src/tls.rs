//! Certificates from files, read anew when they change, without dropping connections.

use crate::config::Tls;
use mooring_net::shutdown::Shutdown;
use mooring_net::tls::{ServerFiles, ServerIdentity, TlsError, optional_clients, server_config};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Verifies client certificates by roots that can be replaced.
#[derive(Debug)]
struct Clients(RwLock<Arc<dyn ClientCertVerifier>>);

impl Clients {
    fn now(&self) -> Arc<dyn ClientCertVerifier> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl ClientCertVerifier for Clients {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Hints are optional (RFC 8446, 4.2.4), and cannot be lent out of a lock.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.now()
            .verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.now().verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.now().verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.now().supported_verify_schemes()
    }
}

fn read(what: &'static str, path: &Path) -> Result<String, TlsError> {
    std::fs::read_to_string(path).map_err(|error| TlsError::File {
        what,
        path: path.to_owned(),
        error,
    })
}

/// The server's certificates.
pub(crate) struct Certificates {
    files: Tls,
    identity: Arc<ServerIdentity>,
    clients: Option<Arc<Clients>>,
    seen: Vec<Option<Vec<u8>>>,
}

impl Certificates {
    /// Reads them for the first time.
    pub(crate) fn load(files: Tls) -> Result<Self, TlsError> {
        let seen = contents(&files);
        let identity = ServerIdentity::new(server_files(&files).load()?);
        let clients = match &files.client_ca {
            Some(p) => Some(Arc::new(Clients(RwLock::new(optional_clients(&read(
                "client CA",
                p,
            )?)?)))),
            None => None,
        };
        Ok(Self {
            files,
            identity,
            clients,
            seen,
        })
    }

    /// Accepts connections with whatever is current then.
    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let clients = self
            .clients
            .clone()
            .map(|c| -> Arc<dyn ClientCertVerifier> { c });
        Ok(TlsAcceptor::from(server_config(
            self.identity.clone(),
            clients,
        )?))
    }

    /// Reads them anew when they change. Bad ones are refused loudly; the earlier ones stay.
    pub(crate) async fn follow(mut self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = shutdown.asked() => return,
            }
            let now = contents(&self.files);
            if now == self.seen {
                continue;
            }
            match self.reload() {
                Ok(()) => {
                    tracing::info!(cert = %self.files.cert.display(), "certificates read anew");
                }
                Err(e) => tracing::error!("new certificates refused, the earlier ones stay: {e}"),
            }
            self.seen = now;
        }
    }

    fn reload(&self) -> Result<(), TlsError> {
        let key = server_files(&self.files).load()?;
        if let (Some(c), Some(p)) = (&self.clients, &self.files.client_ca) {
            let verifier = optional_clients(&read("client CA", p)?)?;
            *c.0.write().unwrap_or_else(PoisonError::into_inner) = verifier;
        }
        self.identity.replace(key);
        Ok(())
    }
}

fn server_files(t: &Tls) -> ServerFiles {
    ServerFiles {
        cert: t.cert.clone(),
        key: t.key.clone(),
    }
}

fn contents(t: &Tls) -> Vec<Option<Vec<u8>>> {
    let paths = [Some(&t.cert), Some(&t.key), t.client_ca.as_ref()];
    paths
        .into_iter()
        .flatten()
        .map(|p| std::fs::read(p).ok())
        .collect()
}
