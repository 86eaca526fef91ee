//! What a mirror is called and where it lives.

use mooring_api::names::{ServerRef, short_hash};
use mooring_core::identity::Holder;

/// How much of a pod's name is kept.
const POD_PART: usize = 52;
/// How much of an external client's subject is kept.
const SUBJECT_PART: usize = 40;

/// Namespace and name of a holder's mirror: `‹pod, at most 52›-‹first 8 of its UID›` in the pod's
/// namespace; `external-‹subject›-‹hash›` in the server's. Behind it `.‹server›.‹its namespace›`:
/// no server can take the name of another's, since neither has a dot.
pub(super) fn mirror_name(server: &ServerRef, holder: &Holder) -> (String, String) {
    match holder {
        Holder::Pod {
            namespace,
            pod,
            uid,
            ..
        } => {
            let uid = uid.chars().filter(char::is_ascii_alphanumeric);
            let uid8: String = uid.take(8).collect();
            let name = format!("{}-{uid8}", clean(pod, POD_PART));
            (namespace.clone(), of(server, &name))
        }
        Holder::Owner {
            namespace,
            owner,
            uid,
            ..
        } => {
            let name = format!("{}-{}", clean(owner, POD_PART), short_hash(uid, 8));
            (namespace.clone(), of(server, &name))
        }
        Holder::External { subject } => {
            let hash8 = short_hash(subject, 8);
            let name = match clean(subject, SUBJECT_PART) {
                part if part.is_empty() => format!("external-{hash8}"),
                part => format!("external-{part}-{hash8}"),
            };
            (server.namespace.clone(), of(server, &name))
        }
    }
}

fn of(server: &ServerRef, name: &str) -> String {
    format!("{name}.{}.{}", server.name, server.namespace)
}

/// As much of a text as an object's name may hold (RFC 1123 subdomain), beginning and ending with a
/// letter or digit.
fn clean(text: &str, max: usize) -> String {
    let allowed = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let kept: String = text.chars().map(allowed).take(max).collect();
    let kept = kept.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    // A dot must stand between letters or digits.
    kept.split('.')
        .map(|p| p.trim_matches('-'))
        .filter(|p| !p.is_empty())
        .collect::<Vec<_>>()
        .join(".")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn of_pod(pod: &str) -> (String, String) {
        let holder = Holder::Pod {
            namespace: "apps".into(),
            pod: pod.into(),
            uid: "3f2504e0-4f89-11d3-9a0c-0305e82c3301".into(),
            service_account: "default".into(),
            node: None,
        };
        mirror_name(&ServerRef::new("licensing", "main"), &holder)
    }

    #[test]
    fn a_pods_mirror_is_named_after_it_in_its_namespace() {
        assert_eq!(
            of_pod("render-1"),
            ("apps".into(), "render-1-3f2504e0.main.licensing".into())
        );
        let long = of_pod(&format!("{}-.{}", "x".repeat(51), "y".repeat(60))).1;
        assert_eq!(long, format!("{}-3f2504e0.main.licensing", "x".repeat(51)));
        assert!(of_pod(&"a".repeat(253)).1.len() <= 61 + ".main.licensing".len());
        assert_eq!(of_pod("a.b-").1, "a.b-3f2504e0.main.licensing");
    }

    #[test]
    fn no_server_takes_the_name_of_anothers_mirror() {
        let holder = Holder::External {
            subject: "ann".into(),
        };
        let of = |ns: &str, name: &str| mirror_name(&ServerRef::new(ns, name), &holder).1;
        let names = [
            of("a", "main"),
            of("b", "main"),
            of("a", "b"),
            of("a-b", "main"),
            of("b", "main-a"),
        ];
        let different: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len(), "{names:?}");
    }

    #[test]
    fn an_external_clients_mirror_lives_with_the_server() {
        let server = ServerRef::new("licensing", "main");
        let name = |s: &str| mirror_name(&server, &Holder::External { subject: s.into() });
        let (ns, n) = name("Ann@laptop.example");
        assert_eq!(ns, "licensing");
        assert!(
            n.starts_with("external-ann-laptop.example-") && n.ends_with(".main.licensing"),
            "{n}"
        );
        assert_ne!(name("a b"), name("a-b"), "the hash keeps them apart");
        assert!(name("ü").1.starts_with("external-") && !name("ü").1.contains("--"));
    }
}
