//! sd_notify(3): a datagram to the socket that systemd names in `NOTIFY_SOCKET`: "ready", "ending".

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Tells the service manager, if there is one. That it does not listen is not this process's
/// trouble.
pub fn send(state: &str) {
    let Some(to) = std::env::var_os("NOTIFY_SOCKET").filter(|v| !v.is_empty()) else {
        return;
    };
    if let Err(e) = send_to(&to, state) {
        tracing::warn!(error = %e, socket = ?to, "telling the service manager");
    }
}

fn send_to(to: &OsStr, state: &str) -> io::Result<()> {
    // A name that begins with @ is in the abstract namespace (unix(7)).
    let address = match to.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(to)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn it_reaches_a_path_and_an_abstract_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let name = format!("mooring-test-{}", std::process::id());
        let abstract_address = SocketAddr::from_abstract_name(&name).unwrap();
        let heard = |s: UnixDatagram, to: &OsStr| {
            send_to(to, "READY=1").unwrap();
            let mut buf = [0; 64];
            let n = s.recv(&mut buf).unwrap();
            assert_eq!(&buf[..n], b"READY=1");
        };
        heard(UnixDatagram::bind(&path).unwrap(), path.as_os_str());
        let named = UnixDatagram::bind_addr(&abstract_address).unwrap();
        heard(named, OsStr::new(&format!("@{name}")));
        assert!(send_to(OsStr::new("/nowhere/notify"), "READY=1").is_err());
    }
}
