//! `mooring-server init`: what an administrator off Kubernetes would otherwise write by hand. On
//! Kubernetes the operator does it.
//!
//! It promises to overwrite nothing: a second call says what is there, and changes nothing.

use crate::state::LongestLease;
use anyhow::{Context as _, Result, bail};
use mooring_config::{
    AnchorConfig, AuditLog, Clients, Config, Connections, HwidConfig, Lease, Pkcs11Config, Tls,
    UsbConfig, print,
};
use mooring_net::random;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Flags.
#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// The folder for the configuration and what it names.
    #[arg(long, value_name = "DIR", default_value = "/etc/mooring")]
    dir: PathBuf,
    /// Where the server keeps the few things that outlast a restart.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/mooring")]
    state_dir: PathBuf,
    /// The server's name; client tokens name it.
    #[arg(long, default_value = "main")]
    name: String,
    /// Where the API listens.
    #[arg(long, value_name = "IP:PORT", default_value = "[::]:8443")]
    listen: std::net::SocketAddr,
    /// Where metrics are, in plain HTTP.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8081")]
    metrics: std::net::SocketAddr,
    /// The kind of hardware that the license is bound to.
    #[arg(long, value_enum, value_name = "KIND", default_value_t)]
    anchor: Kind,
    /// Of a pkcs11 anchor: the module that drives the token.
    #[arg(long, value_name = "FILE")]
    #[arg(default_value = "/usr/lib/softhsm/libsofthsm2.so")]
    module: PathBuf,
    /// Of a pkcs11 anchor: the token's label.
    #[arg(long, value_name = "LABEL", default_value = "mooring")]
    token_label: String,
}

/// Kinds of anchors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// A token behind a PKCS#11 module.
    #[default]
    Pkcs11,
    /// A USB device, and a key in a file.
    Usb,
    /// The machine itself, and a key in a file: the weak tier.
    Hwid,
}

fn config(a: &InitArgs, dir: &Path, state: &Path) -> Config {
    let file = |name: &str| dir.join(name);
    Config {
        name: a.name.clone(),
        namespace: None,
        listen: a.listen,
        metrics: a.metrics,
        connections: Connections::default(),
        tls: Tls {
            cert: file("server.crt"),
            key: file("server.key"),
            earlier: None,
            client_ca: Some(file("ca.crt")),
        },
        licenses: vec![file("license.mooring")],
        revocations: None,
        vendor_keys: Some(file("vendor-keys")),
        anchor: match a.anchor {
            Kind::Pkcs11 => AnchorConfig::Pkcs11(Pkcs11Config {
                module: a.module.clone(),
                token_label: a.token_label.clone(),
                pin_file: Some(file("pin")),
            }),
            Kind::Usb => AnchorConfig::Usb(UsbConfig::new(file("anchor.key"))),
            Kind::Hwid => AnchorConfig::Hwid(HwidConfig::new(file("anchor.key"), "/")),
        },
        standby: None,
        lease: Lease::default(),
        earlier_longest_lease_secs: None,
        state_dir: state.to_owned(),
        state_secret: None,
        identity_key: file("identity.key"),
        policies: None,
        token_review: false,
        operator_knows_all: false,
        clients: Some(Clients {
            keys: Some(file("client-keys")),
            issuers: Some(file("issuers.yaml")),
            revoked: Some(file("revoked")),
        }),
        admins: Vec::new(),
        audit: AuditLog::default(),
    }
}

fn create(path: &Path, mode: u32, data: &[u8]) -> Result<()> {
    let mut new = OpenOptions::new();
    let opened = new.write(true).create_new(true).mode(mode).open(path);
    let name = path.display();
    let mut f = opened.with_context(|| format!("{name}; nothing is overwritten"))?;
    let written = f.write_all(data).and_then(|()| f.sync_all());
    written.with_context(|| name.to_string())
}

fn folder(path: &Path, mode: u32) -> Result<PathBuf> {
    let made = DirBuilder::new().recursive(true).mode(mode).create(path);
    let made = made.and_then(|()| path.canonicalize());
    made.with_context(|| path.display().to_string())
}

/// Writes the files; returns what is still to be done.
pub(crate) fn init(a: &InitArgs) -> Result<String> {
    if a.name.is_empty() || a.name.len() > 253 || a.name.chars().any(char::is_control) {
        bail!("--name: expected 1 to 253 characters in one line");
    }
    let dir = folder(&a.dir, 0o755)?;
    let state = folder(&a.state_dir, 0o700)?;
    let path = dir.join("config.yaml");
    if path.exists() {
        let path = path.display();
        bail!("{path} is there already; nothing is overwritten");
    }
    let identity = dir.join("identity.key");
    if !identity.exists() {
        create(&identity, 0o600, &random::bytes::<32>())?;
    }
    let revoked = dir.join("revoked");
    if !revoked.exists() {
        let text = "# Revoked clients, one a line: a client token's id, or subject:NAME. Read anew within two seconds.\n";
        create(&revoked, 0o644, text.as_bytes())?;
    }
    // A new server has granted no lease yet, which only who sets it up can know: so its first start
    // need not wait for any.
    let mut longest = LongestLease::open(&state)?;
    if longest.known().is_none() {
        longest.raise(Duration::ZERO)?;
    }
    let text = print::commented(&config(a, &dir, &state))?;
    create(&path, 0o644, text.as_bytes())?;
    let anchor = match a.anchor {
        Kind::Pkcs11 => "pin                              the token's PIN, mode 0600",
        Kind::Usb => "anchor.key                       mooring license anchor usb --generate",
        Kind::Hwid => "anchor.key                       mooring license anchor hwid --generate",
    };
    Ok(format!(
        "Written: {path}\n\nStill to come, in {dir}:\n  \
         server.crt, server.key, ca.crt   mooring pki\n  \
         {anchor}\n  \
         license.mooring, vendor-keys     from the vendor\n  \
         client-keys                      mooring client keygen (or take `clients` out of the configuration)\n\n\
         Then: mooring-server check-config --config {path}",
        path = path.display(),
        dir = dir.display()
    ))
}

#[cfg(test)]
mod tests;
