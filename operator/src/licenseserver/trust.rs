//! Which running pods trust only a CA from before, and whether their server is still theirs. Pure.

use super::certificate::{EARLIER, pem_blocks, text};
use k8s_openapi::api::core::v1::Secret;
use mooring_core::time::Timestamp;
use mooring_net::tls::{chains_with_keys, pem_not_after, would_trust};
use std::collections::BTreeMap;
use std::time::SystemTime;

/// How a server serves pods that do not trust its present CA; the worst comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Served {
    /// By the word of the CA that they trust.
    Bridged,
    /// By a certificate that the CA which they trust had signed: nobody can renew it.
    Kept,
    /// They cannot verify the server.
    Not,
}

impl Served {
    pub fn reason(self) -> &'static str {
        match self {
            Self::Bridged => "EarlierCaVouches",
            Self::Kept => "EarlierCertificateKept",
            Self::Not => "PodsCutOff",
        }
    }
}

/// Pods that are served alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub served: Served,
    /// The first end of what they verify the server by.
    pub until: Option<SystemTime>,
    /// `namespace/name`, sorted.
    pub pods: Vec<String>,
}

/// How many pods are named.
const NAMED: usize = 10;

/// Those of `pods` (by what they trust) that do not trust the CA of the server's certificate in
/// Secret `‹name›-tls`.
pub fn groups(
    pods: &BTreeMap<String, Vec<String>>,
    tls: Option<&Secret>,
    name: &str,
    now: SystemTime,
) -> Vec<Group> {
    let Some(secret) = tls else {
        return Vec::new();
    };
    let current = text(secret, "tls.crt");
    let blocks = pem_blocks(&current);
    let leaf = blocks.first().cloned().unwrap_or_default();
    let bridge = blocks.get(1).and_then(|b| pem_not_after(b));
    let earlier = chains_with_keys(&text(secret, EARLIER));
    let mut all: BTreeMap<Served, Group> = BTreeMap::new();
    for (roots, names) in pods {
        let trusts = |chain: &str| would_trust(roots, chain, name, now);
        if trusts(&leaf) {
            continue;
        }
        let (served, until) = if trusts(&current) {
            (Served::Bridged, bridge)
        } else {
            let kept = earlier.iter().filter(|c| trusts(c));
            let until = kept.filter_map(|c| pem_not_after(c)).max();
            (until.map_or(Served::Not, |_| Served::Kept), until)
        };
        let group = all.entry(served).or_insert(Group {
            served,
            until,
            pods: Vec::new(),
        });
        group.until = [group.until, until].into_iter().flatten().min();
        group.pods.extend(names.iter().cloned());
    }
    let sorted = |mut g: Group| {
        g.pods.sort();
        g
    };
    all.into_values().map(sorted).collect()
}

impl Group {
    /// What is so, and what to do.
    pub fn words(&self) -> String {
        let until = self.until.and_then(|t| Timestamp::try_from(t).ok());
        let until = until.map_or_else(|| "its end".to_owned(), |t| t.to_string());
        let named: Vec<&str> = self.pods.iter().take(NAMED).map(String::as_str).collect();
        let more = self.pods.len().saturating_sub(NAMED);
        let more = match more {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let who = match self.pods.len() {
            1 => "1 pod trusts".to_owned(),
            n => format!("{n} pods trust"),
        };
        let what = match self.served {
            Served::Bridged => format!(
                "an earlier CA of Mooring, which vouches for the present one until {until}: make them anew before then"
            ),
            Served::Kept => format!(
                "a CA whose Secret mooring-ca is lost; the certificate that it had signed serves them until {until}, and cannot be renewed: make them anew before then, or restore that Secret from a backup"
            ),
            Served::Not => "a CA by which nothing here can be verified any more: they run on under their grace and then lose their seats; make them anew now, or restore Secret mooring-ca from a backup".to_owned(),
        };
        format!("{who} only {what} ({}{more})", named.join(", "))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::certificate::tests::secret;
    use super::*;
    use crate::certs::Ca;
    use std::time::Duration;

    const NAME: &str = "main.licensing.svc";

    fn judged(pods: &[(&str, String)], tls: &Secret, days: u64) -> Vec<(Served, Vec<String>)> {
        let mut by_roots: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (pod, roots) in pods {
            by_roots
                .entry(roots.clone())
                .or_default()
                .push((*pod).to_owned());
        }
        let at = SystemTime::now() + Duration::from_secs(days * 86_400);
        let groups = groups(&by_roots, Some(tls), NAME, at);
        groups.into_iter().map(|g| (g.served, g.pods)).collect()
    }

    #[test]
    fn who_trusts_the_present_ca_is_not_told_of() {
        let ca = Ca::ephemeral(SystemTime::now()).unwrap();
        let tls = secret(&ca, None);
        assert_eq!(judged(&[("a/p", ca.roots_pem())], &tls, 0), []);
        assert_eq!(groups(&BTreeMap::new(), None, NAME, SystemTime::now()), []);
    }

    #[test]
    fn after_a_succession_pods_from_before_are_bridged_and_named() {
        let now = SystemTime::now();
        let ca = Ca::ephemeral(now).unwrap();
        let (before, old) = (secret(&ca, None), ca.roots_pem());
        ca.succeed(&ca.get().succession(ca.lives.ca(), now).unwrap());
        let tls = secret(&ca, Some(&before));
        let pods = [("a/old", old), ("a/new", ca.roots_pem())];
        assert_eq!(
            judged(&pods, &tls, 0),
            [(Served::Bridged, vec!["a/old".into()])]
        );
    }

    #[test]
    fn after_a_loss_pods_from_before_are_served_until_their_certificate_ends() {
        let lost = Ca::ephemeral(SystemTime::now()).unwrap();
        let ca = Ca::ephemeral(SystemTime::now()).unwrap();
        let tls = secret(&ca, Some(&secret(&lost, None)));
        let pods = [
            ("a/q", lost.roots_pem()),
            ("a/p", lost.roots_pem()),
            ("a/new", ca.roots_pem()),
            ("a/stranger", "nonsense".to_owned()),
        ];
        let both = vec!["a/p".to_owned(), "a/q".to_owned()];
        let stranger = (Served::Not, vec!["a/stranger".to_owned()]);
        assert_eq!(judged(&pods, &tls, 0), [(Served::Kept, both), stranger]);
        // The server's own certificate would have been renewed by then.
        let all = vec!["a/p".to_owned(), "a/q".to_owned()];
        assert_eq!(judged(&pods[..2], &tls, 91), [(Served::Not, all)]);
    }

    #[test]
    fn a_group_says_who_until_when_and_what_to_do() {
        let pods: Vec<String> = (0..12).map(|n| format!("a/p{n:02}")).collect();
        let until = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000));
        let kept = Group {
            served: Served::Kept,
            until,
            pods,
        };
        let text = kept.words();
        assert!(
            text.starts_with("12 pods trust only a CA whose Secret"),
            "{text}"
        );
        assert!(text.contains("until 2033-05-18T03:33:20Z"), "{text}");
        assert!(text.ends_with("a/p09 and 2 more)"), "{text}");
        let one = Group {
            served: Served::Not,
            until: None,
            pods: vec!["a/p".into()],
        };
        assert!(
            one.words().starts_with("1 pod trusts only"),
            "{}",
            one.words()
        );
    }
}
