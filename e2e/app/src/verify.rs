//! Verifying with the client library and the vendor's key alone.

use crate::report;
use anyhow::{Context as _, bail};
use clap::Args;
use mooring_client::{Licensed, Mooring, VendorKey};
use serde_json::{Value, json};
use std::process::ExitCode;

/// What to verify with. A real application compiles these in; a test's come from the environment.
#[derive(Clone, Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The vendor's Ed25519 key, 64 hexadecimal digits, with or without "ed25519:" before them.
    #[arg(long, env = "MOORING_E2E_VENDOR_KEY", default_value = "")]
    vendor_key: String,
    /// The product this application is.
    #[arg(long, env = "MOORING_E2E_PRODUCT", default_value = "")]
    product: String,
    /// This application's version.
    #[arg(long, env = "MOORING_E2E_VERSION")]
    app_version: Option<String>,
    /// The day it was built.
    #[arg(long, env = "MOORING_E2E_BUILT_ON")]
    built_on: Option<String>,
}

impl VerifyArgs {
    /// Whether there is anything to verify with.
    pub(crate) fn is_set(&self) -> bool {
        !self.vendor_key.is_empty() && !self.product.is_empty()
    }

    /// Verifies once, and writes down what came of it.
    pub(crate) fn report(&self) -> bool {
        let verified = self.verify();
        match &verified {
            Ok(v) => report::full_line("verified", &describe(v)),
            Err(e) => report::full_line("verifyError", &format!("{e:#}").into()),
        }
        verified.is_ok()
    }

    fn verify(&self) -> anyhow::Result<Licensed> {
        let key = key(&self.vendor_key).context("MOORING_E2E_VENDOR_KEY")?;
        let mut builder = Mooring::builder(&[key]);
        if let Some(v) = &self.app_version {
            builder = builder.app_version(v);
        }
        if let Some(day) = &self.built_on {
            builder = builder.built_on(day);
        }
        Ok(builder.connect()?.verify(&self.product)?)
    }
}

fn key(text: &str) -> anyhow::Result<VendorKey> {
    let hex = text.trim();
    let hex = hex.strip_prefix("ed25519:").unwrap_or(hex);
    if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        bail!("{text:?}: expected 64 hexadecimal digits");
    }
    Ok(VendorKey::from_hex(hex))
}

fn describe(v: &Licensed) -> Value {
    json!({
        "product": v.product, "seats": v.seats, "fresh": v.fresh, "untilBootMs": v.until.as_millis(),
        "anchor": v.anchor, "software": v.software, "overdraft": v.overdraft, "test": v.test,
        "lease": v.lease, "license": v.license_id,
    })
}

/// Exit 0 if it verifies.
pub(crate) fn main(args: &VerifyArgs) -> ExitCode {
    u8::from(!args.report()).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_key_from_the_environment_is_checked() {
        let hex = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert_eq!(key(hex).unwrap(), key(&format!("ed25519:{hex}\n")).unwrap());
        assert!(key("").is_err() && key("p256:04").is_err());
    }
}
