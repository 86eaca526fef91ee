//! What is known of tokens that were shown lately: bounded in number, and the tokens are kept as
//! hashes only.

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

/// What is known of each; the oldest makes room.
#[derive(Debug)]
pub(crate) struct Recent<V> {
    kept: HashMap<TokenHash, V>,
    order: VecDeque<TokenHash>,
}

impl<V> Default for Recent<V> {
    fn default() -> Self {
        let (kept, order) = Default::default();
        Self { kept, order }
    }
}

impl<V> Recent<V> {
    pub(crate) fn get(&self, token: &TokenHash) -> Option<&V> {
        self.kept.get(token)
    }

    pub(crate) fn put(&mut self, token: TokenHash, known: V) {
        if self.kept.insert(token, known).is_none() {
            self.order.push_back(token);
        }
        while self.order.len() > KEPT {
            if let Some(oldest) = self.order.pop_front() {
                self.kept.remove(&oldest);
            }
        }
    }
}

/// What the API server said of a token: who it is, or why it is refused.
pub(crate) type Verdict = Result<Holder, String>;

/// Its recent answers, so that a crowd of pods, or a client that tries a bad token again and again,
/// does not become a crowd of reviews.
#[derive(Debug, Default)]
pub(crate) struct Verdicts(Recent<(BootTime, Verdict)>);

impl Verdicts {
    pub(crate) fn get(&self, token: &TokenHash, now: BootTime) -> Option<&Verdict> {
        let (until, verdict) = self.0.get(token)?;
        (now < *until).then_some(verdict)
    }

    pub(crate) fn put(&mut self, token: TokenHash, verdict: Verdict, now: BootTime) {
        let until = now + if verdict.is_ok() { GOOD } else { BAD };
        self.0.put(token, (until, verdict));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_age_and_are_bounded() {
        let at = |s: u64| BootTime::from_millis(s * 1000);
        let mut c = Verdicts::default();
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
        assert_eq!((c.0.kept.len(), c.0.order.len()), (KEPT, KEPT));
        assert!(c.get(&hash("good"), at(0)).is_none());
    }
}
