//! Who asks at the socket. In a pod all are one, since the pod is what is licensed. An agent serves
//! the users of a machine, who are strangers to each other: what one has, another neither sees nor
//! ends, and nobody takes all of it.

use mooring_core::names::{BadName, ClaimName};
use mooring_net::sync::lock;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// A user of the machine, by the number that the kernel tells of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Uid(u32);

/// What the kernel tells of a user that it has no number for, as of a container with users of its
/// own (`/proc/sys/kernel/overflowuid`).
const NOBODY: u32 = 65_534;

impl Uid {
    /// Such users cannot be told apart: so they own nothing.
    pub(crate) fn is_nobody(self) -> bool {
        self.0 == NOBODY
    }
}

/// Whose a claim is; `None`: the sidecar's own user's, or the pod's.
pub(crate) type Owner = Option<Uid>;

/// One who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asker {
    pub(crate) owner: Owner,
    /// May see and end what others have: all of a pod; root, and the agent's own user.
    pub(crate) all: bool,
}

/// How askers are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Users {
    Together,
    /// `own` is the sidecar's user.
    Apart {
        own: u32,
    },
}

impl Users {
    pub(crate) fn apart() -> Self {
        let own = rustix::process::geteuid().as_raw();
        Self::Apart { own }
    }

    /// `None`: the kernel does not say who is at the other end.
    pub(crate) fn asker(self, uid: Option<u32>) -> Option<Asker> {
        let (owner, all) = match self {
            Self::Together => (None, true),
            Self::Apart { own } => {
                let uid = uid?;
                let own = uid == own && uid != NOBODY;
                ((!own).then_some(Uid(uid)), own || uid == 0)
            }
        };
        Some(Asker { owner, all })
    }
}

impl Asker {
    /// Whether a claim of this owner is shown to it.
    pub(crate) fn sees(&self, owner: Owner) -> bool {
        self.all || self.owner == owner
    }
}

/// What the names of a user's claims begin with at the license server.
fn prefix(uid: Uid) -> String {
    format!("u{}.", uid.0)
}

/// A claim's name at the license server, where all users' claims are one holder's.
pub(crate) fn name_at_server(owner: Owner, name: &ClaimName) -> Result<ClaimName, BadName> {
    match owner {
        None => Ok(name.clone()),
        Some(uid) => ClaimName::new(&format!("{}{name}", prefix(uid))),
    }
}

/// Whether a name of the sidecar's own user looks like one of another's.
pub(crate) fn looks_like_a_users(name: &ClaimName) -> bool {
    let rest = name.as_str().strip_prefix('u');
    let number = rest.and_then(|r| r.split_once('.')).map(|(n, _)| n);
    number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// What each user has of something, and the most that one may have. The sidecar's own user has no
/// bound of its own.
#[derive(Debug)]
pub(crate) struct PerUser {
    most: usize,
    counts: Mutex<HashMap<Uid, usize>>,
}

/// One of it, until dropped.
#[derive(Debug)]
pub(crate) struct Part {
    of: Arc<PerUser>,
    owner: Owner,
}

impl PerUser {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        let counts = Mutex::default();
        Arc::new(Self { most, counts })
    }

    pub(crate) fn take(self: &Arc<Self>, owner: Owner) -> Option<Part> {
        if let Some(uid) = owner {
            let mut counts = lock(&self.counts);
            let n = counts.entry(uid).or_default();
            if *n >= self.most {
                return None;
            }
            *n += 1;
        }
        let of = self.clone();
        Some(Part { of, owner })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let Some(uid) = self.owner else {
            return;
        };
        let mut counts = lock(&self.of.counts);
        if let Some(n) = counts.get_mut(&uid) {
            *n -= 1;
            if *n == 0 {
                counts.remove(&uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_agents_users_are_strangers_to_each_other_and_a_pods_are_one() {
        let users = Users::Apart { own: 900 };
        let asker = |uid| users.asker(Some(uid)).unwrap();
        let (own, root, a, b) = (asker(900), asker(0), asker(1000), asker(1001));
        assert!(a.sees(a.owner) && !a.sees(b.owner) && !a.sees(own.owner));
        assert!(root.sees(a.owner) && own.sees(b.owner));
        assert_eq!(users.asker(None), None, "who cannot be told is nobody");
        for own in [900, NOBODY] {
            let nobody = Users::Apart { own }.asker(Some(NOBODY)).unwrap();
            assert!(nobody.owner.is_some_and(Uid::is_nobody) && !nobody.all);
        }
        assert!(!b.owner.is_some_and(Uid::is_nobody));
        let one = Users::Together;
        assert_eq!(one.asker(Some(1000)), one.asker(None));
        assert!(one.asker(None).unwrap().sees(None));
    }

    #[test]
    fn two_users_may_call_their_claims_alike() {
        let name: ClaimName = "render".parse().unwrap();
        let at = |owner| name_at_server(owner, &name).unwrap().to_string();
        assert_eq!(at(None), "render");
        assert_eq!(at(Some(Uid(1000))), "u1000.render");
        assert!(looks_like_a_users(&"u1000.render".parse().unwrap()));
        assert!(!looks_like_a_users(&"user.render".parse().unwrap()));
    }

    #[test]
    fn one_user_has_its_part_and_gives_it_back() {
        let all = PerUser::new(2);
        let (a, b) = (Some(Uid(1)), Some(Uid(2)));
        let held = [all.take(a).unwrap(), all.take(a).unwrap()];
        assert!(all.take(a).is_none() && all.take(b).is_some());
        assert!(all.take(None).is_some());
        drop(held);
        assert!(all.take(a).is_some());
        assert!(lock(&all.counts).is_empty());
    }
}
