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
}

/// How often each ordered pair of faults must come up within one D over a standard run.
pub const PAIRS: u64 = 100;

/// The changes of state that the table of docs/protocol.md has, as the application sees them.
const TRANSITIONS: &[(Says, Says)] = {
    use Says::{
        Contested as C, Grace as G, Held as H, Lost as L, Optimistic as O, Refused as F,
        Released as R, Seeking as S, Waiting as W,
    };
    &[
        (S, W),
        (S, H),
        (S, O),
        (S, F),
        (S, R),
        (W, H),
        (W, F),
        (W, R),
        (O, H),
        (O, C),
        (O, L),
        (O, R),
        (H, G),
        (H, L),
        (H, R),
        (G, H),
        (G, C),
        (G, L),
        (G, R),
        (C, H),
        (C, L),
        (C, R),
        (L, W),
        (L, H),
        (L, R),
        (F, W),
        (F, H),
        (F, R),
    ]
};

/// What the server answers.
const REPLIES: &[&str] = &[
    "lease",
    "full",
    "settling",
    "released",
    "unknown-lease",
    "cloned",
    "revoked",
    "claim-changed",
    "given-back",
    "anchor-lost",
    "license-invalid",
    "not-entitled",
    "exceeds-seats",
    "overloaded",
];

/// How the books have claims.
const BOOKS: &[&str] = &[
    "waiting",
    "contested",
    "held",
    "silent",
    "refused",
    "released",
    "expired",
    "gone",
    "revoked",
    "leftQueue",
];

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

    /// A fact.
    pub fn fact(&mut self, f: &Fact) {
        match f {
            Fact::Answered { reply, .. } => {
                let what = match reply {
                    Reply::Lease { .. } => "lease",
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

    /// Adds another world's.
    pub fn add(&mut self, o: Self) {
        add(&mut self.faults, o.faults);
        add(&mut self.pairs, o.pairs);
        add(&mut self.states, o.states);
        add(&mut self.transitions, o.transitions);
        add(&mut self.replies, o.replies);
        add(&mut self.books, o.books);
        add(&mut self.checks, o.checks);
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
            for l in Kind::ALL {
                let n = self.pairs.get(&(*k, *l)).copied().unwrap_or(0);
                // A world has jumping wall clocks or moving servers, never both
                // (docs/simulator.md).
                let never =
                    [*k, *l].contains(&Kind::WallJump) && [*k, *l].contains(&Kind::ServerMoves);
                want(
                    never || n >= pairs,
                    format!("{k:?} then {l:?} within one D: {n} times, expected {pairs}"),
                );
            }
        }
        for t in TRANSITIONS {
            want(
                self.transitions.contains_key(&(Some(t.0), t.1)),
                format!("{:?} to {:?}", t.0, t.1),
            );
        }
        for r in REPLIES {
            want(self.replies.contains_key(r), format!("answer {r}"));
        }
        for b in BOOKS {
            want(self.books.contains_key(b), format!("books: {b}"));
        }
        for (what, n) in &self.checks {
            want(*n > 0, format!("the checker never had to look at: {what}"));
        }
        missing
    }

    /// In words.
    pub fn print(&self) -> String {
        let mut s = String::new();
        let mut line = |what: &str, all: Vec<String>| {
            let _ = writeln!(s, "{what}: {}", all.join(", "));
        };
        line(
            "faults",
            self.faults
                .iter()
                .map(|(k, n)| format!("{k:?} {n}"))
                .collect(),
        );
        let least = Kind::ALL
            .iter()
            .flat_map(|k| Kind::ALL.iter().map(move |l| (*k, *l)));
        let least = least.filter(|p| {
            ![p.0, p.1].contains(&Kind::WallJump) || ![p.0, p.1].contains(&Kind::ServerMoves)
        });
        let least = least
            .map(|p| (self.pairs.get(&p).copied().unwrap_or(0), p))
            .min();
        if let Some((n, (k, l))) = least {
            line(
                "pairs of faults within one D",
                vec![format!("the rarest is {k:?} then {l:?}, {n} times")],
            );
        }
        line(
            "states",
            self.states
                .iter()
                .map(|(k, n)| format!("{k:?} {n}"))
                .collect(),
        );
        let arrow = |((f, t), n): (&(Option<Says>, Says), &u64)| match f {
            Some(f) => format!("{f:?}→{t:?} {n}"),
            None => format!("→{t:?} {n}"),
        };
        line("transitions", self.transitions.iter().map(arrow).collect());
        line(
            "answers",
            self.replies
                .iter()
                .map(|(k, n)| format!("{k} {n}"))
                .collect(),
        );
        line(
            "books",
            self.books.iter().map(|(k, n)| format!("{k} {n}")).collect(),
        );
        line(
            "put to the test",
            self.checks
                .iter()
                .map(|(k, n)| format!("{k}: {n}"))
                .collect(),
        );
        s
    }
}

fn add<K: Ord>(to: &mut BTreeMap<K, u64>, from: BTreeMap<K, u64>) {
    for (k, n) in from {
        *to.entry(k).or_default() += n;
    }
}
