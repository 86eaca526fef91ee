//! TLS 1.3 on both sides. Certificates are files; a server reads them anew when they change,
//! without dropping connections.

use crate::sync::{Current, lock};
use crate::watched::Watched;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, WantsClientCert, WebPkiServerVerifier};
use rustls::crypto::ring as provider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, DistinguishedName, RootCertStore,
    ServerConfig, SignatureScheme,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// What is wrong with keys or certificates.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{what}: {path}: {error}")]
    File {
        what: &'static str,
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("{what}: {problem}")]
    Pem { what: &'static str, problem: String },
    #[error("TLS: {0}")]
    Rustls(#[from] rustls::Error),
}

fn pem<T>(what: &'static str, r: Result<T, impl std::fmt::Display>) -> Result<T, TlsError> {
    let problem = |e: &dyn std::fmt::Display| e.to_string();
    r.map_err(|e| TlsError::Pem {
        what,
        problem: problem(&e),
    })
}

fn chain(what: &'static str, text: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all = CertificateDer::pem_slice_iter(text.as_bytes());
    pem(what, all.collect::<Result<_, _>>())
}

fn key(what: &'static str, text: &str) -> Result<PrivateKeyDer<'static>, TlsError> {
    pem(what, PrivateKeyDer::from_pem_slice(text.as_bytes()))
}

/// A file's text; `what` it should be is said where it cannot be read.
pub fn read(what: &'static str, path: &Path) -> Result<String, TlsError> {
    std::fs::read_to_string(path).map_err(|error| TlsError::File {
        what,
        path: path.to_owned(),
        error,
    })
}

/// A certificate chain with its key, from PEM.
pub fn certified_key(cert_pem: &str, key_pem: &str) -> Result<CertifiedKey, TlsError> {
    let chain = chain("certificate", cert_pem)?;
    let key = key("private key", key_pem)?;
    let provider = provider::default_provider();
    Ok(CertifiedKey::from_der(chain, key, &provider)?)
}

/// Several chains with their keys, one after the other, from PEM: each key ends one.
pub fn certified_keys(text: &str) -> Result<Vec<CertifiedKey>, TlsError> {
    let all = chains_with_keys(text);
    all.iter().map(|one| certified_key(one, one)).collect()
}

/// The same as texts.
pub fn chains_with_keys(text: &str) -> Vec<String> {
    const END: &str = "PRIVATE KEY-----";
    let mut all = Vec::new();
    let mut one = String::new();
    for line in text.lines() {
        one.push_str(line);
        one.push('\n');
        if line.starts_with("-----END ") && line.trim_end().ends_with(END) {
            all.push(std::mem::take(&mut one));
        }
    }
    all
}

/// The same from files.
pub fn certified_files(cert: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    certified_key(&read("certificate", cert)?, &read("private key", key)?)
}

/// Root certificates from PEM.
pub fn roots(roots_pem: &str) -> Result<Arc<RootCertStore>, TlsError> {
    let mut store = RootCertStore::empty();
    for c in CertificateDer::pem_slice_iter(roots_pem.as_bytes()) {
        store.add(pem("root certificate", c)?)?;
    }
    if store.is_empty() {
        return Err(TlsError::Pem {
            what: "root certificates",
            problem: "none in the text given".into(),
        });
    }
    Ok(Arc::new(store))
}

/// A chain that a server shows, and the names of those who signed in it.
#[derive(Debug)]
struct Shown {
    key: Arc<CertifiedKey>,
    signers: Vec<Vec<u8>>,
}

impl Shown {
    fn new(key: CertifiedKey) -> Self {
        let signer = |c: &CertificateDer<'_>| {
            let (_, c) = x509_parser::parse_x509_certificate(c).ok()?;
            Some(c.issuer().as_raw().to_vec())
        };
        Self {
            signers: key.cert.iter().filter_map(signer).collect(),
            key: Arc::new(key),
        }
    }
}

/// A server's certificates, which can be replaced while connections go on: the current one, and
/// those that earlier CAs had signed.
#[derive(Debug)]
pub struct ServerIdentity(Current<Vec<Shown>>);

impl ServerIdentity {
    pub fn new(current: CertifiedKey, earlier: Vec<CertifiedKey>) -> Arc<Self> {
        Arc::new(Self(Current::new(Self::shown(current, earlier))))
    }

    /// New handshakes use these from now on.
    pub fn replace(&self, current: CertifiedKey, earlier: Vec<CertifiedKey>) {
        self.0.set(Self::shown(current, earlier));
    }

    fn shown(current: CertifiedKey, earlier: Vec<CertifiedKey>) -> Vec<Shown> {
        let all = std::iter::once(current).chain(earlier);
        all.map(Shown::new).collect()
    }

    /// What a client sees that says whom it trusts (RFC 8446, 4.2.4): the first that one of those
    /// signed. The current one for who says nothing, or trusts nobody here.
    fn choose(&self, trusted: Option<&[DistinguishedName]>) -> Option<Arc<CertifiedKey>> {
        let all = self.0.get();
        let fits = |s: &&Shown| {
            let named = |t: &DistinguishedName| s.signers.iter().any(|n| n == t.as_ref());
            trusted.is_none_or(|t| t.iter().any(named))
        };
        let chosen = all.iter().find(fits).or(all.first());
        chosen.map(|s| s.key.clone())
    }
}

impl ResolvesServerCert for ServerIdentity {
    fn resolve(&self, hello: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.certificate_authorities())
    }
}

/// Verifies client certificates against `roots_pem`; clients without one are let through, and known
/// as nobody.
pub fn optional_clients(roots_pem: &str) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let provider = provider::default_provider().into();
    let b = WebPkiClientVerifier::builder_with_provider(roots(roots_pem)?, provider);
    pem("client roots", b.allow_unauthenticated().build())
}

/// What HTTP/2 is called in a handshake (RFC 9113, 3.1), and HTTP/1.1 (RFC 7301, 6).
pub const H2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// Which versions of HTTP a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http {
    /// One request at a time on a connection: so a bound on connections bounds all.
    One,
    /// HTTP/2, too.
    Two,
}

/// A server's configuration: TLS 1.3 only.
///
/// Where client certificates are asked for no session is resumed: it would stand for the
/// certificate, and the roots, of then.
pub fn server_config(
    identity: Arc<dyn ResolvesServerCert>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    http: Http,
) -> Result<Arc<ServerConfig>, TlsError> {
    let resumes = clients.is_none();
    let b = ServerConfig::builder_with_provider(provider::default_provider().into())
        .with_protocol_versions(&[&rustls::version::TLS13])?;
    let b = match clients {
        Some(v) => b.with_client_cert_verifier(v),
        None => b.with_no_client_auth(),
    };
    let mut c = b.with_cert_resolver(identity);
    c.alpn_protocols = match http {
        Http::One => vec![HTTP1.to_vec()],
        Http::Two => vec![H2.to_vec(), HTTP1.to_vec()],
    };
    if !resumes {
        c.session_storage = Arc::new(NoServerSessionStorage {});
        c.send_tls13_tickets = 0;
    }
    Ok(Arc::new(c))
}

/// A client's configuration: TLS 1.3 only, trusting `roots_pem` alone; with a certificate if it has
/// one.
pub fn client_config(
    roots_pem: &str,
    identity: Option<(&str, &str)>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let b = client(roots_pem)?;
    let c = match identity {
        None => b.with_no_client_auth(),
        Some((cert, of)) => {
            let key = key("client key", of)?;
            b.with_client_auth_cert(chain("client certificate", cert)?, key)?
        }
    };
    Ok(http1(c))
}

fn client(roots_pem: &str) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsError> {
    let b = ClientConfig::builder_with_provider(provider::default_provider().into())
        .with_protocol_versions(&[&rustls::version::TLS13])?;
    let verifier = Arc::new(Trusting::new(roots(roots_pem)?)?);
    Ok(b.dangerous().with_custom_certificate_verifier(verifier))
}

/// rustls' own verifier, which also tells the server whom it trusts: after a change of CAs the
/// server shows what this client can verify.
#[derive(Debug)]
struct Trusting {
    verifier: Arc<WebPkiServerVerifier>,
    names: Vec<DistinguishedName>,
}

impl Trusting {
    fn new(roots: Arc<RootCertStore>) -> Result<Self, TlsError> {
        let names = roots.subjects();
        let provider = provider::default_provider().into();
        let built = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
        let verifier = pem("root certificates", built)?;
        Ok(Self { verifier, names })
    }
}

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let v = &self.verifier;
        v.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        Some(&self.names)
    }
}

/// Whether a client that trusts `roots_pem` would accept this chain from a server of this name at
/// that time: what it does in a handshake, done beforehand.
pub fn would_trust(roots_pem: &str, chain_pem: &str, name: &str, at: SystemTime) -> bool {
    let verified = || {
        let trusting = Trusting::new(roots(roots_pem).ok()?).ok()?;
        let chain = chain("certificate", chain_pem).ok()?;
        let (leaf, rest) = chain.split_first()?;
        let name = ServerName::try_from(name.to_owned()).ok()?;
        let at = at.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        let at = UnixTime::since_unix_epoch(at);
        trusting.verify_server_cert(leaf, rest, &name, &[], at).ok()
    };
    verified().is_some()
}

/// The same, with a certificate from files that may be replaced while the process runs.
pub fn client_config_from_files(
    roots_pem: &str,
    files: Arc<ClientFiles>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let mut c = client(roots_pem)?.with_client_cert_resolver(files);
    // A resumed session would stand for the certificate of then.
    c.resumption = Resumption::disabled();
    Ok(http1(c))
}

fn http1(mut c: ClientConfig) -> Arc<ClientConfig> {
    c.alpn_protocols = vec![HTTP1.to_vec()];
    Arc::new(c)
}

/// A client's certificate and key in files: each new connection shows what lies there then.
#[derive(Debug)]
pub struct ClientFiles {
    cert: PathBuf,
    key: PathBuf,
    files: Mutex<Watched>,
    last: Current<CertifiedKey>,
}

impl ClientFiles {
    /// Reads both once, so that a wrong one is found at the start.
    pub fn open(cert: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        let (cert, key) = (cert.to_owned(), key.to_owned());
        let files = Watched::read_now("client certificate", [cert.clone(), key.clone()]);
        let last = Current::new(Self::read(&cert, &key)?);
        let files = Mutex::new(files);
        Ok(Arc::new(Self {
            cert,
            key,
            files,
            last,
        }))
    }

    fn read(cert: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
        let (cert, key) = (read("client certificate", cert)?, read("client key", key)?);
        let read = certified_key(&cert, &key)?;
        read.end_entity_cert()?;
        Ok(read)
    }

    /// Reads both anew if they changed; whether they did. What cannot be used changes nothing: the
    /// two may be replaced one after the other.
    pub fn refresh(&self) -> bool {
        let read = lock(&self.files).look(|| Self::read(&self.cert, &self.key));
        read.map(|key| self.last.set(key)).is_some()
    }

    /// When the certificate ended that is shown, if it has by `now`.
    pub fn ended(&self, now: SystemTime) -> Option<SystemTime> {
        let shown = self.last.get();
        let end = shown.cert.first().and_then(not_after)?;
        (end <= now).then_some(end)
    }

    /// Where the certificate lies.
    pub fn path(&self) -> &Path {
        &self.cert
    }
}

impl ResolvesClientCert for ClientFiles {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.refresh();
        Some(self.last.get())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// When the first certificate of a PEM text ends.
pub fn pem_not_after(pem: &str) -> Option<SystemTime> {
    not_after(&CertificateDer::from_pem_slice(pem.as_bytes()).ok()?)
}

/// When a certificate ends.
pub fn not_after(cert: &CertificateDer<'_>) -> Option<SystemTime> {
    let (_, cert) = x509_parser::parse_x509_certificate(cert).ok()?;
    let end = u64::try_from(cert.validity().not_after.timestamp()).ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(end))
}

/// The common name of a certificate, if it has one.
pub fn common_name(cert: &CertificateDer<'_>) -> Option<String> {
    let (_, c) = x509_parser::parse_x509_certificate(cert).ok()?;
    let name = c.subject().iter_common_name().next()?.as_str().ok()?;
    Some(name.to_owned())
}
