//! A machine, which the license knows, and a key in a file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A machine, which the license knows, and a key in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HwidConfig {
    /// The key: Ed25519 (PKCS#8, PEM), for owner and group alone.
    pub key_file: PathBuf,
    /// Where the machine's root is mounted, if not at /.
    #[serde(default = "root", skip_serializing_if = "is_root")]
    pub host_root: PathBuf,
}

impl HwidConfig {
    /// With this key, and the machine's root mounted there.
    pub fn new(key_file: impl Into<PathBuf>, host_root: impl Into<PathBuf>) -> Self {
        Self {
            key_file: key_file.into(),
            host_root: host_root.into(),
        }
    }
}

fn root() -> PathBuf {
    "/".into()
}

fn is_root(path: &Path) -> bool {
    path == Path::new("/")
}
