//! Issuers: client keys that may name some subjects alone, and how many claims those may have.
//!
//! A key of the plain list names anybody. An issuer's names what begins with its prefix, and is an
//! administrator of these subjects and of nobody else: who has stolen it is bounded by both.

use super::subject::check_subject;
use super::token::{ClientToken, ClientTokenError};
use crate::license::{KeyId, PublicKey};
use serde::{Deserialize, Serialize};

/// How many issuers there may be.
pub const MOST_ISSUERS: usize = 64;
/// How many keys one may have: the old and the new while they change, and some.
const MOST_KEYS: usize = 8;
/// The longest prefix, in bytes: a namespace's name, a UID and a slash come behind it, and a
/// subject has at most 200.
pub const MAX_PREFIX: usize = 100;
/// How many claims one's subjects may have in all, at most.
const MOST_CLAIMS: u32 = 100_000;

/// Why a list of issuers is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("issuer {issuer:?}: field {field}: {found}, expected {expected}")]
pub struct BadIssuers {
    issuer: String,
    field: &'static str,
    found: String,
    expected: String,
}

/// Who may sign client tokens for some subjects. Unknown fields are errors: a misspelt bound must
/// not be no bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Issuer {
    /// What people call it: 1 to 63 of `a-z`, `0-9` and `-`.
    pub name: String,
    /// The public halves of its client keys.
    pub keys: Vec<PublicKey>,
    /// What the subjects begin with that it may name, a `/` at its end. The prefix alone is the
    /// issuer itself.
    pub subjects: String,
    /// How many claims all of them together may have.
    pub claims: u32,
}

impl Issuer {
    /// Whether it may name this one.
    pub fn may_name(&self, subject: &str) -> bool {
        subject.starts_with(&self.subjects)
    }

    /// Whether this is the issuer itself, who holds nothing and looks after its subjects.
    pub fn is_itself(&self, subject: &str) -> bool {
        subject == self.subjects
    }

    fn check(&self) -> Result<(), BadIssuers> {
        let bad = |field, found: String, expected: String| {
            let issuer = self.name.chars().take(80).collect();
            Err(BadIssuers {
                issuer,
                field,
                found,
                expected,
            })
        };
        let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=63).contains(&self.name.len()) || !self.name.chars().all(named) {
            let found = format!("{} characters", self.name.chars().count());
            return bad("name", found, "1 to 63 of a-z, 0-9 and -".into());
        }
        if !(1..=MOST_KEYS).contains(&self.keys.len()) {
            let found = format!("{} keys", self.keys.len());
            return bad("keys", found, format!("1 to {MOST_KEYS}"));
        }
        check_prefix(&self.subjects).or_else(|expected| {
            let found = format!("{:?}", self.subjects.chars().take(120).collect::<String>());
            bad("subjects", found, expected)
        })?;
        if !(1..=MOST_CLAIMS).contains(&self.claims) {
            let expected = format!("1 to {MOST_CLAIMS}");
            return bad("claims", self.claims.to_string(), expected);
        }
        Ok(())
    }
}

/// Whether subjects may begin with this where one issuer alone may name them; else what was
/// expected. By the `/` at its end no name is the beginning of another's.
pub fn check_prefix(prefix: &str) -> Result<(), String> {
    let long = prefix.len() > MAX_PREFIX;
    if long || prefix.len() < 2 || !prefix.ends_with('/') || check_subject(prefix).is_err() {
        return Err(format!(
            "the beginning of subjects, 2 to {MAX_PREFIX} bytes in one line, with a / at its end, such as \"pod:cluster-a/\""
        ));
    }
    Ok(())
}

/// All issuers of a license server. No key and no subject is two issuers'.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issuers(Vec<Issuer>);

impl Issuers {
    /// Checks a list. `anybody`: keys that may name anybody. `admins`: subjects that see all, whom
    /// no issuer may name: it would see all then.
    pub fn new(
        list: Vec<Issuer>,
        anybody: &[PublicKey],
        admins: &[String],
    ) -> Result<Self, BadIssuers> {
        for (n, one) in list.iter().enumerate() {
            one.check()?;
            let bad = |field, found: String, expected: String| {
                Err(BadIssuers {
                    issuer: one.name.clone(),
                    field,
                    found,
                    expected,
                })
            };
            if n >= MOST_ISSUERS {
                let expected = format!("at most {MOST_ISSUERS} issuers");
                return bad("name", format!("it is number {}", n + 1), expected);
            }
            let before = list.get(..n).unwrap_or_default();
            if before.iter().any(|b| b.name == one.name) {
                let expected = "each issuer once".into();
                return bad("name", "it is there twice".into(), expected);
            }
            let shared = before.iter().find(|b| {
                b.subjects.starts_with(&one.subjects) || one.subjects.starts_with(&b.subjects)
            });
            if let Some(b) = shared {
                let found = format!(
                    "{:?} and {:?} of issuer {}",
                    one.subjects, b.subjects, b.name
                );
                let expected = "prefixes of which none begins with another".into();
                return bad("subjects", found, expected);
            }
            let known =
                |k: &&PublicKey| anybody.contains(k) || before.iter().any(|b| b.keys.contains(k));
            if let Some(key) = one.keys.iter().find(known) {
                let found = format!("{key} is a client key already");
                let expected = "a key that neither clients.keys nor another issuer has".into();
                return bad("keys", found, expected);
            }
            if let Some(admin) = admins.iter().find(|a| one.may_name(a)) {
                let found = format!("{:?}, and {admin:?} is an administrator", one.subjects);
                let expected = "subjects of which none is listed under admins".into();
                return bad("subjects", found, expected);
            }
        }
        Ok(Self(list))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Issuer> {
        self.0.iter()
    }

    /// Whose key this is.
    pub fn of_key(&self, key: &KeyId) -> Option<&Issuer> {
        let has = |i: &&Issuer| i.keys.iter().any(|k| k.id() == *key);
        self.0.iter().find(has)
    }

    /// Whether the key that signed a token may name its subject: an issuer's what begins with its
    /// prefix, any other one everybody.
    pub fn allow(&self, token: &ClientToken, signer: &KeyId) -> Result<(), ClientTokenError> {
        match self.of_key(signer) {
            Some(issuer) if !issuer.may_name(&token.subject) => Err(ClientTokenError::NotIssuers {
                issuer: issuer.name.clone(),
                subjects: issuer.subjects.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// The issuer that a token's subject is itself, if one of that issuer's keys signed it.
    pub fn itself(&self, token: &ClientToken, signer: &KeyId) -> Option<&Issuer> {
        let issuer = self.of_key(signer)?;
        issuer.is_itself(&token.subject).then_some(issuer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::license::SigningKey;
    use crate::time::Timestamp;

    fn key(n: u8) -> PublicKey {
        SigningKey::from_seed(&[n; 32]).unwrap().public()
    }

    fn issuer(name: &str, n: u8, subjects: &str) -> Issuer {
        Issuer {
            name: name.into(),
            keys: vec![key(n)],
            subjects: subjects.into(),
            claims: 10,
        }
    }

    fn token(subject: &str) -> ClientToken {
        ClientToken {
            id: "t-1".into(),
            subject: subject.into(),
            server: "main".into(),
            issued_at: Timestamp::from_second(0).unwrap(),
            expires: Timestamp::from_second(60).unwrap(),
            claims: None,
        }
    }

    #[test]
    fn an_issuers_key_names_what_begins_with_its_prefix_and_nobody_else() {
        let list = vec![issuer("a", 1, "pod:a/"), issuer("b", 2, "pod:b/")];
        let all = Issuers::new(list, &[key(9)], &["ops".into()]).unwrap();
        let may = |subject: &str, n: u8| all.allow(&token(subject), &key(n).id()).is_ok();
        assert!(may("pod:a/ns/uid", 1) && may("pod:b/ns/uid", 2));
        for other in [
            "pod:b/ns/uid",
            "pod:a",
            "pod:ab/x",
            "Pod:a/x",
            "ops",
            "x/pod:a/",
        ] {
            assert!(!may(other, 1), "{other}");
        }
        assert!(may("anybody", 9), "a key of the plain list");
        let e = all.allow(&token("ops"), &key(1).id()).unwrap_err();
        assert!(
            e.to_string().contains("pod:a/") && e.reason() == "not-issuers",
            "{e}"
        );
        // The prefix alone is the issuer, by its own key.
        let itself = |subject: &str, n: u8| {
            let found = all.itself(&token(subject), &key(n).id());
            found.map(|i| i.name.clone())
        };
        assert_eq!(itself("pod:a/", 1), Some("a".into()));
        assert_eq!(itself("pod:a/x", 1), None);
        assert_eq!(itself("pod:a/", 9), None, "it may name it, and is not it");
    }

    #[test]
    fn a_list_in_which_two_may_name_one_subject_or_one_an_administrator_is_refused() {
        let good = || issuer("a", 1, "pod:a/");
        let with = |change: fn(&mut Issuer)| {
            let mut one = good();
            change(&mut one);
            vec![one]
        };
        let cases = [
            (with(|i| i.name = "A b".into()), "name"),
            (with(|i| i.keys.clear()), "keys"),
            (with(|i| i.keys = vec![key(9)]), "keys"),
            (with(|i| i.subjects = "pod:a".into()), "subjects"),
            (with(|i| i.subjects = "/".into()), "subjects"),
            (with(|i| i.subjects = "a\n/".into()), "subjects"),
            (with(|i| i.subjects = "x".repeat(100) + "/"), "subjects"),
            (with(|i| i.subjects = "ops/".into()), "subjects"),
            (with(|i| i.claims = 0), "claims"),
            (with(|i| i.claims = 100_001), "claims"),
            (vec![good(), issuer("a", 2, "pod:b/")], "name"),
            (vec![good(), issuer("b", 2, "pod:a/b/")], "subjects"),
            (vec![issuer("b", 2, "pod:a/b/"), good()], "subjects"),
            (vec![good(), issuer("b", 1, "pod:b/")], "keys"),
        ];
        for (list, field) in cases {
            let e = Issuers::new(list, &[key(9)], &["ops/ann".into()]).unwrap_err();
            assert_eq!(e.field, field, "{e}");
        }
        assert!(Issuers::new(vec![good()], &[key(9)], &["ops/ann".into()]).is_ok());
    }
}
