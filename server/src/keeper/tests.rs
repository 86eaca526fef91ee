//! The keeper over a file; over a Secret it is tried with a small API server of its own
//! (server/tests/it/outlives.rs).

#![allow(clippy::unwrap_used)]
use super::*;
use mooring_core::kept::{AnchorRole, Superseded};
use std::path::PathBuf;

impl Keeper {
    /// In this file, which was read.
    pub(crate) fn in_file(path: PathBuf) -> Arc<Self> {
        let metrics = Arc::new(Metrics::new().unwrap());
        let run = mooring_net::random::instance_id();
        let this = Self::new(Place::File(path), run, metrics);
        // Not within the budget of the test's own task: it would wait for itself.
        let read = tokio::task::unconstrained(this.flush());
        futures::executor::block_on(read);
        Arc::new(this)
    }

    /// Somebody else has written this.
    pub(crate) fn hears(&self, theirs: Kept) {
        let document = Document {
            written_by: mooring_net::random::instance_id(),
            kept: theirs,
        };
        self.merge(&Place::Nowhere, Stored::Document(document));
    }
}

fn supersede(k: &mut Kept, id: &str) {
    let by = Superseded {
        by: "L-2".into(),
        issued: "2026-01-01T00:00:00Z".parse().unwrap(),
    };
    k.supersede(id, by);
}

#[tokio::test]
async fn what_is_committed_lies_there_or_has_not_happened_and_the_rest_is_written_later() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.json");
    let blocked = dir.path().join("state.new");
    let keeper = Keeper::in_file(path.clone());
    assert!(!path.exists(), "there is nothing to keep yet");
    std::fs::create_dir(&blocked).unwrap();
    let login = |k: &mut Kept| {
        k.login(AnchorRole::Anchor, "a").trying();
        Ok::<(), ()>(())
    };
    let refused = keeper.commit(login).await;
    assert!(
        matches!(refused, Err(NotCommitted::Unkept(_))),
        "{refused:?}"
    );
    assert_eq!(keeper.with(Clone::clone), Kept::default());
    assert_eq!(keeper.trouble(), None, "and nothing is missed");
    keeper.change(|k| supersede(k, "L-1"));
    keeper.flush().await;
    assert!(
        keeper
            .trouble()
            .is_some_and(|t| t.contains("make stateDir writable"))
    );
    assert_eq!(keeper.metrics.state_failures.get(), 2);
    std::fs::remove_dir(&blocked).unwrap();
    keeper.flush().await;
    assert_eq!(keeper.trouble(), None);
    let again = Keeper::in_file(path);
    assert_eq!(again.with(Clone::clone), keeper.with(Clone::clone));
    assert_eq!(
        keeper.commit(|_| Err(1)).await,
        Err(NotCommitted::Refused(1))
    );
}

#[tokio::test]
async fn what_others_wrote_is_merged_and_what_is_committed_is_judged_on_it() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = Keeper::in_file(dir.path().join("state.json"));
    keeper.change(|k| supersede(k, "L-1"));
    let mut theirs = Kept::default();
    theirs.login(AnchorRole::Anchor, "a").rejected();
    keeper.hears(theirs);
    assert_eq!(keeper.merges(), 1);
    let login = keeper.commit(|k| {
        assert!(k.superseded("L-1").is_some());
        let barred = k.login(AnchorRole::Anchor, "a").is_rejected();
        if barred { Err("barred") } else { Ok(()) }
    });
    assert_eq!(login.await, Err(NotCommitted::Refused("barred")));
}

/// An answer to its write that was lost: it lies there, and was not done.
#[tokio::test]
async fn what_this_run_began_to_write_and_has_not_done_is_no_word_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = Keeper::in_file(dir.path().join("state.json"));
    let mut begun = Kept::default();
    begun.login(AnchorRole::Anchor, "a").trying();
    let document = Document {
        written_by: keeper.run,
        kept: begun,
    };
    keeper.merge(&Place::Nowhere, Stored::Document(document));
    assert_eq!(keeper.merges(), 0);
    let mut unclear = 0;
    let login = keeper.commit(|k| {
        let login = k.login(AnchorRole::Anchor, "a");
        login.trying();
        unclear = login.unclear();
        Ok::<(), ()>(())
    });
    login.await.unwrap();
    assert_eq!(unclear, 1, "the one that is made now");
}

#[tokio::test]
async fn a_damaged_document_is_told_and_counts_as_one_login_that_nobody_answered() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.json");
    std::fs::write(&path, "{").unwrap();
    let keeper = Keeper::in_file(path);
    keeper.change(|k| assert_eq!(k.login(AnchorRole::Standby, "a").unclear(), 1));
}
