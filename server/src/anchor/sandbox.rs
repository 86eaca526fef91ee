//! What a module may not read: the server's own secrets. It runs as the server's user, so modes of
//! files do not keep it from them; Landlock does, where the kernel has it.

use landlock::{
    ABI, AccessFs, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError,
    path_beneath_rules,
};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// From now on this process and its children can read everything but these files and folders.
/// Landlock only knows what is allowed, so that is all that lies beside them, and beside each
/// folder above. What somebody puts there later is not. Without any there is nothing to forbid.
pub(super) fn hide(secrets: &[PathBuf]) -> Result<(), RulesetError> {
    let allowed = all_but(secrets);
    if allowed.is_empty() {
        return Ok(());
    }
    let read = AccessFs::from_read(ABI::V1);
    let rules = path_beneath_rules(allowed, read);
    let ruleset = Ruleset::default().handle_access(read)?.create()?;
    ruleset.add_rules(rules)?.restrict_self().map(drop)
}

fn all_but(secrets: &[PathBuf]) -> Vec<PathBuf> {
    let there = secrets.iter().filter_map(|s| s.canonicalize().ok());
    let secrets: BTreeSet<PathBuf> = there.collect();
    let above = secrets.iter().flat_map(|s| s.ancestors().skip(1));
    let folders: BTreeSet<&Path> = above.collect();
    let entries = folders.iter().filter_map(|f| f.read_dir().ok());
    let entries = entries.flatten().flatten();
    // By what it is, not by what it is called: Kubernetes mounts by symbolic links.
    let real = entries.filter_map(|e| e.path().canonicalize().ok());
    real.filter(|p| !secrets.contains(p) && !folders.contains(p.as_path()))
        .filter(|p| !secrets.iter().any(|s| p.starts_with(s)))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn all_but_the_secrets_is_what_lies_beside_them() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        // As a kubelet mounts it.
        let data = dir.join("..2026");
        std::fs::create_dir_all(data.join("tls")).unwrap();
        for file in ["tls/tls.key", "tls/tls.crt", "config.yaml"] {
            std::fs::write(data.join(file), "").unwrap();
        }
        std::os::unix::fs::symlink("..2026", dir.join("..data")).unwrap();
        std::os::unix::fs::symlink("..data/tls", dir.join("tls")).unwrap();
        std::fs::create_dir(dir.join("store")).unwrap();
        let allowed = all_but(&[dir.join("tls/tls.key"), dir.join("none")]);
        let below: Vec<_> = allowed.iter().filter(|p| p.starts_with(&dir)).collect();
        let want = ["..2026/config.yaml", "..2026/tls/tls.crt", "store"];
        assert_eq!(
            below.into_iter().collect::<BTreeSet<_>>(),
            want.map(|w| dir.join(w)).iter().collect()
        );
        assert_eq!(all_but(&[dir.join("none")]), Vec::<PathBuf>::new());
        assert!(allowed.contains(&PathBuf::from("/usr")) && !allowed.contains(&PathBuf::from("/")));
    }
}
