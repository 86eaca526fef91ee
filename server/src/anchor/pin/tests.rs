#![allow(clippy::unwrap_used)]
use super::*;
use std::path::PathBuf;

struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("state.json")
    }

    /// A new process, whose PIN's file has this content.
    async fn starts(&self, content: &str) -> PinGuard {
        let keeper = Keeper::in_file(self.file());
        let mut g = PinGuard::new(keeper, AnchorRole::Anchor, &[1; 32]);
        sees(&mut g, content).await;
        g.meet("S1");
        g
    }
}

async fn sees(g: &mut PinGuard, content: &str) {
    let hidden = g.hide("t", content.as_bytes());
    g.see(&hidden).await.unwrap();
    g.keeper.flush().await;
}

fn may(g: &PinGuard) -> bool {
    g.may_log_in(Tries::Several).is_ok()
}

async fn trying(g: &mut PinGuard) {
    g.trying(Tries::Several).await.unwrap();
}

#[tokio::test]
async fn a_rejected_pin_stays_rejected_over_a_restart_and_another_is_tried() {
    let b = Bench::new();
    let mut g = b.starts("0000").await;
    assert!(may(&g));
    trying(&mut g).await;
    g.rejected().await;
    assert!(!may(&g));
    let mut g = b.starts("0000").await;
    assert!(!may(&g));
    let barred = g.trying(Tries::Several).await;
    assert_eq!(barred, Err(NotCommitted::Refused(Barred::Rejected)));
    let mut g = b.starts("1234").await;
    assert!(may(&g));
    trying(&mut g).await;
    g.accepted().await;
    assert!(b.starts("1234").await.has_worked());
    let text = std::fs::read_to_string(b.file()).unwrap();
    assert!(!text.contains("1234") && !text.contains("0000"), "{text}");
}

#[tokio::test]
async fn changed_there_and_back_the_first_pin_is_tried_again_and_so_is_a_newline_more() {
    let b = Bench::new();
    for content in ["1234", "4321", "1234", "1234\n", "1234"] {
        let mut g = b.starts(content).await;
        assert!(may(&g), "{content:?}");
        trying(&mut g).await;
        g.rejected().await;
        assert!(!may(&b.starts(content).await), "{content:?}");
    }
    // Also where the other one was seen and never tried: the token was out.
    assert!(may(&b.starts("4321").await));
    assert!(may(&b.starts("1234").await));
}

#[tokio::test]
async fn a_login_without_a_clear_answer_is_made_once_more_and_no_oftener() {
    let b = Bench::new();
    for (start, may_try) in [true, true, false, false].into_iter().enumerate() {
        let mut g = b.starts("1234").await;
        assert_eq!(may(&g), may_try, "start {start}");
        if may_try {
            trying(&mut g).await;
        }
    }
    assert!(may(&b.starts("4321").await), "another PIN is tried");
    // A PIN that has worked is no exception: somebody may have changed the token's.
    let mut g = b.starts("4321").await;
    trying(&mut g).await;
    g.accepted().await;
    for _ in 0..2 {
        assert!(may(&g));
        trying(&mut g).await;
        g.unclear().await;
        g = b.starts("4321").await;
    }
    assert!(!may(&g));
}

#[tokio::test]
async fn a_login_that_the_token_never_saw_is_none_and_takes_back_no_other() {
    let b = Bench::new();
    let mut g = b.starts("1234").await;
    trying(&mut g).await;
    for _ in 0..5 {
        trying(&mut g).await;
        g.unseen().await;
        assert!(may(&g));
    }
    trying(&mut g).await;
    assert!(!may(&g));
}

#[tokio::test]
async fn the_last_try_is_for_a_pin_that_is_known_to_be_right() {
    let b = Bench::new();
    let mut g = b.starts("1234").await;
    assert_eq!(g.may_log_in(Tries::Last), Err(Barred::LastTry));
    assert_eq!(g.may_log_in(Tries::Locked), Err(Barred::Locked));
    assert_eq!(g.may_log_in(Tries::SomeUsed), Ok(()));
    trying(&mut g).await;
    assert_eq!(g.may_log_in(Tries::Last), Err(Barred::LastTry));
    g.accepted().await;
    assert_eq!(g.may_log_in(Tries::Last), Ok(()));
    // An answer that was not clear may have been a refusal.
    g.trying(Tries::Last).await.unwrap();
    assert_eq!(g.may_log_in(Tries::Last), Err(Barred::LastTry));
    g.rejected().await;
    assert_eq!(g.may_log_in(Tries::Last), Err(Barred::Rejected));
}

#[tokio::test]
async fn what_one_token_accepted_is_not_known_to_be_right_for_another_of_the_same_label() {
    let b = Bench::new();
    let mut g = b.starts("1234").await;
    trying(&mut g).await;
    g.accepted().await;
    // Over a restart, too; and one without a number may be any.
    for (serial, known) in [("S1", true), (" S1 ", true), ("S2", false), ("", false)] {
        for g in [&mut g, &mut b.starts("1234").await] {
            g.meet(serial);
            assert_eq!(g.has_worked(), known, "{serial:?}");
            assert_eq!(g.may_log_in(Tries::Last).is_ok(), known, "{serial:?}");
            assert_eq!(g.may_log_in(Tries::SomeUsed), Ok(()), "{serial:?}");
        }
    }
    g.meet("");
    trying(&mut g).await;
    g.accepted().await;
    assert!(!g.has_worked(), "no number, no token to tell apart");
    g.meet("S1");
    assert!(g.has_worked(), "the first one's word stays");
    let text = std::fs::read_to_string(b.file()).unwrap();
    assert!(!text.contains("S1"), "{text}");
}

#[tokio::test]
async fn a_damaged_file_counts_as_one_login_that_was_not_answered() {
    let b = Bench::new();
    std::fs::write(b.file(), "{").unwrap();
    let mut g = b.starts("1234").await;
    assert!(may(&g));
    trying(&mut g).await;
    assert!(!may(&g));
}

/// Only a PIN that this token has accepted, while the token says that nobody has shown it a wrong
/// one since.
#[tokio::test]
async fn where_nothing_can_be_written_only_a_pin_that_is_known_to_be_right_is_tried() {
    let b = Bench::new();
    let blocked = b.0.path().join("state.new");
    let mut g = b.starts("1234").await;
    std::fs::create_dir(&blocked).unwrap();
    // However often: what was not made does not count.
    for _ in 0..3 {
        let tried = g.trying(Tries::Several).await;
        assert!(matches!(tried, Err(NotCommitted::Unkept(_))), "{tried:?}");
    }
    std::fs::remove_dir(&blocked).unwrap();
    trying(&mut g).await;
    g.accepted().await;
    std::fs::create_dir(&blocked).unwrap();
    for (serial, tries, may_try) in [
        ("S1", Tries::Several, true),
        ("S1", Tries::SomeUsed, false),
        ("S1", Tries::Last, false),
        ("S2", Tries::Several, false),
        ("", Tries::Several, false),
    ] {
        g.meet(serial);
        let tried = g.trying(tries).await;
        assert_eq!(tried.is_ok(), may_try, "{serial:?} {tries:?}");
    }
    // What the token says then is not forgotten, however long it cannot be written.
    g.meet("S1");
    trying(&mut g).await;
    g.rejected().await;
    assert!(!may(&g));
    std::fs::remove_dir(&blocked).unwrap();
    g.keeper.flush().await;
    assert!(!may(&b.starts("1234").await));
}
