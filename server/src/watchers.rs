//! Who watches: a bound on what each may keep open. The newer watch of one ends its older one,
//! since a client that comes again has lost that one, whether or not this end has noticed.

use mooring_core::identity::HolderKey;
use mooring_core::wire::{Problem, ProblemType};
use mooring_net::sync::lock;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// In sum: each change wakes them all.
const ALL: usize = 1024;
/// Of all administrators together, the operator among them: replicas, and people.
const ADMINS: usize = 16;

/// Whose a watch is; `None`: an administrator's.
type Whose = Option<HolderKey>;

#[derive(Debug, Default)]
pub(crate) struct Watchers(Mutex<Books>);

#[derive(Debug, Default)]
struct Books {
    open: HashMap<Whose, VecDeque<(u64, Arc<Notify>)>>,
    count: usize,
    next: u64,
}

/// One that is open, until dropped.
#[derive(Debug)]
pub(crate) struct Watching {
    watchers: Arc<Watchers>,
    whose: Whose,
    id: u64,
    over: Arc<Notify>,
}

impl Watchers {
    pub(crate) fn begin(self: &Arc<Self>, whose: Whose) -> Result<Watching, Problem> {
        let most = if whose.is_none() { ADMINS } else { 1 };
        let mut books = lock(&self.0);
        if books.open.get(&whose).is_some_and(|o| o.len() >= most) {
            books.end_oldest(&whose);
        }
        // Administrators get in always.
        if books.count >= ALL && whose.is_some() {
            let detail = format!("{ALL} watches are open at this license server; list instead");
            return Err(Problem::new(ProblemType::Overloaded, detail).retry_after(10));
        }
        books.next += 1;
        books.count += 1;
        let (id, over) = (books.next, Arc::new(Notify::new()));
        let open = books.open.entry(whose.clone()).or_default();
        open.push_back((id, over.clone()));
        let watchers = self.clone();
        Ok(Watching {
            watchers,
            whose,
            id,
            over,
        })
    }
}

impl Books {
    fn end_oldest(&mut self, whose: &Whose) {
        let oldest = self.open.get_mut(whose).and_then(VecDeque::pop_front);
        if let Some((_, over)) = oldest {
            over.notify_one();
            self.count -= 1;
        }
    }
}

impl Watching {
    /// Waits until a newer one takes its place.
    pub(crate) async fn over(&self) {
        self.over.notified().await;
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut books = lock(&self.watchers.0);
        let Some(open) = books.open.get_mut(&self.whose) else {
            return;
        };
        let before = open.len();
        open.retain(|(id, _)| *id != self.id);
        let ended = before - open.len();
        if open.is_empty() {
            books.open.remove(&self.whose);
        }
        books.count -= ended;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures::FutureExt as _;
    use mooring_core::identity::Holder;

    fn key(n: usize) -> HolderKey {
        let subject = n.to_string();
        Holder::External { subject }.key()
    }

    fn is_over(w: &Watching) -> bool {
        w.over().now_or_never().is_some()
    }

    #[test]
    fn the_newer_watch_of_a_holder_ends_its_older_one_and_nobody_elses() {
        let all = Arc::<Watchers>::default();
        let (first, other) = (
            all.begin(Some(key(1))).unwrap(),
            all.begin(Some(key(2))).unwrap(),
        );
        let second = all.begin(Some(key(1))).unwrap();
        assert!(is_over(&first) && !is_over(&other) && !is_over(&second));
        drop(first);
        assert_eq!(lock(&all.0).count, 2);
        drop((second, other));
        let books = lock(&all.0);
        assert_eq!((books.count, books.open.len()), (0, 0));
    }

    #[test]
    fn there_are_so_many_in_sum_and_an_administrator_gets_in() {
        let all = Arc::<Watchers>::default();
        let held: Vec<_> = (0..ALL).map(|n| all.begin(Some(key(n))).unwrap()).collect();
        assert_eq!(
            all.begin(Some(key(ALL))).unwrap_err().kind,
            ProblemType::Overloaded
        );
        // Its own place is its own.
        let again = all.begin(Some(key(0))).unwrap();
        assert!(is_over(held.first().unwrap()));
        let admins: Vec<_> = (0..=ADMINS).map(|_| all.begin(None).unwrap()).collect();
        assert_eq!(admins.iter().filter(|w| is_over(w)).count(), 1);
        drop((held, again, admins));
        assert_eq!(lock(&all.0).count, 0);
    }
}
