//! The license files: read, checked, read anew when they change.
//!
//! A bad new file is refused loudly while the good old one stays in force; each file stands for
//! itself. Files are compared by content: Kubernetes swaps whole mounted folders, and times and
//! inodes say little. The vendor's revocation list is read the same way.

mod memory;

pub(crate) use memory::Memory;

use crate::keys;
use mooring_config::Config;
use mooring_core::frontend::LicenseView;
use mooring_core::license::{
    License, LicenseError, OpenLicense, OpenRevocations, PublicKey, RevocationsError, Revoked,
    Trust,
};
use mooring_core::reason::LicenseReason;
use mooring_core::time::Timestamp;
use mooring_core::wire::{LicenseFileView, ReplacedElsewhere};
use mooring_net::sync::Current;
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
    #[error(
        "license field id: {id:?} is also that of {}, which counts; take one of them away",
        other.display()
    )]
    Twice { id: String, other: PathBuf },
    #[error(
        "license field id: {:?} was superseded by license {:?}, which LicenseServer {} serves on this anchor; take this file \
         away, or that server",
        .0.id, .0.by, .0.server
    )]
    Elsewhere(ReplacedElsewhere),
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
            Self::Superseded { .. } | Self::Elsewhere(_) => LicenseReason::Superseded,
            Self::Twice { .. } => LicenseReason::Twice,
            Self::Revoked(_) => LicenseReason::Revoked,
            Self::ListUnreadable { .. } => LicenseReason::RevocationsUnreadable,
            Self::List(e) => e.reason(),
            Self::OtherAnchor { .. } => LicenseReason::NotForThisAnchor,
        }
    }
}

/// What is read beside the license files: it speaks of all of them.
#[derive(Clone, PartialEq, Eq)]
struct Beside {
    keys: Option<Result<Vec<PublicKey>, FileError>>,
    /// None: there is no such file, which is no fault: a vendor that revoked nothing sends none.
    revocations: Option<Result<String, FileError>>,
}

impl Beside {
    fn trust(&self) -> Result<Trust<'_>, FileError> {
        match &self.keys {
            None => Ok(Trust::Unchecked),
            Some(Ok(keys)) => Ok(Trust::Pinned(keys)),
            Some(Err(e)) => Err(e.clone()),
        }
    }
}

/// One license file.
struct LicenseFile {
    path: PathBuf,
    contents: Option<Result<String, FileError>>,
    /// The one that holds.
    good: Option<Arc<OpenLicense>>,
    /// The last of it that came into force.
    served: Option<Arc<OpenLicense>>,
    /// Why the present contents are not the one that holds.
    refused: Option<FileError>,
}

impl LicenseFile {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            contents: None,
            good: None,
            served: None,
            refused: None,
        }
    }

    /// Looks at the file; `judge` says whether contents are good, and `other` whether what they are
    /// judged by has changed. Returns whether anything changed.
    fn look(
        &mut self,
        other: bool,
        judge: impl Fn(&str) -> Result<OpenLicense, FileError>,
    ) -> bool {
        let contents = std::fs::read_to_string(&self.path);
        let contents = contents.map_err(|e| FileError::Unreadable {
            path: self.path.clone(),
            problem: e.to_string(),
        });
        let same = !other && self.contents.as_ref() == Some(&contents);
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
        let judged = contents.as_ref().map_err(Clone::clone);
        let judged = judged.and_then(|text| judge(text));
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
                    return false;
                }
                let stays_in_force = self.good.as_ref().map(|g| g.license.id.as_str());
                tracing::error!(%reason, stays_in_force, file = %self.path.display(), "license refused: {e}");
                self.refused = Some(e);
            }
        }
        true
    }
}

/// The license files of a server, in the order in which they are drawn on.
pub(crate) struct LicenseFiles {
    files: Vec<LicenseFile>,
    keys_path: Option<PathBuf>,
    list_path: Option<PathBuf>,
    memory: Memory,
    /// What the operator says of other servers on the same anchor.
    elsewhere: Arc<Current<Vec<ReplacedElsewhere>>>,
    beside: Option<Beside>,
    /// Why the present revocation list is not the one that holds.
    list_refused: Option<FileError>,
}

impl LicenseFiles {
    /// The configured ones, not looked at yet, with what earlier runs have seen.
    pub(crate) fn new(config: &Config, memory: Memory) -> Self {
        Self {
            files: config
                .licenses
                .iter()
                .cloned()
                .map(LicenseFile::new)
                .collect(),
            keys_path: config.vendor_keys.clone(),
            list_path: config.revocations.clone(),
            memory,
            elsewhere: Arc::new(Current::new(Vec::new())),
            beside: None,
            list_refused: None,
        }
    }

    /// Where it hears which of its licenses another server on the anchor has replaced.
    pub(crate) fn elsewhere(&self) -> Arc<Current<Vec<ReplacedElsewhere>>> {
        self.elsewhere.clone()
    }

    /// Looks at the files. `anchor` are the keys of the hardware, where they are known. Returns
    /// whether anything changed.
    pub(crate) fn look(&mut self, now: Timestamp, anchor: Option<&[PublicKey]>) -> bool {
        let beside = Beside {
            keys: self.keys_path.as_deref().map(|p| Ok(keys::read(p)?)),
            revocations: self.list_path.as_deref().and_then(read_list),
        };
        // What an earlier pod has kept may be heard late.
        let other = self.memory.refresh() || self.beside.as_ref() != Some(&beside);
        if other {
            self.look_at_list(&beside);
        }
        let (memory, mut changed) = (&self.memory, other);
        for file in &mut self.files {
            changed |= file.look(other, |text| judge(text, &beside, memory, now, anchor));
        }
        self.beside = Some(beside);
        changed
    }

    /// Takes a revocation list in. One that is refused changes nothing: the highest known one
    /// holds.
    fn look_at_list(&mut self, beside: &Beside) {
        self.list_refused = None;
        let Some(read) = &beside.revocations else {
            return;
        };
        match judge_list(read, beside, &self.memory) {
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
    pub(crate) fn in_force(&mut self, open: &Arc<OpenLicense>) {
        self.memory.in_force(open);
        let is_it = |g: &Arc<OpenLicense>| g.digest == open.digest;
        for file in &mut self.files {
            if file.good.as_ref().is_some_and(is_it) {
                file.served = Some(open.clone());
            }
        }
    }

    pub(crate) fn revoked(&self, open: &OpenLicense, now: Timestamp) -> Option<Revoked> {
        self.memory.revokes(&open.license.id, now)
    }

    /// The last good ones, in their order; whether their dates are right is asked anew each time
    /// they are used. A revoked one is among them only where all are.
    pub(crate) fn good(&self, now: Timestamp) -> Vec<Arc<OpenLicense>> {
        let good = self.files.iter().enumerate();
        let good = good.filter_map(|(i, f)| Some((i, f.good.as_ref()?)));
        let good = good.filter(|(i, g)| self.replaced(*i, g).is_none());
        let good: Vec<Arc<OpenLicense>> = good.map(|(_, g)| g.clone()).collect();
        let unrevoked = good.iter().filter(|g| self.revoked(g, now).is_none());
        let unrevoked: Vec<Arc<OpenLicense>> = unrevoked.cloned().collect();
        if unrevoked.is_empty() {
            good
        } else {
            unrevoked
        }
    }

    /// By what this good license of file `i` is out of force, if it is: a license that was in force
    /// here, or one of another file.
    fn replaced(&self, i: usize, open: &OpenLicense) -> Option<FileError> {
        let l = &open.license;
        if let Some(by_one_before) = self.memory.superseded(&l.id) {
            return Some(by_one_before);
        }
        let elsewhere = self.elsewhere.get();
        if let Some(r) = elsewhere.iter().find(|r| r.id == l.id) {
            return Some(FileError::Elsewhere(r.clone()));
        }
        let others = self.files.iter().enumerate().filter(|(j, _)| *j != i);
        let mut others = others.filter_map(|(j, f)| Some((j, f, f.good.as_ref()?)));
        others.find_map(|(j, file, o)| {
            let other = &o.license;
            if other.supersedes.contains(&l.id) {
                return Some(FileError::Superseded {
                    id: l.id.clone(),
                    by: other.id.clone(),
                    issued: other.issued,
                });
            }
            let goes_first = (other.issued, i) > (l.issued, j);
            (other.id == l.id && goes_first).then(|| FileError::Twice {
                id: l.id.clone(),
                other: file.path.clone(),
            })
        })
    }

    /// Gives good licenses up that turned out to be for other hardware than these `keys`, and goes
    /// back to those of the same files that were in force; `is_meant`: those that are right all the
    /// same. Tells why, and whether that leaves one for these keys.
    pub(crate) fn give_up(
        &mut self,
        now: Timestamp,
        keys: &[PublicKey],
        is_meant: impl Fn(&OpenLicense) -> bool,
    ) -> (bool, Option<FileError>) {
        let (mut some, mut first) = (false, None);
        for open in self.good(now) {
            let Err(why) = for_this_anchor(&open, keys) else {
                some = true;
                continue;
            };
            if !is_meant(&open) {
                some |= self.go_back(&open, &why, keys);
            }
            first = first.or(Some(why));
        }
        (some, first)
    }

    fn go_back(&mut self, from: &OpenLicense, why: &FileError, keys: &[PublicKey]) -> bool {
        let is_it = |f: &&mut LicenseFile| f.good.as_ref().is_some_and(|g| g.digest == from.digest);
        let Some(file) = self.files.iter_mut().find(is_it) else {
            return false;
        };
        if file.refused.as_ref() != Some(why) {
            tracing::error!(reason = %why.reason(), "license refused: {why}");
        }
        let served = file.served.clone();
        file.good = served.filter(|l| for_this_anchor(l, keys).is_ok());
        file.refused = Some(why.clone());
        file.good.is_some()
    }

    /// Set if a file is refused because it is for another anchor.
    pub(crate) fn other_anchor(&self) -> Option<&FileError> {
        let mut refused = self.files.iter().filter_map(|f| f.refused.as_ref());
        refused.find(|e| matches!(e, FileError::OtherAnchor { .. }))
    }

    /// How they stand now, for people.
    pub(crate) fn view(&self, now: Timestamp) -> LicenseView {
        let files: Vec<LicenseFileView> = (0..self.files.len())
            .filter_map(|i| self.view_of(i, now))
            .collect();
        let valid = files.iter().any(|f| f.valid);
        let mut reason = match files.iter().find(|f| f.valid == valid) {
            Some(first) if files.len() == 1 || !valid => first.reason,
            _ if files.iter().all(|f| f.reason == LicenseReason::Valid) => LicenseReason::Valid,
            _ => LicenseReason::PartlyValid,
        };
        let message = |f: &LicenseFileView| match (files.len(), f.valid) {
            (1, _) | (_, true) => f.message.clone(),
            (_, false) => format!("{}: {}", f.reason, f.message),
        };
        let mut message = files.iter().map(message).collect::<Vec<_>>().join("; ");
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
        LicenseView {
            valid,
            reason,
            message,
            files,
        }
    }

    fn view_of(&self, i: usize, now: Timestamp) -> Option<LicenseFileView> {
        let file = self.files.get(i)?;
        let holds = file.good.as_ref().map(|g| {
            let why_not = self
                .replaced(i, g)
                .or_else(|| Some(self.revoked(g, now)?.into()));
            why_not.map_or(Ok(()), Err)?;
            let dates = g.license.check_dates(now);
            dates.map(|()| g).map_err(FileError::from)
        });
        let (reason, message) = match (&holds, &file.refused) {
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
        let valid = holds.and_then(Result::ok);
        Some(LicenseFileView {
            valid: valid.is_some(),
            reason,
            message,
            id: valid.map(|g| g.license.id.clone()),
            supersedes: valid
                .map(|g| self.memory.before(&g.license))
                .unwrap_or_default(),
            standbys: valid.map_or(0, |g| standbys(&g.license)),
        })
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
}

fn standbys(license: &License) -> u32 {
    let listed = license.anchors.iter().filter(|a| a.standby.is_some());
    u32::try_from(listed.count()).unwrap_or(u32::MAX)
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
    beside: &Beside,
    memory: &Memory,
) -> Result<(&'c str, OpenRevocations), FileError> {
    let text = read.as_ref().map_err(Clone::clone)?;
    let open = OpenRevocations::read(text, beside.trust()?)?;
    if let Some(known) = memory.list() {
        open.follows(known)?;
    }
    Ok((text, open))
}

fn judge(
    text: &str,
    beside: &Beside,
    memory: &Memory,
    now: Timestamp,
    anchor: Option<&[PublicKey]>,
) -> Result<OpenLicense, FileError> {
    let open = OpenLicense::read(text, beside.trust()?)?;
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
