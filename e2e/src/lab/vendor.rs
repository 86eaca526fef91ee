//! The software vendor: a key, and licenses made with the tool that vendors use.

use super::anchor::Anchor;
use super::run;
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
    /// Makes a key.
    pub async fn new(cli: &Path, dir: &Path) -> Result<Self> {
        let key = dir.join("vendor.key");
        let args = ["license", "keygen", "--out", &key.to_string_lossy()];
        let out = run(&cli.to_string_lossy(), &args, None)
            .await?
            .ok("making the vendor's key")?;
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

    /// A license for some seats of products, bound to an anchor. `extra` are further lines of the
    /// order.
    pub async fn license(
        &self,
        name: &str,
        products: &[(&str, u32)],
        anchor: &Anchor,
        extra: &str,
    ) -> Result<String> {
        self.license_for(name, products, &anchor.description, extra)
            .await
    }

    /// The same for an anchor that is described in a file.
    pub async fn license_for(
        &self,
        name: &str,
        products: &[(&str, u32)],
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
        let text = |p: &Path| p.to_string_lossy().into_owned();
        let args = [
            "license".into(),
            "issue".into(),
            "--key".into(),
            text(&self.key),
            "--anchor".into(),
            text(anchor),
            "--allow-software-token".into(),
            "--allow-anchor=usb".into(),
            "--allow-anchor=hwid".into(),
            "--force".into(),
            "--out".into(),
            text(&out),
            text(&path),
        ];
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        run(&self.cli.to_string_lossy(), &args, None)
            .await?
            .ok("issuing a license")?;
        Ok(std::fs::read_to_string(out)?)
    }
}
