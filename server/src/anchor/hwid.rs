//! The anchor `hwid`: enough of the machine is what the license knows it by.

use super::{Lost, other_kind};
use mooring_config::HwidConfig;
use mooring_core::license::{AnchorKey, AnchorKind};
use mooring_core::reason::AnchorReason;
use mooring_hardware::hwid;

/// A machine, as it was last seen.
pub(super) struct Machine {
    pub(super) config: HwidConfig,
    /// What was last told to be missing, while the machine is still the one.
    told_missing: Option<String>,
}

impl Machine {
    pub(super) fn new(config: HwidConfig) -> Self {
        Self {
            config,
            told_missing: None,
        }
    }

    pub(super) fn judge(&mut self, entry: &AnchorKey) -> Result<(), Lost> {
        let wanted = entry.hwid.as_ref();
        let wanted = wanted.ok_or_else(|| other_kind(entry, AnchorKind::Hwid))?;
        let root = &self.config.host_root;
        let found = hwid::read(root).map_err(|e| {
            let todo = "check anchor.hwid.hostRoot (--host-root), and that the host's paths are mounted there";
            Lost::new(AnchorReason::HostUnreadable, format!("the machine cannot be read: {e}; {todo}"))
        })?;
        let hwid::Found { facts, unread, .. } = found;
        let verdict = hwid::judge(wanted, &facts);
        let missing = verdict.missing_words();
        let (found, k) = (verdict.found.len(), verdict.k);
        if verdict.is_the_machine() {
            if !verdict.missing.is_empty() && self.told_missing.as_ref() != Some(&missing) {
                let todo = "have the license issued anew before more of it changes";
                tracing::warn!(
                    missing,
                    found,
                    k,
                    "the machine has changed, and is still the license's; {todo}"
                );
            }
            self.told_missing = Some(missing).filter(|_| !verdict.missing.is_empty());
            return Ok(());
        }
        let said = if found < k {
            let all = wanted.items.len();
            format!(
                "{found} of the {all} things that the license knows this machine by are found, expected at least {k}"
            )
        } else {
            "nothing of its hardware is what the license knows this machine by".into()
        };
        if unread.is_empty() {
            let todo = "run on the machine that the license was issued for, or have it issued for this one (mooring license anchor hwid)";
            let m = format!("{said}; not found: {missing}; {todo}");
            return Err(Lost::new(AnchorReason::HostChanged, m));
        }
        let denied = unread.iter().map(|u| format!("{} ({})", u.item, u.why));
        let denied = denied.collect::<Vec<_>>().join(", ");
        let todo = "run as UID 0, with the host's paths mounted under anchor.hwid.hostRoot";
        let m = format!("{said}; not found: {missing}; not readable: {denied}; {todo}");
        Err(Lost::new(AnchorReason::HostUnreadable, m))
    }
}
