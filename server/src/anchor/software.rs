//! The software key of a `usb` or `hwid` anchor: a file that was made on that machine, bound in the
//! license with what must be present.

use super::Lost;
use mooring_core::license::{AnchorKey, PublicKey, SigningKey};
use mooring_core::reason::AnchorReason;
use mooring_net::key_file;
use std::path::Path;

/// The key of the open anchor; none while it is closed.
#[derive(Default)]
pub(super) struct SoftwareKey(Option<SigningKey>);

impl SoftwareKey {
    /// Reads it anew; `field` is the configuration's name of the file.
    pub(super) fn open(&mut self, file: &Path, field: &str) -> Result<Vec<PublicKey>, Lost> {
        let key = key_file::read(file).map_err(|e| {
            let todo = format!("check {field}, or the Secret that is mounted there");
            Lost::new(AnchorReason::KeyFileUnusable, format!("{e}; {todo}"))
        })?;
        Ok(vec![self.0.insert(key).public()])
    }

    /// Signs with it; it must be the entry's.
    pub(super) fn sign(&self, entry: &AnchorKey, message: &[u8]) -> Result<Vec<u8>, Lost> {
        match &self.0 {
            Some(k) if k.public() == entry.key => Ok(k.sign(message)),
            _ => {
                let m = format!("the key file does not hold the key {}", entry.key.id());
                Err(Lost::new(AnchorReason::KeyNotFound, m))
            }
        }
    }

    /// Lets go of it.
    pub(super) fn close(&mut self) {
        self.0 = None;
    }
}
