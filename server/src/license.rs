//! The license file: read, checked, read anew when it changes.
//!
//! A bad new file is refused loudly while the good old one stays in force. Files are compared by
//! content: Kubernetes swaps whole mounted folders, and times and inodes say little. The vendor's
//! revocation list is read the same way.

mod memory;

pub(crate) use memory::Memory;

use crate::keys;
use mooring_config::Config;
use mooring_core::frontend::LicenseView;
use mooring_core::license::{
    LicenseError, OpenLicense, OpenRevocations, PublicKey, RevocationsError, Revoked, Trust,
};
use mooring_core::reason::LicenseReason;
use mooring_core::time::Timestamp;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a file gives no license.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FileError {
    #[error("license file {path}: {problem}; check the license's Secret and its key")]
    Unreadable { path: PathBuf, problem: String },
    #[error("vendor keys {0}")]
    Keys(#[from] keys::BadKeys),
    #[error("{0}")]
    License(#[from] LicenseError),
    #[error(
        "license field id: {id:?} was superseded by license {by:?}, issued {issued}, which has been in force here; put that one \
         back, or ask the vendor for a newer one"
    )]
    Superseded {
        id: String,
        by: String,
        issued: Timestamp,
    },
    #[error("{0}")]
    Revoked(#[from] Revoked),
    #[error(
        "revocation list {path}: {problem}; check the file that the configuration field revocations names"
    )]
    ListUnreadable { path: PathBuf, problem: String },
    #[error("{0}")]
    List(#[from] RevocationsError),
    #[error(
        "license field anchors: it is issued for {listed}, and the anchor here has {present}; plug in the right token, or have \
         the license issued for this one (mooring license anchor shows its key)"
    )]
    OtherAnchor { listed: String, present: String },
}

impl FileError {
    /// The same in a word.
    pub(crate) fn reason(&self) -> LicenseReason {
        match self {
            Self::Unreadable { .. } => LicenseReason::Unreadable,
            Self::Keys(_) => LicenseReason::VendorKeysInvalid,
            Self::License(e) => e.reason(),
            Self::Superseded { .. } => LicenseReason::Superseded,
            Self::Revoked(_) => LicenseReason::Revoked,
            Self::ListUnreadable { .. } => LicenseReason::RevocationsUnreadable,
            Self::List(e) => e.reason(),
            Self::OtherAnchor { .. } => LicenseReason::NotForThisAnchor,
        }
    }
}

#[derive(Clone, PartialEq, Eq)]
struct Contents {
    license: Result<String, FileError>,
    keys: Option<Result<Vec<PublicKey>, FileError>>,
    /// None: there is no such file, which is no fault: a vendor that revoked nothing sends none.
    revocations: Option<Result<String, FileError>>,
}

impl Contents {
    fn trust(&self) -> Result<Trust<'_>, FileError> {
        match &self.keys {
            None => Ok(Trust::Unchecked),
            Some(Ok(keys)) => Ok(Trust::Pinned(keys)),
            Some(Err(e)) => Err(e.clone()),
        }
    }
}

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
    /// The configured one, not looked at yet, with what earlier runs have seen.
    pub(crate) fn new(config: &Config, memory: Memory) -> Self {
        Self {
            path: config.license.clone(),
            keys_path: config.vendor_keys.clone(),
            list_path: config.revocations.clone(),
            memory,
            contents: None,
            good: None,
            refused: None,
            list_refused: None,
        }
    }

    /// Looks at the files. `anchor` are the keys of the hardware, where they are known. Returns
    /// whether anything changed.
    pub(crate) fn look(&mut self, now: Timestamp, anchor: Option<&[PublicKey]>) -> bool {
        let news = self.memory.refresh();
        let over = news && self.superseded_after_all();
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
        if same && !may_end && !news {
            return false;
        }
        if !same || news {
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
                let (reason, before) = (e.reason(), self.refused.as_ref());
                if same && before.is_some_and(|r| r.reason() == reason) {
                    return over;
                }
                let stays_in_force = self.good.as_ref().map(|g| g.license.id.as_str());
                tracing::error!(%reason, stays_in_force, "license refused: {e}");
                self.refused = Some(e);
            }
        }
        true
    }

    /// Gives up a good license that an earlier pod's word, heard only now, calls superseded.
    fn superseded_after_all(&mut self) -> bool {
        let good = self.good.as_ref();
        let Some(why) = good.and_then(|g| self.memory.superseded(&g.license.id)) else {
            return false;
        };
        self.give_up(why, None);
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
                let (reason, list) = (e.reason(), self.memory.list());
                let stays_in_force = list.map(|l| l.list.number);
                tracing::error!(%reason, stays_in_force, "revocation list refused: {e}");
                self.list_refused = Some(e);
            }
        }
    }

    /// This license came into force: what it supersedes is refused from now on.
    pub(crate) fn in_force(&mut self, open: &OpenLicense) {
        self.memory.in_force(open);
    }

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
        let refused = self.refused.as_ref();
        refused.filter(|e| matches!(e, FileError::OtherAnchor { .. }))
    }

    /// How it stands now, for people.
    pub(crate) fn view(&self, now: Timestamp) -> LicenseView {
        let holds = self.good.as_ref().map(|g| match self.revoked(g, now) {
            Some(revoked) => Err(FileError::from(revoked)),
            None => g.license.check_dates(now).map(|()| g).map_err(Into::into),
        });
        let (mut reason, mut message) = match (&holds, &self.refused) {
            (Some(Ok(good)), None) => (LicenseReason::Valid, self.describe(good, now)),
            (Some(Ok(good)), Some(new)) => {
                let good = self.describe(good, now);
                let message = format!("the new file is refused: {new}; {good} stays in force");
                (LicenseReason::NewLicenseRefused, message)
            }
            (Some(Err(e)), Some(new)) if e != new => {
                (e.reason(), format!("{e}; the new file is refused: {new}"))
            }
            (Some(Err(e)), _) | (None, Some(e)) => (e.reason(), e.to_string()),
            (None, None) => {
                let message = "the license file was not read yet";
                (LicenseReason::Starting, message.into())
            }
        };
        if let Some(e) = &self.list_refused {
            message = format!("{message}; {e}");
            if reason == LicenseReason::Valid {
                reason = LicenseReason::RevocationsRefused;
            }
        }
        if let Some(e) = self.memory.trouble() {
            message = format!(
                "{message}; which licenses are superseded or revoked does not outlive this server now: {e}"
            );
            if reason == LicenseReason::Valid {
                reason = LicenseReason::StateNotKept;
            }
        }
        let valid = holds.and_then(Result::ok);
        LicenseView {
            valid: valid.is_some(),
            reason,
            message,
            id: valid.map(|g| g.license.id.clone()),
        }
    }

    fn describe(&self, good: &OpenLicense, now: Timestamp) -> String {
        let l = &good.license;
        let until = match l.expires {
            Some(t) => format!("until {t}"),
            None => "without end".into(),
        };
        let signed = match &good.signed_by {
            Some(k) => format!("signed by vendor key {k}"),
            None => "its signature is not checked here, for want of vendorKeys".into(),
        };
        let kind = match (l.emergency, l.test) {
            (true, _) => "EMERGENCY license",
            (false, true) => "TEST license",
            (false, false) => "license",
        };
        let mut text = format!("{kind} {} of {}, {until}, {signed}", l.id, l.customer);
        if let Some(OpenRevocations { list, .. }) = self.memory.list() {
            let (number, issued) = (list.number, list.issued);
            let _ = write!(text, ", not revoked by list {number} of {issued}");
            if let Some(due) = list.next.filter(|n| *n <= now) {
                let _ = write!(text, " (a newer one was due {due}; ask the vendor for it)");
            }
        }
        text
    }

    fn read(&self) -> Contents {
        let unreadable = |e: std::io::Error| FileError::Unreadable {
            path: self.path.clone(),
            problem: e.to_string(),
        };
        Contents {
            license: std::fs::read_to_string(&self.path).map_err(unreadable),
            keys: self.keys_path.as_deref().map(|p| Ok(keys::read(p)?)),
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
    if let Some(superseded) = memory.superseded(&open.license.id) {
        return Err(superseded);
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
    let listed: Vec<PublicKey> = open.license.anchors.iter().map(|a| a.key).collect();
    if listed.iter().any(|k| present.contains(k)) {
        return Ok(());
    }
    let ids = |keys: &[PublicKey]| {
        let ids: Vec<String> = keys.iter().map(|k| format!("key {}", k.id())).collect();
        if ids.is_empty() {
            "no key".into()
        } else {
            ids.join(", ")
        }
    };
    let (listed, present) = (ids(&listed), ids(present));
    Err(FileError::OtherAnchor { listed, present })
}

#[cfg(test)]
mod tests;
