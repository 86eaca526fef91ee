//! HTTP/1.1 as bytes, over anything: what the loader speaks, so that it never is the limit.

use anyhow::{Context as _, Result, bail};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A kept-alive connection, one request at a time.
#[derive(Debug)]
pub(crate) struct Conn<S> {
    io: S,
    buffer: Vec<u8>,
}

/// A whole answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    /// With the empty line that ends it.
    pub(crate) head: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conn<S> {
    pub(crate) fn new(io: S) -> Self {
        let buffer = Vec::new();
        Self { io, buffer }
    }

    /// Sends a whole request and reads its whole answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.io.write_all(request).await?;
        self.io.flush().await?;
        self.buffer.clear();
        let (head, body) = loop {
            if let Some(found) = measure(&self.buffer)? {
                break found;
            }
            self.buffer.reserve(8192);
            if self.io.read_buf(&mut self.buffer).await? == 0 {
                bail!("the connection was closed");
            }
        };
        while self.buffer.len() < head + body {
            if self.io.read_buf(&mut self.buffer).await? == 0 {
                bail!("the connection was closed within an answer");
            }
        }
        if self.buffer.len() > head + body {
            bail!("more than one answer to a request");
        }
        let (head, body) = self.buffer.split_at(head);
        let status = head.get(9..12).and_then(|s| std::str::from_utf8(s).ok());
        let status = status.context("a status line")?.parse()?;
        Ok(Answer { status, head, body })
    }

    /// Gives back what the last answer was read into: for connections that mostly rest.
    pub(crate) fn rest(&mut self) {
        self.buffer = Vec::new();
    }
}

/// How long head and body are, once the head is there.
fn measure(read: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(end) = read.windows(4).position(|w| w == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(read.get(..end).unwrap_or_default())?;
    let length = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim())
    });
    // An answer without a body says no length (204).
    let length = length.map_or(Ok(0), str::parse)?;
    Ok(Some((end + 4, length)))
}

/// Over TLS as a sidecar speaks it (1.3, X25519, no resumption), but for the verifying of the
/// server's certificate: that is the loader's time, and not what is measured.
pub(crate) fn tls() -> Result<TlsConnector> {
    let mut config = ClientConfig::builder_with_provider(default_provider().into())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Connects from the address of holder `n`: 250 holders on each of 127.1.0.1, 127.1.0.2, ….
pub(crate) async fn connect(
    tls: &TlsConnector,
    to: SocketAddr,
    n: usize,
) -> Result<Conn<TlsStream<TcpStream>>> {
    let host = u32::try_from(n / 250)?;
    let [_, _, c, d] = (host + 1).to_be_bytes();
    let from = IpAddr::from(Ipv4Addr::new(127, 1, c, d));
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(from, 0))?;
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost")?;
    Ok(Conn::new(tls.connect(name, stream).await?))
}

/// Takes any certificate.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let provider = default_provider();
        provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn an_answer_is_read_whole_however_it_comes() {
        let (here, mut there) = tokio::io::duplex(1024);
        let first = ["HTTP/1.1 200 OK\r\nContent-Le", "ngth: 5\r\n\r\nhe", "llo"];
        let second = ["HTTP/1.1 204 No Content\r\n\r\n"];
        let said = tokio::spawn(async move {
            for pieces in [&first[..], &second[..]] {
                there.read_exact(&mut [0]).await.unwrap();
                for piece in pieces {
                    there.write_all(piece.as_bytes()).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
        });
        let mut conn = Conn::new(here);
        let first = conn.ask(b"?").await.unwrap();
        assert_eq!((first.status, first.body), (200, &b"hello"[..]));
        let second = conn.ask(b"?").await.unwrap();
        assert_eq!((second.status, second.body), (204, &b""[..]));
        said.await.unwrap();
        assert!(conn.ask(b"?").await.is_err());
    }
}
