//! The administrator's list of client tokens and subjects that count no more.

use super::subject::{check_subject, is_id};
use std::collections::HashSet;

/// A line of a list of revoked ones that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {value:?}: expected a client token's id, or \"subject:\" and a subject")]
pub struct BadRevoked {
    line: usize,
    value: String,
}

/// Which client tokens and which subjects are revoked: one a line, `#` begins a comment line.
///
/// A token's id ends that token: nobody claims with it any more. `subject:‹name›` ends the holder,
/// whatever it shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevokedList {
    tokens: HashSet<String>,
    subjects: HashSet<String>,
}

impl RevokedList {
    /// Reads the list. One bad line refuses it whole: a misspelt revocation must not be none.
    pub fn parse(text: &str) -> Result<Self, BadRevoked> {
        let mut out = Self::default();
        for (i, line) in text.lines().enumerate() {
            // A subject may hold a '#', so a comment is a line of its own, or stands after an id
            // and a blank.
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = || BadRevoked {
                line: i + 1,
                value: line.chars().take(80).collect(),
            };
            if let Some(s) = line.strip_prefix("subject:") {
                let s = s.trim();
                check_subject(s).map_err(|_| bad())?;
                out.subjects.insert(s.to_owned());
            } else {
                let id = line.split_once(" #").map_or(line, |(id, _)| id.trim_end());
                if !is_id(id) {
                    return Err(bad());
                }
                out.tokens.insert(id.to_owned());
            }
        }
        Ok(out)
    }

    pub fn token(&self, id: &str) -> bool {
        self.tokens.contains(id)
    }

    pub fn subject(&self, subject: &str) -> bool {
        self.subjects.contains(subject)
    }

    /// The revoked subjects, in no order.
    pub fn subjects(&self) -> impl Iterator<Item = &str> {
        self.subjects.iter().map(String::as_str)
    }

    /// How many lines it has that mean something.
    pub fn len(&self) -> usize {
        self.tokens.len() + self.subjects.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_list_of_revoked_ones_is_read_or_refused_whole() {
        let l = RevokedList::parse("# lost laptops\n\n t-1 # anna's\r\nsubject: build farm/7\n")
            .unwrap();
        assert!(l.token("t-1") && l.subject("build farm/7") && l.len() == 2);
        assert!(!l.token("build farm/7") && !l.subject("t-1") && !l.is_empty());
        assert_eq!(l.subjects().collect::<Vec<_>>(), ["build farm/7"]);
        assert!(RevokedList::parse("").unwrap().is_empty());
        for (bad, line) in [("a b", 1), ("t-1\nsubject:", 2), ("\n\nsubject:\u{7}x", 3)] {
            let e = RevokedList::parse(bad).unwrap_err();
            assert!(e.to_string().starts_with(&format!("line {line}: ")), "{e}");
        }
    }
}
