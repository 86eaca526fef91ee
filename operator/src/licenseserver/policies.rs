//! Which number the policies of a license server have: it takes none with a lower one than those
//! that it has.

use super::build::POLICIES_FILE;
use super::status;
use crate::connection::Snapshot;
use k8s_openapi::api::core::v1::ConfigMap;
use mooring_api::names::ServerRef;
use mooring_core::time::Timestamp;
use mooring_core::wire::{Policies, ReplacedElsewhere, ServerState, replaced, still_replaced};

/// Policies with a number above each that was written before; those that say the same keep theirs.
/// It is at least the time in seconds, since the object that has the last one may have been
/// deleted.
pub(super) fn numbered(says: &Policies, written: Option<&ConfigMap>, now: Timestamp) -> Policies {
    let numbered = |generation| Policies {
        generation,
        ..says.clone()
    };
    let next = match written.and_then(last) {
        Some(last) if last == numbered(last.generation) => return last,
        Some(last) => last.generation.saturating_add(1),
        None => 1,
    };
    numbered(next.max(u64::try_from(now.as_second()).unwrap_or(0)))
}

/// Those that were written last.
pub(super) fn last(written: &ConfigMap) -> Option<Policies> {
    let text = written.data.as_ref()?.get(POLICIES_FILE)?;
    serde_yaml::from_str(text).ok()
}

/// Which licenses `me` must not serve, since another server on its anchor serves what replaced
/// them. What was found before stands as long as the other still serves it, or is out of sight: the
/// license is not in force here since then, and so says nothing any more.
pub(super) fn replaced_elsewhere(
    me: &Snapshot,
    others: &[(ServerRef, Snapshot)],
    before: &[ReplacedElsewhere],
) -> Vec<ReplacedElsewhere> {
    let stands = |r: &&ReplacedElsewhere| {
        let of = others.iter().find(|(name, _)| name.to_string() == r.server);
        let still = |s: &ServerState| still_replaced(&r.id, &r.by, &s.licenses);
        of.is_some_and(|(_, other)| other.says().is_none_or(still))
    };
    let mut all: Vec<ReplacedElsewhere> = before.iter().filter(stands).cloned().collect();
    for (name, other) in others.iter().filter(|(_, o)| status::same_anchor(me, o)) {
        let (Some(mine), Some(theirs)) = (me.says(), other.says()) else {
            continue;
        };
        for (id, by) in replaced(&mine.licenses, &theirs.licenses) {
            if all.iter().all(|r| r.id != id) {
                all.push(ReplacedElsewhere {
                    id: id.to_owned(),
                    by: by.to_owned(),
                    server: name.to_string(),
                });
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use mooring_core::policy::SeatPolicy;
    use mooring_core::wire::AllowedNamespaces;
    use serde_json::json;

    fn written(p: &Policies) -> ConfigMap {
        let text = serde_yaml::to_string(p).unwrap();
        ConfigMap {
            data: Some([(POLICIES_FILE.to_owned(), text)].into()),
            ..ConfigMap::default()
        }
    }

    fn these(list: &[&str]) -> Policies {
        Policies {
            allowed_namespaces: AllowedNamespaces::These(
                list.iter().map(|n| (*n).to_owned()).collect(),
            ),
            ..Policies::default()
        }
    }

    #[test]
    fn each_change_has_a_higher_number_than_all_before_it() {
        let at = |s: i64| Timestamp::from_second(s).unwrap();
        let first = numbered(&these(&["a"]), None, at(1000));
        assert_eq!(first.generation, 1000);
        let same = numbered(&these(&["a"]), Some(&written(&first)), at(2000));
        assert_eq!(same, first, "nothing changed");
        let second = numbered(&these(&[]), Some(&written(&first)), at(2000));
        assert_eq!(second.generation, 2000);
        // A clock that was set back, and two changes within a second.
        let all = Policies {
            allowed_namespaces: AllowedNamespaces::ALL,
            ..Policies::default()
        };
        let third = numbered(&all, Some(&written(&second)), at(5));
        assert_eq!(third.generation, 2001);
        // Whose the seats are is one of them.
        let shares: SeatPolicy = serde_json::from_value(json!({
            "name": "shares", "noticeSecs": 60,
            "groups": [{ "name": "a", "namespaces": ["a"], "pools": { "render": { "owned": 2 } } }]
        }))
        .unwrap();
        let shared = Policies {
            seats: Some(shares),
            ..third.clone()
        };
        let fourth = numbered(&shared, Some(&written(&third)), at(5));
        assert_eq!(fourth.generation, 2002);
        assert_eq!(numbered(&shared, Some(&written(&fourth)), at(9000)), fourth);
        // Somebody deleted the ConfigMap, or wrote nonsense into it.
        assert_eq!(numbered(&these(&["a"]), None, at(3000)).generation, 3000);
        let mut broken = written(&third);
        broken.data = Some([(POLICIES_FILE.to_owned(), "?".to_owned())].into());
        let anew = numbered(&these(&["a"]), Some(&broken), at(3000));
        assert_eq!(anew.generation, 3000);
    }

    fn server(name: &str) -> ServerRef {
        ServerRef::new("licensing", name)
    }

    /// A server on the anchor `k` that serves this license.
    fn serves(id: &str, supersedes: &[&str]) -> Snapshot {
        let file = json!({ "id": id, "valid": true, "reason": "Valid", "message": "", "supersedes": supersedes });
        let anchor = json!({ "kind": "pkcs11", "keyId": "k", "present": true, "reason": "Present", "message": "" });
        let state = json!({
            "instance": "0a".repeat(16), "version": "0.1.0", "anchor": anchor, "licenseValid": true, "licenseReason": "Valid",
            "licenseMessage": "", "licenses": [file], "settling": false, "renews": true, "leaseForSecs": 30
        });
        Snapshot {
            connected: true,
            state: Some(serde_json::from_value(state).unwrap()),
            ..Snapshot::default()
        }
    }

    #[test]
    fn an_old_license_gives_way_to_its_successor_on_the_same_anchor_and_stays_so() {
        let (old, new) = (serves("L1", &[]), serves("L3", &["L2", "L1"]));
        let others = [(server("new"), new.clone())];
        let found = replaced_elsewhere(&old, &others, &[]);
        assert_eq!(
            found,
            [ReplacedElsewhere {
                id: "L1".into(),
                by: "L3".into(),
                server: "licensing/new".into()
            }]
        );
        assert_eq!(
            replaced_elsewhere(&new, &[(server("old"), old.clone())], &[]),
            []
        );
        // From then on it says nothing of that license any more, which lifts nothing.
        let mut barred = old.clone();
        barred.state.as_mut().unwrap().licenses[0].valid = false;
        assert_eq!(replaced_elsewhere(&barred, &others, &found), found);
        let silent = [(server("new"), Snapshot::default())];
        assert_eq!(
            replaced_elsewhere(&barred, &silent, &found),
            found,
            "out of sight"
        );
        // What ends it: the other is gone, or serves it no more.
        assert_eq!(replaced_elsewhere(&barred, &[], &found), []);
        // A later one in its place keeps it barred.
        let later = [(server("new"), serves("L5", &["L3"]))];
        assert_eq!(replaced_elsewhere(&barred, &later, &found), found);
        let other = [(server("new"), serves("L9", &[]))];
        assert_eq!(replaced_elsewhere(&barred, &other, &found), []);
        // On another anchor they are two licenses.
        let mut elsewhere = new;
        elsewhere.state.as_mut().unwrap().anchor.key_id = Some("k2".into());
        assert_eq!(
            replaced_elsewhere(&old, &[(server("new"), elsewhere)], &[]),
            []
        );
    }
}
