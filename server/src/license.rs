//! The license file: read, checked, read anew when it changes.
//!
//! A bad new file is refused loudly while the good old one stays in force. Files are compared by
//! content: Kubernetes swaps whole mounted folders, and times and inodes say little. The vendor's
//! revocation list is read the same way.

mod memory;

pub(crate) use memory::Memory;

use crate::keys;
use mooring_core::frontend::LicenseView;
use mooring_core::license::{
    LicenseError, OpenLicense, OpenRevocations, PublicKey, RevocationsError, Revoked, Trust,
};
use mooring_core::reason::LicenseReason;
use mooring_core::time::Timestamp;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a file gives no license.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FileError {
    /// It cannot be read.
    #[error("license file {path}: {problem}; check the license's Secret and its key")]
    Unreadable {
        /// Where.
        path: PathBuf,
        /// The system's word.
        problem: String,
    },
    /// The vendor's keys cannot be read.
    #[error(
        "vendor keys {path}: {problem}; expected a line \"ed25519:‹64 hex digits›\" for each key"
    )]
    Keys {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// It is refused.
    #[error("{0}")]
    License(#[from] LicenseError),
    /// A newer one was in force here.
    #[error(
        "license field id: {id:?} was superseded by license {by:?}, issued {issued}, which has been in force here; put that one \
         back, or ask the vendor for a newer one"
    )]
    Superseded {
        /// Its id.
        id: String,
        /// The id of the newer one.
        by: String,
        /// When that was issued.
        issued: Timestamp,
    },
    /// The vendor took it back.
    #[error("{0}")]
    Revoked(#[from] Revoked),
    /// The revocation list cannot be read.
    #[error(
        "revocation list {path}: {problem}; check the file that the configuration field revocations names"
    )]
    ListUnreadable {
        /// Where.
        path: PathBuf,
        /// The system's word.
        problem: String,
    },
    /// The revocation list is refused.
    #[error("{0}")]
    List(#[from] RevocationsError),
    /// It is bound to other hardware.
    #[error(
        "license field anchors: it is issued for {listed}, and the anchor here has {present}; plug in the right token, or have \
         the license issued for this one (mooring license anchor shows its key)"
    )]
    OtherAnchor {
        /// The anchors it names.
        listed: String,
        /// The keys of the one here.
        present: String,
    },
}

impl FileError {
    /// The same in a word.
    pub(crate) fn reason(&self) -> LicenseReason {
        match self {
            Self::Unreadable { .. } => LicenseReason::Unreadable,
            Self::Keys { .. } => LicenseReason::VendorKeysInvalid,
            Self::License(e) => e.reason(),
            Self::Superseded { .. } => LicenseReason::Superseded,
            Self::Revoked(_) => LicenseReason::Revoked,
            Self::ListUnreadable { .. } => LicenseReason::RevocationsUnreadable,
            Self::List(e) => e.reason(),
            Self::OtherAnchor { .. } => LicenseReason::NotForThisAnchor,
        }
    }
}

/// What the files hold.
#[derive(Clone, PartialEq, Eq)]
struct Contents {
    license: Result<String, FileError>,
    keys: Option<Result<Vec<PublicKey>, FileError>>,
    /// None: there is no such file, which is no fault: a vendor that revoked nothing sends none.
    revocations: Option<Result<String, FileError>>,
}

impl Contents {
    fn trust(&self) -> Result<Trust<'_>, FileError> {
        let keys = self.keys.as_ref().map(|k| k.as_ref().map_err(Clone::clone));
        Ok(keys
            .transpose()?
            .map_or(Trust::Unchecked, |k| Trust::Pinned(k)))
    }
}

/// The license file and what became of it.
pub(crate) struct LicenseFile {
    path: PathBuf,
    keys_path: Option<PathBuf>,
    list_path: Option<PathBuf>,
    memory: Memory,
    contents: Option<Contents>,
    /// The one that holds.
    good: Option<Arc<OpenLicense>>,
    /// Why the present contents are not the one that holds.
    refused: Option<FileError>,
    /// Why the present revocation list is not the one that holds.
    list_refused: Option<FileError>,
}

impl LicenseFile {
    /// One that was not looked at yet.
    pub(crate) fn new(path: PathBuf, keys_path: Option<PathBuf>) -> Self {
        Self {
            path,
            keys_path,
            list_path: None,
            memory: Memory::default(),
            contents: None,
            good: None,
            refused: None,
            list_refused: None,
        }
    }

    /// The same with the vendor's revocation list beside it.
    pub(crate) fn with_revocations(self, list_path: Option<PathBuf>) -> Self {
        Self { list_path, ..self }
    }

    /// The same with what earlier runs have seen.
    pub(crate) fn with_memory(self, memory: Memory) -> Self {
        Self { memory, ..self }
    }

    /// Looks at the files. `anchor` are the keys of the hardware, where they are known. Returns
    /// whether anything changed.
    pub(crate) fn look(&mut self, now: Timestamp, anchor: Option<&[PublicKey]>) -> bool {
        let contents = self.read();
        let same = self.contents.as_ref() == Some(&contents);
        // A refusal may end with time, or with another anchor; everything else changes with the
        // files alone.
        let may_end = matches!(
            self.refused,
            Some(
                FileError::License(LicenseError::NotYet { .. } | LicenseError::Expired { .. })
                    | FileError::OtherAnchor { .. }
            )
        );
        if same && !may_end {
            return false;
        }
        if !same {
            self.look_at_list(&contents);
        }
        let judged = judge(&contents, &self.memory, now, anchor);
        self.contents = Some(contents);
        match judged {
            Ok(open) => {
                tracing::info!(license = %open.license.id, customer = %open.license.customer, digest = %open.digest, "license read");
                self.good = Some(Arc::new(open));
                self.refused = None;
            }
            Err(e) => {
                // The time in it would otherwise make each look a change.
                if same
                    && self
                        .refused
                        .as_ref()
                        .is_some_and(|r| r.reason() == e.reason())
                {
                    return false;
                }
                let stays = self.good.as_ref().map(|g| g.license.id.as_str());
                tracing::error!(
                    reason = %e.reason(),
                    stays_in_force = stays,
                    "license refused: {e}"
                );
                self.refused = Some(e);
            }
        }
        true
    }

    /// Takes a revocation list in. One that is refused changes nothing: the highest known one
    /// holds.
    fn look_at_list(&mut self, contents: &Contents) {
        self.list_refused = None;
        let Some(read) = &contents.revocations else {
            return;
        };
        match judge_list(read, contents, &self.memory) {
            Ok((text, open)) => {
                let known = self.memory.list().map(|l| &l.digest);
                if known != Some(&open.digest) {
                    let l = &open.list;
                    tracing::info!(number = l.number, issued = %l.issued, revoked = l.revoked.len(), "revocation list read");
                }
                self.memory.take(text, open);
            }
            Err(e) => {
                let stays = self.memory.list().map(|l| l.list.number);
                tracing::error!(
                    reason = %e.reason(),
                    stays_in_force = stays,
                    "revocation list refused: {e}"
                );
                self.list_refused = Some(e);
            }
        }
    }

    /// This license came into force: what it supersedes is refused from now on.
    pub(crate) fn in_force(&mut self, open: &OpenLicense) {
        self.memory.in_force(open);
    }

    /// Whether this license is revoked.
    pub(crate) fn revoked(&self, open: &OpenLicense, now: Timestamp) -> Option<Revoked> {
        self.memory.revokes(&open.license.id, now)
    }

    /// The last good one; whether its dates are right is asked anew each time it is used.
    pub(crate) fn good(&self) -> Option<&Arc<OpenLicense>> {
        self.good.as_ref()
    }

    /// Gives a good license up that turned out to be for other hardware, and goes back to the one
    /// in force.
    pub(crate) fn give_up(&mut self, why: FileError, back_to: Option<Arc<OpenLicense>>) {
        if self.refused.as_ref() != Some(&why) {
            tracing::error!(reason = %why.reason(), "license refused: {why}");
        }
        self.good = back_to;
        self.refused = Some(why);
    }

    /// Set if the present file is refused because it is for another anchor.
    pub(crate) fn other_anchor(&self) -> Option<&FileError> {
        self.refused
            .as_ref()
            .filter(|e| matches!(e, FileError::OtherAnchor { .. }))
    }

    /// How it stands now, for people.
    pub(crate) fn view(&self, now: Timestamp) -> LicenseView {
        let id = self.good.as_ref().map(|g| g.license.id.clone());
        let holds = self.good.as_ref().map(|g| {
            self.revoked(g, now)
                .map_or(Ok(()), |r| Err(FileError::from(r)))
                .and_then(|()| Ok(g.license.check_dates(now)?))
        });
        let (valid, reason, message) = match (holds, &self.refused) {
            (Some(Ok(())), None) => (true, LicenseReason::Valid, self.describe(now)),
            (Some(Ok(())), Some(e)) => (
                true,
                LicenseReason::NewLicenseRefused,
                format!(
                    "the new file is refused: {e}; {} stays in force",
                    self.describe(now)
                ),
            ),
            (Some(Err(e)), None) => (false, e.reason(), e.to_string()),
            (Some(Err(e)), Some(new)) if e == *new => (false, e.reason(), e.to_string()),
            (Some(Err(e)), Some(new)) => (
                false,
                e.reason(),
                format!("{e}; the new file is refused: {new}"),
            ),
            (None, Some(e)) => (false, e.reason(), e.to_string()),
            (None, None) => (
                false,
                LicenseReason::Starting,
                "the license file was not read yet".into(),
            ),
        };
        let (reason, message) = match &self.list_refused {
            Some(e) if reason == LicenseReason::Valid => {
                (LicenseReason::RevocationsRefused, format!("{message}; {e}"))
            }
            Some(e) => (reason, format!("{message}; {e}")),
            None => (reason, message),
        };
        LicenseView {
            valid,
            reason,
            message,
            id: if valid { id } else { None },
        }
    }

    fn describe(&self, now: Timestamp) -> String {
        let Some(g) = &self.good else {
            return String::new();
        };
        let until = g
            .license
            .expires
            .map_or_else(|| "without end".into(), |t| format!("until {t}"));
        let signed = match &g.signed_by {
            Some(k) => format!("signed by vendor key {k}"),
            None => "its signature is not checked here, for want of vendorKeys".into(),
        };
        let kind = match (g.license.emergency, g.license.test) {
            (true, _) => "EMERGENCY license",
            (false, true) => "TEST license",
            (false, false) => "license",
        };
        let list = self.memory.list().map(|l| {
            let l = &l.list;
            let due = l.next.filter(|n| *n <= now);
            let due = due.map(|n| format!(" (a newer one was due {n}; ask the vendor for it)"));
            format!(
                ", not revoked by list {} of {}{}",
                l.number,
                l.issued,
                due.unwrap_or_default()
            )
        });
        format!(
            "{kind} {} of {}, {until}, {signed}{}",
            g.license.id,
            g.license.customer,
            list.unwrap_or_default()
        )
    }

    fn read(&self) -> Contents {
        let unreadable = |e: std::io::Error| FileError::Unreadable {
            path: self.path.clone(),
            problem: e.to_string(),
        };
        Contents {
            license: std::fs::read_to_string(&self.path).map_err(unreadable),
            keys: self.keys_path.as_deref().map(vendor_keys),
            revocations: self.list_path.as_deref().and_then(read_list),
        }
    }
}

fn read_list(path: &Path) -> Option<Result<String, FileError>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Some(Ok(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
        Err(e) => Some(Err(FileError::ListUnreadable {
            path: path.to_owned(),
            problem: e.to_string(),
        })),
    }
}

/// Whether this list may take the place of the one that is known. Its text, and what it says.
fn judge_list<'c>(
    read: &'c Result<String, FileError>,
    contents: &Contents,
    memory: &Memory,
) -> Result<(&'c str, OpenRevocations), FileError> {
    let text = read.as_ref().map_err(Clone::clone)?;
    let open = OpenRevocations::read(text, contents.trust()?)?;
    if let Some(known) = memory.list() {
        open.follows(known)?;
    }
    Ok((text, open))
}

fn judge(
    contents: &Contents,
    memory: &Memory,
    now: Timestamp,
    anchor: Option<&[PublicKey]>,
) -> Result<OpenLicense, FileError> {
    let text = contents.license.as_ref().map_err(Clone::clone)?;
    let open = OpenLicense::read(text, contents.trust()?)?;
    open.license.check_dates(now)?;
    if let Some(s) = memory.superseded(&open.license.id) {
        return Err(FileError::Superseded {
            id: open.license.id,
            by: s.by.clone(),
            issued: s.issued,
        });
    }
    if let Some(r) = memory.revokes(&open.license.id, now) {
        return Err(r.into());
    }
    if let Some(present) = anchor {
        for_this_anchor(&open, present)?;
    }
    Ok(open)
}

/// Whether the license is bound to one of these keys.
pub(crate) fn for_this_anchor(open: &OpenLicense, present: &[PublicKey]) -> Result<(), FileError> {
    if open
        .license
        .anchors
        .iter()
        .any(|a| present.contains(&a.key))
    {
        return Ok(());
    }
    let ids = |keys: &mut dyn Iterator<Item = PublicKey>| {
        let v: Vec<String> = keys.map(|k| format!("key {}", k.id())).collect();
        if v.is_empty() {
            "no key".into()
        } else {
            v.join(", ")
        }
    };
    let listed = ids(&mut open.license.anchors.iter().map(|a| a.key));
    Err(FileError::OtherAnchor {
        listed,
        present: ids(&mut present.iter().copied()),
    })
}

/// Reads the vendor's keys.
fn vendor_keys(path: &Path) -> Result<Vec<PublicKey>, FileError> {
    keys::read(path).map_err(|e| FileError::Keys {
        path: e.path,
        problem: e.problem,
    })
}

#[cfg(test)]
mod tests;
