//! A token: SoftHSM's store, made here.

use super::{run, words};
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};

/// The token's PIN.
pub const PIN: &str = "648219";
/// Where the store lies on its node.
pub(super) const ON_NODE: &str = "/var/lib/anchor";

/// A token.
#[derive(Debug)]
pub struct Anchor {
    pub label: String,
    /// What `mooring license anchor` said of it.
    pub description: PathBuf,
    pub(super) store: PathBuf,
}

impl Anchor {
    /// Makes a token with a key that cannot leave it.
    pub async fn make(cli: &Path, dir: &Path, label: &str) -> Result<Self> {
        let store = dir.join(label);
        std::fs::create_dir_all(store.join("tokens"))?;
        let conf = dir.join(format!("{label}.conf"));
        let at_node = PathBuf::from(format!("{ON_NODE}/{label}"));
        for (path, tokens) in [(&conf, &store), (&store.join("softhsm2.conf"), &at_node)] {
            let tokens = tokens.join("tokens");
            let text = format!(
                "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
                tokens.display()
            );
            std::fs::write(path, text)?;
        }
        let pin = dir.join(format!("{label}.pin"));
        std::fs::write(&pin, PIN)?;
        let env = format!("SOFTHSM2_CONF={}", conf.display());
        let token = format!("--label {label} --pin {PIN} --so-pin 12345678");
        let init = format!("{env} softhsm2-util --init-token --free {token}");
        let made = run("env", &words(&init), None).await?;
        made.ok("making a token (is softhsm2 installed?)")?;
        let description = dir.join(format!("{label}.anchor.yaml"));
        let (cli, pin, module) = (cli.display(), pin.display(), module()?);
        let flags = format!("--module {module} --token-label {label} --pin-file {pin} --generate");
        let line = format!("{env} {cli} license anchor pkcs11 {flags}");
        let out = run("env", &words(&line), None).await?;
        std::fs::write(&description, out.ok("making the anchor's key")?)?;
        Ok(Self {
            label: label.to_owned(),
            description,
            store,
        })
    }

    /// The configuration of SoftHSM, on the node and in the server's pod.
    pub fn softhsm_conf(&self) -> String {
        format!("{ON_NODE}/{}/softhsm2.conf", self.label)
    }
}

/// SoftHSM's module on this machine, where it makes the token.
pub fn module() -> Result<&'static str> {
    let places = [
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    ];
    let found = places.into_iter().find(|p| Path::new(p).exists());
    found.context("SoftHSM's module is not on this machine; install softhsm2")
}
