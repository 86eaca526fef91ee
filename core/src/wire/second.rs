//! Two servers on one anchor: each with licenses of its own they are two servers, as two files in
//! one. They count one license twice where both serve the same, or one serves what another has
//! replaced.

use super::LicenseFileView;

/// Whether one of two licenses that are in force stands for the other.
fn stands_for(one: &LicenseFileView, other: &LicenseFileView) -> bool {
    other
        .id
        .as_ref()
        .is_some_and(|id| one.supersedes.contains(id))
}

/// The license that two servers on one anchor would count twice, if there is one.
pub fn counted_twice<'a>(
    mine: &'a [LicenseFileView],
    others: &[LicenseFileView],
) -> Option<&'a str> {
    let twice = |m: &&LicenseFileView| {
        in_force(others)
            .any(|o| (m.id.is_some() && o.id == m.id) || stands_for(o, m) || stands_for(m, o))
    };
    in_force(mine).find(twice)?.id.as_deref()
}

/// Which of `mine` another server on the anchor has replaced: each id, and the successor's.
pub fn replaced<'a>(
    mine: &'a [LicenseFileView],
    others: &'a [LicenseFileView],
) -> impl Iterator<Item = (&'a str, &'a str)> {
    in_force(mine).filter_map(move |m| {
        let by = in_force(others).find(|o| stands_for(o, m))?;
        Some((m.id.as_deref()?, by.id.as_deref()?))
    })
}

/// Whether a server that serves these still serves what replaced the license `id`: `by`, or a
/// successor of either.
pub fn still_replaced(id: &str, by: &str, others: &[LicenseFileView]) -> bool {
    in_force(others).any(|l| {
        l.id.as_deref() == Some(by) || l.supersedes.iter().any(|old| old == by || old == id)
    })
}

fn in_force(files: &[LicenseFileView]) -> impl Iterator<Item = &LicenseFileView> {
    files.iter().filter(|l| l.valid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::LicenseReason;

    fn file(id: &str, supersedes: &[&str]) -> LicenseFileView {
        LicenseFileView {
            id: Some(id.into()),
            valid: true,
            reason: LicenseReason::Valid,
            message: String::new(),
            supersedes: supersedes.iter().map(|s| (*s).to_owned()).collect(),
            standbys: 0,
        }
    }

    #[test]
    fn different_licenses_on_one_anchor_are_two_servers() {
        let (a, b) = ([file("a", &["a0"])], [file("b", &["b0", "a0"])]);
        assert_eq!(counted_twice(&a, &b), None);
        assert_eq!(replaced(&a, &b).count(), 0);
    }

    #[test]
    fn the_same_license_or_what_replaced_it_is_one_counted_twice() {
        let old = [file("x", &[]), file("a", &[])];
        let new = [file("a3", &["a2", "a"])];
        assert_eq!(counted_twice(&old, &new), Some("a"));
        assert_eq!(counted_twice(&new, &old), Some("a3"));
        assert_eq!(counted_twice(&old, &old), Some("x"));
        // The old one gives way, never the new one.
        assert_eq!(replaced(&old, &new).collect::<Vec<_>>(), [("a", "a3")]);
        assert_eq!(replaced(&new, &old).count(), 0);
        assert_eq!(
            replaced(&old, &old).count(),
            0,
            "which of the two, nobody knows"
        );
        // One that is not in force counts nothing.
        let ended = [LicenseFileView {
            valid: false,
            ..file("a3", &["a"])
        }];
        assert_eq!(counted_twice(&old, &ended), None);
        assert_eq!(replaced(&old, &ended).count(), 0);
    }
}
