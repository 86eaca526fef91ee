//! A token: SoftHSM's store, made here.

use super::run;
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};

/// The token's PIN.
pub const PIN: &str = "648219";
/// Where the store lies on its node.
pub(super) const ON_NODE: &str = "/var/lib/anchor";

/// A token.
#[derive(Debug)]
pub struct Anchor {
    /// Its label.
    pub label: String,
    /// What `mooring license anchor` said of it.
    pub description: PathBuf,
    pub(super) store: PathBuf,
}

impl Anchor {
    /// Makes a token with a key that cannot leave it.
    pub async fn make(cli: &Path, dir: &Path) -> Result<Self> {
        Self::named(cli, dir, "mooring-e2e").await
    }

    /// The same, with another label.
    pub async fn named(cli: &Path, dir: &Path, label: &str) -> Result<Self> {
        let store = dir.join(label);
        std::fs::create_dir_all(store.join("tokens"))?;
        let conf = dir.join(format!("{label}.conf"));
        let write = |path: &Path, tokens: &str| {
            std::fs::write(
                path,
                format!(
                    "directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
                ),
            )
        };
        write(&conf, &store.join("tokens").to_string_lossy())?;
        write(
            &store.join("softhsm2.conf"),
            &format!("{ON_NODE}/{label}/tokens"),
        )?;
        let pin = dir.join(format!("{label}.pin"));
        std::fs::write(&pin, PIN)?;
        let env = format!("SOFTHSM2_CONF={}", conf.display());
        let init = [
            "softhsm2-util",
            "--init-token",
            "--free",
            "--label",
            label,
            "--pin",
            PIN,
            "--so-pin",
            "12345678",
        ];
        run("env", &[&[env.as_str()], init.as_slice()].concat(), None)
            .await?
            .ok("making a token (is softhsm2 installed?)")?;
        let description = dir.join(format!("{label}.anchor.yaml"));
        let (cli, pin) = (cli.to_string_lossy(), pin.to_string_lossy());
        let args = [
            env.as_str(),
            &cli,
            "license",
            "anchor",
            "pkcs11",
            "--module",
            &module()?,
            "--token-label",
            label,
            "--pin-file",
            &pin,
            "--generate",
        ];
        let out = run("env", &args, None)
            .await?
            .ok("making the anchor's key")?;
        std::fs::write(&description, out)?;
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

    /// Where the store lies on its node.
    pub fn folder(&self) -> &'static str {
        ON_NODE
    }
}

/// SoftHSM's module on this machine, where it makes the token.
fn module() -> Result<String> {
    let places = [
        "/usr/lib/softhsm/libsofthsm2.so",
        "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    ];
    let found = places.iter().find(|p| Path::new(p).exists());
    found
        .map(|p| (*p).to_owned())
        .context("SoftHSM's module is not on this machine; install softhsm2")
}
