//! What came up in the worlds: faults and pairs of them, states, transitions, answers. What never
//! came up was never tested.

use crate::history::{Book, Fact, Ms, Reply, Says};
use crate::plan::Kind;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Counts.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    faults: BTreeMap<Kind, u64>,
    /// One fault, and another within D after it.
    pairs: BTreeMap<(Kind, Kind), u64>,
    recent: Vec<(Ms, Kind)>,
    states: BTreeMap<Says, u64>,
    transitions: BTreeMap<(Option<Says>, Says), u64>,
    replies: BTreeMap<&'static str, u64>,
    books: BTreeMap<&'static str, u64>,
    checks: BTreeMap<&'static str, u64>,
    /// In worlds of several servers.
    of_several: BTreeMap<&'static str, u64>,
}

/// How often each ordered pair of faults must come up within one D over a standard run.
pub const PAIRS: u64 = 100;

/// The changes of state that the table of docs/protocol.md has, as the application sees them.
const TRANSITIONS: &[(Says, &[Says])] = {
    use Says::{
        Contested as C, Grace as G, Held as H, Lost as L, Optimistic as O, Refused as F,
        Released as R, Seeking as S, Waiting as W,
    };
    &[
        (S, &[W, H, O, F, R]),
        (W, &[H, F, R]),
        (O, &[H, C, L, R]),
        (H, &[G, L, R]),
        (G, &[H, C, L, R]),
        (C, &[H, L, R]),
        (L, &[W, H, R]),
        (F, &[W, H, R]),
    ]
};

/// What the server answers.
const REPLIES: &str = "lease full held-back settling released called-back unknown-lease cloned revoked claim-changed \
    given-back anchor-lost license-invalid not-entitled exceeds-seats overloaded unauthenticated \
    unknown-product version-not-covered too-many-claims resume-expired bad-request not-found \
    method-not-allowed too-large operator-only upgrade-required of-the-future";

/// How the books have claims.
const BOOKS: &str = "waiting contested held silent refused released expired gone revoked leftQueue";

/// What goes wrong in worlds of several servers.
const OF_SEVERAL: &str = "CutLine CutPod CutServer Delays Duplicates License Loss PodDies PodEnds \
    ReleasesLost ServerCrash ServerEnds SidecarCrash SidecarEnds";

impl Coverage {
    /// A fault strikes.
    pub fn fault(&mut self, kind: Kind, now: Ms, d: Ms) {
        *self.faults.entry(kind).or_default() += 1;
        self.recent.retain(|(t, _)| t + d >= now);
        for (_, before) in &self.recent {
            *self.pairs.entry((*before, kind)).or_default() += 1;
        }
        self.recent.push((now, kind));
    }

    /// A state follows another.
    pub fn transition(&mut self, from: Option<Says>, to: Says) {
        if from != Some(to) {
            *self.states.entry(to).or_default() += 1;
            *self.transitions.entry((from, to)).or_default() += 1;
        }
    }

    pub fn fact(&mut self, f: &Fact) {
        match f {
            Fact::Answered { reply, .. } => {
                let what = match reply {
                    Reply::Lease { .. } => "lease",
                    Reply::Waiting {
                        held_back: true, ..
                    } => "held-back",
                    Reply::Waiting {
                        settling: false, ..
                    } => "full",
                    Reply::Waiting { .. } => "settling",
                    Reply::Released => "released",
                    Reply::Problem(p) => p,
                };
                *self.replies.entry(what).or_default() += 1;
            }
            Fact::Booked { book, .. } => {
                let what = match book {
                    Book::Waiting => "waiting",
                    Book::Contested => "contested",
                    Book::Held { .. } => "held",
                    Book::Silent { .. } => "silent",
                    Book::Refused => "refused",
                    Book::Ended(how) => how,
                };
                *self.books.entry(what).or_default() += 1;
            }
            _ => {}
        }
    }

    /// How often each promise was put to the test.
    pub fn checks(&mut self, seen: Vec<(&'static str, u64)>) {
        add(&mut self.checks, seen.into_iter().collect());
    }

    /// What went wrong in a world of several servers.
    pub fn faults_of_several(&mut self, faults: BTreeMap<&'static str, u64>) {
        add(&mut self.of_several, faults);
    }

    /// Adds another world's.
    pub fn add(&mut self, o: Self) {
        add(&mut self.faults, o.faults);
        add(&mut self.pairs, o.pairs);
        add(&mut self.states, o.states);
        add(&mut self.transitions, o.transitions);
        add(&mut self.replies, o.replies);
        add(&mut self.books, o.books);
        add(&mut self.of_several, o.of_several);
        add(&mut self.checks, o.checks);
    }

    /// Each ordered pair of faults that can come up, and how often it did. A world has jumping wall
    /// clocks or moving servers, never both (docs/simulator.md).
    fn pairs(&self) -> impl Iterator<Item = (u64, (Kind, Kind))> {
        let apart = [Kind::WallJump, Kind::ServerMoves];
        let pairs = Kind::ALL
            .iter()
            .flat_map(|k| Kind::ALL.iter().map(move |l| (*k, *l)));
        pairs
            .filter(move |(k, l)| k == l || !apart.contains(k) || !apart.contains(l))
            .map(|p| (self.pairs.get(&p).copied().unwrap_or(0), p))
    }

    /// What is missing; `pairs`: how often each pair of faults should have come up.
    pub fn missing(&self, pairs: u64) -> Vec<String> {
        let mut missing = Vec::new();
        let mut want = |there: bool, what: String| {
            if !there {
                missing.push(what);
            }
        };
        for k in Kind::ALL {
            want(self.faults.contains_key(k), format!("fault {k:?}"));
        }
        for (n, (k, l)) in self.pairs() {
            let what = format!("{k:?} then {l:?} within one D: {n} times, expected {pairs}");
            want(n >= pairs, what);
        }
        for (from, tos) in TRANSITIONS {
            for to in *tos {
                let there = self.transitions.contains_key(&(Some(*from), *to));
                want(there, format!("{from:?} to {to:?}"));
            }
        }
        for r in REPLIES.split_whitespace() {
            want(self.replies.contains_key(r), format!("answer {r}"));
        }
        for b in BOOKS.split_whitespace() {
            want(self.books.contains_key(b), format!("books: {b}"));
        }
        for k in OF_SEVERAL.split_whitespace() {
            let there = self.of_several.contains_key(k);
            want(there, format!("fault {k} of several servers"));
        }
        for (what, n) in &self.checks {
            want(*n > 0, format!("the checker never had to look at: {what}"));
        }
        missing
    }

    /// In words.
    pub fn print(&self) -> String {
        let mut s = String::new();
        line(&mut s, "faults", &self.faults, |k, n| format!("{k:?} {n}"));
        if let Some((n, (k, l))) = self.pairs().min() {
            let rarest = format!("the rarest is {k:?} then {l:?}, {n} times");
            let _ = writeln!(s, "pairs of faults within one D: {rarest}");
        }
        line(&mut s, "states", &self.states, |k, n| format!("{k:?} {n}"));
        line(&mut s, "transitions", &self.transitions, |k, n| match k {
            (Some(f), t) => format!("{f:?}→{t:?} {n}"),
            (None, t) => format!("→{t:?} {n}"),
        });
        line(&mut s, "answers", &self.replies, |k, n| format!("{k} {n}"));
        line(&mut s, "books", &self.books, |k, n| format!("{k} {n}"));
        let several = "faults of several servers";
        line(&mut s, several, &self.of_several, |k, n| format!("{k} {n}"));
        let tests = |k: &&str, n: u64| format!("{k}: {n}");
        line(&mut s, "put to the test", &self.checks, tests);
        s
    }
}

fn line<K>(s: &mut String, what: &str, all: &BTreeMap<K, u64>, word: impl Fn(&K, u64) -> String) {
    let words: Vec<String> = all.iter().map(|(k, n)| word(k, *n)).collect();
    let _ = writeln!(s, "{what}: {}", words.join(", "));
}

fn add<K: Ord>(to: &mut BTreeMap<K, u64>, from: BTreeMap<K, u64>) {
    for (k, n) in from {
        *to.entry(k).or_default() += n;
    }
}
