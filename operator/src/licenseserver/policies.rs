//! Which number the policies of a license server have: it takes none with a lower one than those
//! that it has.

use super::build::POLICIES_FILE;
use k8s_openapi::api::core::v1::ConfigMap;
use mooring_core::time::Timestamp;
use mooring_core::wire::{AllowedNamespaces, Policies};

/// Policies with a number above each that was written before; those that say the same keep theirs.
/// It is at least the time in seconds, since the object that has the last one may have been
/// deleted.
pub(super) fn numbered(
    allowed_namespaces: AllowedNamespaces,
    written: Option<&ConfigMap>,
    now: Timestamp,
) -> Policies {
    let text = written.and_then(|m| m.data.as_ref()?.get(POLICIES_FILE));
    let last = text.and_then(|t| serde_yaml::from_str::<Policies>(t).ok());
    let next = match last {
        Some(last) if last.allowed_namespaces == allowed_namespaces => return last,
        Some(last) => last.generation.saturating_add(1),
        None => 1,
    };
    Policies {
        generation: next.max(u64::try_from(now.as_second()).unwrap_or(0)),
        allowed_namespaces,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn written(p: &Policies) -> ConfigMap {
        let text = serde_yaml::to_string(p).unwrap();
        ConfigMap {
            data: Some([(POLICIES_FILE.to_owned(), text)].into()),
            ..ConfigMap::default()
        }
    }

    fn these(list: &[&str]) -> AllowedNamespaces {
        AllowedNamespaces::These(list.iter().map(|n| (*n).to_owned()).collect())
    }

    #[test]
    fn each_change_has_a_higher_number_than_all_before_it() {
        let at = |s: i64| Timestamp::from_second(s).unwrap();
        let first = numbered(these(&["a"]), None, at(1000));
        assert_eq!(first.generation, 1000);
        let same = numbered(these(&["a"]), Some(&written(&first)), at(2000));
        assert_eq!(same, first, "nothing changed");
        let second = numbered(these(&[]), Some(&written(&first)), at(2000));
        assert_eq!(second.generation, 2000);
        // A clock that was set back, and two changes within a second.
        let third = numbered(AllowedNamespaces::ALL, Some(&written(&second)), at(5));
        assert_eq!(third.generation, 2001);
        // Somebody deleted the ConfigMap, or wrote nonsense into it.
        assert_eq!(numbered(these(&["a"]), None, at(3000)).generation, 3000);
        let mut broken = written(&third);
        broken.data = Some([(POLICIES_FILE.to_owned(), "?".to_owned())].into());
        assert_eq!(
            numbered(these(&["a"]), Some(&broken), at(3000)).generation,
            3000
        );
    }
}
