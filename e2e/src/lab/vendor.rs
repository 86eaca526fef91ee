//! The software vendor: a key, and licenses made with the tool that vendors use.

use super::run_words;
use anyhow::{Context as _, Result};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A vendor with a key.
#[derive(Debug)]
pub struct Vendor {
    cli: PathBuf,
    dir: PathBuf,
    key: PathBuf,
    /// The public key, `ed25519:‹hex›`.
    pub public: String,
}

impl Vendor {
    pub async fn new(cli: &Path, dir: &Path) -> Result<Self> {
        let key = dir.join("vendor.key");
        let keygen = format!("license keygen --out {}", key.display());
        let made = run_words(cli, &keygen).await?;
        let out = made.ok("making the vendor's key")?;
        let found = out.split_whitespace().find(|w| w.starts_with("ed25519:"));
        let public = found
            .with_context(|| format!("no public key in what keygen said: {out}"))?
            .to_owned();
        Ok(Self {
            cli: cli.to_owned(),
            dir: dir.to_owned(),
            key,
            public,
        })
    }

    /// The public key's 64 hexadecimal digits.
    pub fn hex(&self) -> &str {
        self.public.trim_start_matches("ed25519:")
    }

    /// A license for some seats of products, bound to an anchor that is described in a file.
    /// `extra` are further lines of the order.
    pub async fn license(
        &self,
        name: &str,
        products: &[(String, u32)],
        anchor: &Path,
        extra: &str,
    ) -> Result<String> {
        let expires = if extra.contains("expires:") {
            ""
        } else {
            "expires: never\n"
        };
        let mut order = format!("id: {name}\ncustomer: A customer\n{expires}{extra}");
        order.push_str("pools:\n");
        for (p, n) in products {
            let _ = writeln!(order, "- {{name: {p}, seats: {n}}}");
        }
        order.push_str("products:\n");
        for (p, _) in products {
            let _ = writeln!(order, "- {{name: {p}, from: [[{{pool: {p}}}]]}}");
        }
        let path = self.dir.join(format!("{name}.order.yaml"));
        let out = self.dir.join(format!("{name}.license"));
        std::fs::write(&path, order)?;
        let allow = "--allow-software-token --allow-anchor=usb --allow-anchor=hwid --force";
        let line = format!(
            "license issue --key {} --anchor {} {allow} --out {} {}",
            self.key.display(),
            anchor.display(),
            out.display(),
            path.display()
        );
        let issued = run_words(&self.cli, &line).await?;
        issued.ok("issuing a license")?;
        Ok(std::fs::read_to_string(out)?)
    }
}
