//! How a pod that stands in the lines of several license servers stands at the others, by its
//! mirrors there. Pure.
//!
//! It holds at one of them, and no other knows it then: what would be said of a pod that its
//! server does not hear is said of none that another has.

use mooring_api::{LeaseState, LicenseLeaseStatus};

/// How a pod stands at its other license servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Elsewhere {
    /// None of them knows it, or it has no others.
    #[default]
    Nowhere,
    /// In line.
    InLine,
    /// It runs on there for a while, without a seat, and asks all others for one.
    Contested,
    /// It has its license there, or what that leaves it, and asks no other.
    Licensed,
}

/// One of the others, by the mirror there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Other<'a> {
    pub(super) status: &'a LicenseLeaseStatus,
    /// It comes before the server that asks, in the pod's list.
    pub(super) earlier: bool,
}

/// How a pod stands elsewhere. `own`: its mirror at the server that asks.
pub(super) fn elsewhere<'a>(
    own: Option<&LicenseLeaseStatus>,
    others: impl Iterator<Item = Other<'a>>,
) -> Elsewhere {
    let had = own.is_some_and(|s| was_granted(s.state));
    let at = |other: Other<'_>| {
        use LeaseState as S;
        match other.status.state {
            // The other server's own word.
            S::Held | S::Reserved | S::Silent => Elsewhere::Licensed,
            S::Contested => Elsewhere::Contested,
            // What follows from silence. Of two servers that both fell silent each tells its own.
            S::Grace if !had => Elsewhere::Licensed,
            // Nobody has granted that: it is told once, at the first.
            S::Optimistic if !had && other.earlier => Elsewhere::Licensed,
            S::Waiting => Elsewhere::InLine,
            S::Grace | S::Optimistic | S::Refused | S::Revoked | S::Unknown => Elsewhere::Nowhere,
        }
    };
    others.map(at).max().unwrap_or_default()
}

/// Whether a server has granted it, as far as that was last heard.
fn was_granted(state: LeaseState) -> bool {
    use LeaseState as S;
    matches!(state, S::Held | S::Silent | S::Contested | S::Grace)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn status(state: &str) -> LicenseLeaseStatus {
        let since = "2026-01-01T00:00:00Z";
        let status = json!({ "products": "render", "state": state, "since": since });
        serde_json::from_value(status).unwrap()
    }

    /// How it stands by one other server.
    fn by(own: Option<&str>, other: &str, earlier: bool) -> Elsewhere {
        let (own, other) = (own.map(status), status(other));
        let other = Other {
            status: &other,
            earlier,
        };
        elsewhere(own.as_ref(), std::iter::once(other))
    }

    #[test]
    fn what_another_server_grants_counts_whatever_stands_here() {
        for own in [None, Some("Waiting"), Some("Held"), Some("Grace")] {
            for state in ["Held", "Silent"] {
                let (first, last) = (by(own, state, true), by(own, state, false));
                assert_eq!(first, Elsewhere::Licensed, "{state} beside {own:?}");
                assert_eq!(last, first);
            }
            assert_eq!(by(own, "Contested", true), Elsewhere::Contested);
            assert_eq!(by(own, "Waiting", true), Elsewhere::InLine);
            assert_eq!(by(own, "Refused", true), Elsewhere::Nowhere);
        }
    }

    #[test]
    fn of_two_servers_that_do_not_hear_a_pod_one_at_least_tells_of_it() {
        let states = ["Grace", "Optimistic", "Unknown"];
        for first in states {
            for last in states {
                let hides_first = by(Some(first), last, false) == Elsewhere::Licensed;
                let hides_last = by(Some(last), first, true) == Elsewhere::Licensed;
                assert!(!(hides_first && hides_last), "{first} and {last}");
            }
        }
        assert_eq!(by(None, "Optimistic", true), Elsewhere::Licensed);
        assert_eq!(by(None, "Optimistic", false), Elsewhere::Nowhere);
        assert_eq!(by(None, "Grace", false), Elsewhere::Licensed);
    }

    #[test]
    fn of_several_the_one_that_has_it_counts() {
        let (waits, held) = (status("Waiting"), status("Held"));
        let all = [&waits, &held, &waits].map(|status| Other {
            status,
            earlier: false,
        });
        assert_eq!(elsewhere(None, all.into_iter()), Elsewhere::Licensed);
        assert_eq!(elsewhere(None, std::iter::empty()), Elsewhere::Nowhere);
    }
}
