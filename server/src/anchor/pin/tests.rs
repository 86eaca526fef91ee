#![allow(clippy::unwrap_used)]
use super::*;

struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("pin.json")
    }

    /// A new process, whose PIN's file has this content.
    fn starts(&self, content: &str) -> PinGuard {
        let mut g = PinGuard::open(self.file(), &[1; 32], None);
        sees(&mut g, content);
        g.meet("S1");
        g
    }
}

fn sees(g: &mut PinGuard, content: &str) {
    let hidden = g.hide("t", content.as_bytes());
    g.see(&hidden);
}

fn may(g: &PinGuard) -> bool {
    g.may_log_in(Tries::Several).is_ok()
}

#[test]
fn a_rejected_pin_stays_rejected_over_a_restart_and_another_is_tried() {
    let b = Bench::new();
    let mut g = b.starts("0000");
    assert!(may(&g));
    g.trying().unwrap();
    g.rejected();
    assert!(!may(&g));
    assert!(!may(&b.starts("0000")));
    let mut g = b.starts("1234");
    assert!(may(&g));
    g.trying().unwrap();
    g.accepted();
    assert!(b.starts("1234").has_worked());
    let text = std::fs::read_to_string(b.file()).unwrap();
    assert!(!text.contains("1234") && !text.contains("0000"), "{text}");
}

#[test]
fn changed_there_and_back_the_first_pin_is_tried_again_and_so_is_a_newline_more() {
    let b = Bench::new();
    for content in ["1234", "4321", "1234", "1234\n", "1234"] {
        let mut g = b.starts(content);
        assert!(may(&g), "{content:?}");
        g.trying().unwrap();
        g.rejected();
        assert!(!may(&b.starts(content)), "{content:?}");
    }
    // Also where the other one was seen and never tried: the token was out.
    assert!(may(&b.starts("4321")));
    assert!(may(&b.starts("1234")));
}

#[test]
fn a_login_without_a_clear_answer_is_made_once_more_and_no_oftener() {
    let b = Bench::new();
    for (start, may_try) in [true, true, false, false].into_iter().enumerate() {
        let mut g = b.starts("1234");
        assert_eq!(may(&g), may_try, "start {start}");
        if may_try {
            g.trying().unwrap();
        }
    }
    assert!(may(&b.starts("4321")), "another PIN is tried");
    // A PIN that has worked is no exception: somebody may have changed the token's.
    let mut g = b.starts("4321");
    for tries in 1..=2 {
        g.trying().unwrap();
        g.accepted();
        for _ in 0..tries {
            assert!(may(&g));
            g.trying().unwrap();
        }
    }
    assert!(!may(&g));
}

#[test]
fn a_login_that_the_token_never_saw_is_none_and_takes_back_no_other() {
    let b = Bench::new();
    let mut g = b.starts("1234");
    g.trying().unwrap();
    for _ in 0..5 {
        g.trying().unwrap();
        g.unseen();
        assert!(may(&g));
    }
    g.trying().unwrap();
    assert!(!may(&g));
}

#[test]
fn the_last_try_is_for_a_pin_that_is_known_to_be_right() {
    let b = Bench::new();
    let mut g = b.starts("1234");
    assert_eq!(g.may_log_in(Tries::Last), Err(Barred::LastTry));
    assert_eq!(g.may_log_in(Tries::Locked), Err(Barred::Locked));
    assert_eq!(g.may_log_in(Tries::SomeUsed), Ok(()));
    g.trying().unwrap();
    assert_eq!(g.may_log_in(Tries::Last), Err(Barred::LastTry));
    g.accepted();
    assert_eq!(g.may_log_in(Tries::Last), Ok(()));
    // An answer that was not clear may have been a refusal.
    g.trying().unwrap();
    assert_eq!(g.may_log_in(Tries::Last), Err(Barred::LastTry));
    g.rejected();
    assert_eq!(g.may_log_in(Tries::Last), Err(Barred::Rejected));
}

#[test]
fn what_one_token_accepted_is_not_known_to_be_right_for_another_of_the_same_label() {
    let b = Bench::new();
    let mut g = b.starts("1234");
    g.trying().unwrap();
    g.accepted();
    // Over a restart, too; and one without a number may be any.
    for (serial, known) in [("S1", true), (" S1 ", true), ("S2", false), ("", false)] {
        for g in [&mut g, &mut b.starts("1234")] {
            g.meet(serial);
            assert_eq!(g.has_worked(), known, "{serial:?}");
            assert_eq!(g.may_log_in(Tries::Last).is_ok(), known, "{serial:?}");
            assert_eq!(g.may_log_in(Tries::SomeUsed), Ok(()), "{serial:?}");
        }
    }
    g.meet("");
    g.trying().unwrap();
    g.accepted();
    assert!(!g.has_worked(), "no number, no token to tell apart");
    let text = std::fs::read_to_string(b.file()).unwrap();
    assert!(!text.contains("S1"), "{text}");
}

#[test]
fn a_damaged_file_counts_as_one_login_that_was_not_answered() {
    let b = Bench::new();
    std::fs::write(b.file(), "{").unwrap();
    let mut g = b.starts("1234");
    assert!(may(&g));
    g.trying().unwrap();
    assert!(!may(&g));
}

#[test]
fn a_pod_that_is_made_anew_knows_what_the_one_before_it_tried() {
    let b = Bench::new();
    let mut g = b.starts("1234");
    g.trying().unwrap();
    g.rejected();
    let told = g.login().clone();
    let new_pod = Bench::new();
    let mut g = PinGuard::open(new_pod.file(), &[1; 32], Some(told));
    sees(&mut g, "1234");
    assert!(!may(&g));
    // What its own folder says is newer.
    sees(&mut g, "4321");
    g.meet("S1");
    g.trying().unwrap();
    g.accepted();
    let old = Login {
        verdict: Some(PinVerdict::Rejected),
        ..g.login().clone()
    };
    let mut g = PinGuard::open(new_pod.file(), &[1; 32], Some(old));
    g.meet("S1");
    assert!(may(&g) && g.has_worked());
}
