//! A token behind a PKCS#11 module.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A token behind a PKCS#11 module.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Pkcs11Config {
    /// The module, a shared library.
    pub module: PathBuf,
    /// The token's label, as pkcs11-tool -L shows it.
    pub token_label: String,
    /// Where its PIN is; absent for tokens that sign without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin_file: Option<PathBuf>,
}

impl Pkcs11Config {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.token_label.trim().is_empty() {
            return Err("pkcs11.tokenLabel is empty; expected the token's label, as pkcs11-tool -L shows it".into());
        }
        Ok(())
    }
}
