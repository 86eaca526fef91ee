//! Recent answers of the API server, so that a crowd of pods, or a client that tries a bad token
//! again and again, does not become a crowd of reviews. Bounded in number and in time; tokens are
//! kept as hashes only.

use mooring_core::identity::Holder;
use mooring_core::time::BootTime;
use ring::digest::{SHA256, digest};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// How long a good answer counts. A pod's death shows in other ways first.
const GOOD: Duration = Duration::from_secs(30);
/// How long a refusal counts.
const BAD: Duration = Duration::from_secs(10);
const KEPT: usize = 8192;

pub(crate) type TokenHash = [u8; 32];

pub(crate) fn hash(token: &str) -> TokenHash {
    let mut h = [0; 32];
    h.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    h
}

/// What the API server said of a token: who it is, or why it is refused.
pub(crate) type Verdict = Result<Holder, String>;

#[derive(Debug, Default)]
pub(crate) struct Cache {
    verdicts: HashMap<TokenHash, (BootTime, Verdict)>,
    order: VecDeque<TokenHash>,
}

impl Cache {
    pub(crate) fn get(&self, token: &TokenHash, now: BootTime) -> Option<&Verdict> {
        let (until, verdict) = self.verdicts.get(token)?;
        (now < *until).then_some(verdict)
    }

    /// Keeps a verdict; the oldest makes room.
    pub(crate) fn put(&mut self, token: TokenHash, verdict: Verdict, now: BootTime) {
        let until = now + if verdict.is_ok() { GOOD } else { BAD };
        if self.verdicts.insert(token, (until, verdict)).is_none() {
            self.order.push_back(token);
        }
        while self.order.len() > KEPT {
            if let Some(oldest) = self.order.pop_front() {
                self.verdicts.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_age_and_are_bounded() {
        let at = |s: u64| BootTime::from_millis(s * 1000);
        let mut c = Cache::default();
        let good = Ok(Holder::External {
            subject: "x".into(),
        });
        c.put(hash("good"), good.clone(), at(0));
        c.put(hash("bad"), Err("no".into()), at(0));
        assert_eq!(c.get(&hash("good"), at(29)), Some(&good));
        assert_eq!(c.get(&hash("good"), at(30)), None);
        assert!(c.get(&hash("bad"), at(9)).is_some() && c.get(&hash("bad"), at(10)).is_none());
        for i in 0..KEPT + 10 {
            c.put(hash(&i.to_string()), Err("no".into()), at(0));
        }
        assert_eq!((c.verdicts.len(), c.order.len()), (KEPT, KEPT));
        assert!(c.get(&hash("good"), at(0)).is_none());
    }
}
