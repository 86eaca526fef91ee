//! Certificates from files, read anew when they change, without dropping connections.

use mooring_config::Tls;
use mooring_net::serve;
use mooring_net::shutdown::Shutdown;
use mooring_net::sync::{Current, lock};
use mooring_net::tls::{
    Http, ServerIdentity, TlsError, certified_files, certified_keys, optional_clients, read,
    server_config,
};
use mooring_net::watched::Watched;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// Verifies client certificates by roots that can be replaced.
#[derive(Debug)]
struct Clients {
    /// Those of the verifier, as they were read.
    roots: Mutex<String>,
    verifier: Current<dyn ClientCertVerifier>,
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
        let verifier = self.verifier.get();
        verifier.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .get()
            .verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .get()
            .verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.get().supported_verify_schemes()
    }
}

type Verifier = Arc<dyn ClientCertVerifier>;

pub(crate) struct Certificates {
    files: Tls,
    watched: Watched,
    identity: Arc<ServerIdentity>,
    clients: Option<Arc<Clients>>,
    /// Says that other clients' certificates count than before.
    judged: watch::Sender<()>,
}

/// What the files hold.
struct Read {
    current: CertifiedKey,
    earlier: Vec<CertifiedKey>,
    clients: Option<ReadClients>,
}

struct ReadClients {
    roots: String,
    verifier: Verifier,
}

impl Certificates {
    pub(crate) fn load(files: Tls) -> Result<Self, TlsError> {
        let paths = [&files.cert, &files.key].into_iter();
        let paths = paths.chain(&files.earlier).chain(&files.client_ca).cloned();
        let watched = Watched::read_now("certificates", paths);
        let read = read_all(&files)?;
        let clients = read.clients.map(|c| Clients {
            roots: Mutex::new(c.roots),
            verifier: Current::new(c.verifier),
        });
        Ok(Self {
            files,
            watched,
            identity: ServerIdentity::new(read.current, read.earlier),
            clients: clients.map(Arc::new),
            judged: watch::Sender::new(()),
        })
    }

    /// Accepts connections with whatever is current then; those with a client's certificate end
    /// when other roots count. HTTP/1.1 alone, which all clients speak: one request at a time on a
    /// connection, so what bounds connections bounds requests.
    pub(crate) fn tls(&self) -> Result<serve::Tls, TlsError> {
        let clients = self.clients.clone().map(|c| -> Verifier { c });
        let config = server_config(self.identity.clone(), clients, Http::One)?;
        Ok(serve::Tls::judged_by(config, self.judged.subscribe()))
    }

    /// Reads them anew when they change. Bad ones are refused loudly; the earlier ones stay.
    pub(crate) async fn follow(self, shutdown: Shutdown) {
        let take = |read: Read| {
            self.identity.replace(read.current, read.earlier);
            let (Some(c), Some(new)) = (&self.clients, read.clients) else {
                return;
            };
            c.verifier.set(new.verifier);
            let before = std::mem::replace(&mut *lock(&c.roots), new.roots.clone());
            if before != new.roots {
                tracing::info!("other clients' certificates count: connections with one end");
                self.judged.send_replace(());
            }
        };
        let read = || read_all(&self.files);
        self.watched.follow(shutdown, read, take).await;
    }
}

fn read_all(t: &Tls) -> Result<Read, TlsError> {
    let clients = t.client_ca.as_deref().map(|p| {
        let roots = read("client CA", p)?;
        let verifier = optional_clients(&roots)?;
        Ok::<_, TlsError>(ReadClients { roots, verifier })
    });
    Ok(Read {
        current: certified_files(&t.cert, &t.key)?,
        earlier: t.earlier.as_deref().map_or(Ok(Vec::new()), earlier)?,
        clients: clients.transpose()?,
    })
}

/// There is mostly no such file.
fn earlier(path: &Path) -> Result<Vec<CertifiedKey>, TlsError> {
    match read("certificates by earlier CAs", path) {
        Ok(text) => certified_keys(&text),
        Err(TlsError::File { error, .. }) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}
