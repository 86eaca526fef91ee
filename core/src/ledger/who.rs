//! Holders as the books keep them: what many have alike is shared, a UID is its sixteen bytes.

use super::label::Label;
use super::shared::Shared;
use crate::identity::{Holder, HolderKey};
use crate::names::ProjectName;
use std::hash::Hash;
use std::sync::Arc;

/// A claim's holder.
#[derive(Clone, Debug)]
pub(super) enum KeptHolder {
    Pod {
        uid: Uid,
        pod: Label,
        account: Arc<Account>,
        node: Option<Arc<str>>,
    },
    /// There are few.
    Owner(Box<Holder>),
    External(Box<str>),
}

/// Who many pods are for Kubernetes.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Account {
    namespace: Box<str>,
    name: Box<str>,
}

#[derive(Clone, Debug)]
pub(super) enum Uid {
    /// As Kubernetes makes them.
    Uuid([u8; 16]),
    Other(Box<str>),
}

/// The values that holders share.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    accounts: Shared<Account>,
    nodes: Shared<str>,
}

impl Places {
    /// A holder, to be kept.
    pub(super) fn keep(&mut self, holder: &Holder) -> KeptHolder {
        let (namespace, pod, uid, service_account, node) = match holder {
            Holder::External { subject } => return KeptHolder::External(subject.as_str().into()),
            Holder::Owner { .. } => return KeptHolder::Owner(Box::new(holder.clone())),
            Holder::Pod {
                namespace,
                pod,
                uid,
                service_account,
                node,
            } => (namespace, pod, uid, service_account, node),
        };
        let same =
            |(ns, name): &(&str, &str), a: &Account| *a.namespace == **ns && *a.name == **name;
        let new = |(namespace, name): (&str, &str)| {
            Arc::new(Account {
                namespace: namespace.into(),
                name: name.into(),
            })
        };
        let account = (namespace.as_str(), service_account.as_str());
        let account = self.accounts.one(account, same, new);
        let node = node.as_deref();
        let node = node.map(|n| self.nodes.one(n, |n, v| v == *n, Arc::from));
        KeptHolder::Pod {
            uid: uuid(uid).map_or_else(|| Uid::Other(uid.as_str().into()), Uid::Uuid),
            pod: Label::from(pod.as_str()),
            account,
            node,
        }
    }
}

impl KeptHolder {
    /// As others know it.
    pub(super) fn holder(&self) -> Holder {
        match self {
            Self::Pod {
                uid,
                pod,
                account,
                node,
            } => Holder::Pod {
                namespace: account.namespace.to_string(),
                pod: pod.to_string(),
                uid: match uid {
                    Uid::Uuid(b) => text(*b),
                    Uid::Other(s) => s.to_string(),
                },
                service_account: account.name.to_string(),
                node: node.as_deref().map(ToOwned::to_owned),
            },
            Self::Owner(holder) => Holder::clone(holder),
            Self::External(subject) => Holder::External {
                subject: subject.to_string(),
            },
        }
    }

    pub(super) fn key(&self) -> HolderRef<'_> {
        match self {
            Self::Pod {
                uid: Uid::Uuid(b), ..
            } => HolderRef::Uuid(*b),
            Self::Pod {
                uid: Uid::Other(s), ..
            } => HolderRef::of_text(s),
            Self::Owner(holder) => HolderRef::of(holder),
            Self::External(subject) => HolderRef::External(subject),
        }
    }

    pub(super) fn namespace(&self) -> Option<&str> {
        let who = Asker::of(AskerRef::Kept(self), None);
        who.account().map(|(namespace, _)| namespace)
    }
}

/// What identifies a holder, without a text of its own: [`HolderKey`] for looking up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum HolderRef<'a> {
    Uuid([u8; 16]),
    Uid(&'a str),
    External(&'a str),
}

impl<'a> HolderRef<'a> {
    pub(super) fn of(holder: &'a Holder) -> Self {
        match holder {
            Holder::Pod { uid, .. } | Holder::Owner { uid, .. } => Self::of_text(uid),
            Holder::External { subject } => Self::External(subject),
        }
    }

    /// Of the text that a [`HolderKey`] is.
    fn of_text(text: &'a str) -> Self {
        if let Some(subject) = text.strip_prefix(HolderKey::EXTERNAL) {
            return Self::External(subject);
        }
        uuid(text).map_or(Self::Uid(text), Self::Uuid)
    }

    pub(super) fn owned(self) -> HolderKey {
        match self {
            Self::Uuid(b) => HolderKey(text(b)),
            Self::Uid(s) => HolderKey(s.to_owned()),
            Self::External(s) => HolderKey(HolderKey::EXTERNAL.to_owned() + s),
        }
    }
}

impl<'a> From<&'a HolderKey> for HolderRef<'a> {
    fn from(key: &'a HolderKey) -> Self {
        Self::of_text(&key.0)
    }
}

/// Whom seats are for: what tells which claims count as one is taken from it where that matters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker<'a> {
    who: AskerRef<'a>,
    /// Which owner's seats it has a share of, if it has.
    pub(super) family: Option<&'a str>,
    /// What it says that they are used for.
    pub(super) project: Option<&'a ProjectName>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum AskerRef<'a> {
    New(&'a Holder),
    Kept(&'a KeptHolder),
}

impl<'a> Asker<'a> {
    pub(super) fn of(who: AskerRef<'a>, family: Option<&'a str>) -> Self {
        Self {
            who,
            family,
            project: None,
        }
    }

    pub(super) fn using(self, project: Option<&'a ProjectName>) -> Self {
        Self { project, ..self }
    }

    pub(super) fn key(self) -> HolderRef<'a> {
        match self.who {
            AskerRef::New(holder) => HolderRef::of(holder),
            AskerRef::Kept(who) => who.key(),
        }
    }

    /// It is an owner, of whose seats pods have their shares.
    pub(super) fn is_owner(self) -> bool {
        matches!(
            self.who,
            AskerRef::New(Holder::Owner { .. }) | AskerRef::Kept(KeptHolder::Owner(_))
        )
    }

    /// A pod's namespace and service account, or an owner's.
    pub(super) fn account(self) -> Option<(&'a str, &'a str)> {
        let holder = match self.who {
            AskerRef::Kept(KeptHolder::Pod { account, .. }) => {
                return Some((&account.namespace, &account.name));
            }
            AskerRef::Kept(KeptHolder::Owner(holder)) => &**holder,
            AskerRef::Kept(KeptHolder::External(_)) => return None,
            AskerRef::New(holder) => holder,
        };
        match holder {
            Holder::Pod {
                namespace,
                service_account,
                ..
            }
            | Holder::Owner {
                namespace,
                service_account,
                ..
            } => Some((namespace, service_account)),
            Holder::External { .. } => None,
        }
    }

    /// Who it is outside Kubernetes.
    pub(super) fn subject(self) -> Option<&'a str> {
        match self.who {
            AskerRef::New(Holder::External { subject }) => Some(subject),
            AskerRef::Kept(KeptHolder::External(subject)) => Some(subject),
            _ => None,
        }
    }

    pub(super) fn node(self) -> Option<&'a str> {
        match self.who {
            AskerRef::New(Holder::Pod { node, .. }) => node.as_deref(),
            AskerRef::Kept(KeptHolder::Pod { node, .. }) => node.as_deref(),
            _ => None,
        }
    }
}

/// Where the hyphens of a UUID are.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Where its bytes are, of two digits each.
const BYTES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/// What a digit is worth; of anything else more than a digit can be.
const fn digit(c: u8) -> u8 {
    match c {
        b'0'..=b'9' => c - b'0',
        b'a'..=b'f' => c - b'a' + 10,
        _ => 0xff,
    }
}

/// The bytes of a UUID, if a text is one, written as [`text`] writes it. Each request comes by
/// here: nothing is decided before all is read.
fn uuid(s: &str) -> Option<[u8; 16]> {
    let s: &[u8; 36] = s.as_bytes().try_into().ok()?;
    let mut bad = HYPHENS.map(|i| s[i] ^ b'-').iter().fold(0, |a, b| a | b);
    let bytes = BYTES.map(|i| {
        let (high, low) = (digit(s[i]), digit(s[i + 1]));
        bad |= (high | low) & 0xf0;
        high << 4 | low
    });
    (bad == 0).then_some(bytes)
}

fn text(uuid: [u8; 16]) -> String {
    let mut out = Vec::with_capacity(36);
    for b in uuid {
        if HYPHENS.contains(&out.len()) {
            out.push(b'-');
        }
        out.extend([b >> 4, b & 15].map(|n| if n < 10 { b'0' + n } else { b'a' + n - 10 }));
    }
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_holder_comes_out_as_it_went_in(
            uid in "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9A-F-]{36}|uid-[0-9]|external:[ab]|",
            node in proptest::option::of("n[0-9]"),
            external in any::<bool>(),
        ) {
            let pod = Holder::Pod {
                namespace: "ns".into(), pod: "p".into(), uid: uid.clone(), service_account: "sa".into(), node,
            };
            let holder = if external { Holder::External { subject: uid } } else { pod };
            let who = Places::default().keep(&holder);
            prop_assert_eq!(who.holder(), holder.clone());
            prop_assert_eq!(who.namespace(), holder.namespace());
            let key = holder.key();
            prop_assert_eq!(who.key(), HolderRef::of(&holder));
            prop_assert_eq!(who.key(), HolderRef::from(&key));
            prop_assert_eq!(who.key().owned(), key);
        }
    }
}
