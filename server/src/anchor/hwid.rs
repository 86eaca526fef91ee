//! The anchor `hwid`: enough of the machine is what the license knows it by, and a software key
//! signs.

use super::software::SoftwareKey;
use super::{Anchor, Lost, other_kind};
use mooring_config::HwidConfig;
use mooring_core::license::{AnchorKey, AnchorKind, HwidItems, PublicKey};
use mooring_core::reason::AnchorReason;
use mooring_hardware::hwid;

/// A machine and a key in a file.
pub(crate) struct HwidAnchor {
    config: HwidConfig,
    key: SoftwareKey,
    /// What was last told to be missing, while the machine is still the one.
    told_missing: Option<String>,
}

impl HwidAnchor {
    /// One that is not open yet.
    pub(super) fn new(config: HwidConfig) -> Self {
        Self {
            config,
            key: SoftwareKey::default(),
            told_missing: None,
        }
    }

    fn judge(&mut self, wanted: &HwidItems) -> Result<(), Lost> {
        let root = &self.config.host_root;
        let (facts, unread) = hwid::read(root).map_err(|e| {
            let todo = "check anchor.hwid.hostRoot (--host-root), and that the host's paths are mounted there";
            Lost::new(AnchorReason::HostUnreadable, format!("the machine cannot be read: {e}; {todo}"))
        })?;
        let verdict = hwid::judge(wanted, &facts);
        let missing = verdict.missing_words();
        if verdict.is_the_machine() {
            if !verdict.missing.is_empty() && self.told_missing.as_ref() != Some(&missing) {
                tracing::warn!(
                    missing,
                    found = verdict.found.len(),
                    k = verdict.k,
                    "the machine has changed, and is still the license's; \
                    have the license issued anew before more of it changes"
                );
            }
            self.told_missing = Some(missing).filter(|_| !verdict.missing.is_empty());
            return Ok(());
        }
        let said = if verdict.found.len() < verdict.k {
            format!(
                "{} of the {} things that the license knows this machine by are found, expected at least {}",
                verdict.found.len(),
                wanted.items.len(),
                verdict.k
            )
        } else {
            "nothing of its hardware is what the license knows this machine by".into()
        };
        let denied: Vec<String> = unread
            .iter()
            .map(|u| format!("{} ({})", u.item, u.why))
            .collect();
        if denied.is_empty() {
            let todo = "run on the machine that the license was issued for, or have it issued for this one (mooring license anchor hwid)";
            return Err(Lost::new(
                AnchorReason::HostChanged,
                format!("{said}; not found: {missing}; {todo}"),
            ));
        }
        let todo = "run as UID 0, with the host's paths mounted under anchor.hwid.hostRoot";
        let m = format!(
            "{said}; not found: {missing}; not readable: {}; {todo}",
            denied.join(", ")
        );
        Err(Lost::new(AnchorReason::HostUnreadable, m))
    }
}

impl Anchor for HwidAnchor {
    fn kind(&self) -> AnchorKind {
        AnchorKind::Hwid
    }

    async fn open(&mut self, _wanted: &[PublicKey]) -> Result<Vec<PublicKey>, Lost> {
        self.key.open(&self.config.key_file, "anchor.hwid.keyFile")
    }

    async fn sign(&mut self, entry: &AnchorKey, message: &[u8]) -> Result<Vec<u8>, Lost> {
        self.present(Some(entry)).await?;
        self.key.sign(entry, message)
    }

    async fn present(&mut self, entry: Option<&AnchorKey>) -> Result<(), Lost> {
        let Some(entry) = entry else { return Ok(()) };
        let wanted = entry.hwid.clone();
        self.judge(&wanted.ok_or_else(|| other_kind(entry, AnchorKind::Hwid))?)
    }

    async fn close(&mut self) {
        self.key.close();
    }
}
