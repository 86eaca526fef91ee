#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::store::Folder;
use mooring_core::holder::Spec;
use mooring_core::names::ClaimName;
use mooring_core::names::RequestId;
use mooring_core::policy::Start;
use mooring_core::request;
use mooring_core::secret::Secret;
use std::time::Duration;

struct Even;

impl Random for Even {
    fn request_id(&mut self) -> RequestId {
        RequestId::from_bytes([1; 16])
    }
    fn fraction(&mut self) -> f64 {
        0.5
    }
    fn secret(&mut self) -> Secret {
        Secret::from_bytes([9; 32])
    }
}

fn t(s: u64) -> BootTime {
    BootTime::from_millis(1000) + Duration::from_secs(s)
}

fn folder() -> Folder {
    Folder::new(&std::env::temp_dir().join("mooring-none"), "boot".into())
}

fn put(board: &Board, kind: ClaimKind, name: &str, start: Start) -> ClaimAt {
    let (name, items) = (
        ClaimName::new(name).unwrap(),
        request::parse("render:2").unwrap(),
    );
    let spec = Spec::new(name.clone(), items.clone(), start);
    let store = folder().pod(&name);
    let drive = Drive::new(spec, kind, Secret::from_bytes([1; 32]), t(0));
    let about = About {
        name,
        kind,
        items,
        start,
    };
    board.add(about, store, drive, t(0)).0
}

fn asks(board: &Board, at: ClaimAt, now: BootTime) -> Tag {
    loop {
        match board.next(at, now, &mut Even).unwrap() {
            Do::Save => {}
            Do::Send { tag, .. } => return tag,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn changes_by_time_alone_show_at_once_and_are_numbered_once() {
    let board = Board::new("s:1".into());
    let at = put(&board, ClaimKind::Pod, "pod", Start::Optimistic);
    let (first, mut changes) = board.subscribe(t(0));
    assert_eq!(
        (first.state, first.seq, first.licensed, first.boot_ms),
        (HoldState::Seeking, 1, false, 1000)
    );
    assert_eq!(board.status(t(1)).seq, 1, "nothing changed");
    assert!(changes.try_recv().is_err());
    // Nobody polled the holder; the question alone finds that its time has come.
    let s = board.status(t(15));
    assert_eq!(
        (s.state, s.seq, s.licensed),
        (HoldState::Optimistic, 2, true)
    );
    assert_eq!(s.for_ms, s.until_boot_ms.map(|u| u - s.boot_ms));
    assert_eq!(*changes.try_recv().unwrap(), s);
    assert_eq!(board.status(t(16)).seq, 2, "less time left is no change");
    board.stop(at, t(17));
    assert_eq!(changes.try_recv().unwrap().state, HoldState::Released);
    assert!(changes.try_recv().is_err());
}

#[test]
fn several_pod_claims_are_licensed_together_or_not() {
    let board = Board::new("s:1".into());
    put(&board, ClaimKind::Pod, "pod", Start::Optimistic);
    put(&board, ClaimKind::Pod, "other", Start::Licensed);
    let s = board.status(t(20));
    assert_eq!(
        (s.state, s.licensed, s.until_boot_ms, s.for_ms),
        (HoldState::Optimistic, false, None, None)
    );
    assert!(s.claims[0].licensed && !s.claims[1].licensed);
}

#[test]
fn run_time_claims_say_nothing_of_the_pod() {
    let board = Board::new("s:1".into());
    let s = board.status(t(0));
    assert_eq!(
        (s.state, s.licensed, s.claims.len()),
        (HoldState::Released, false, 0),
        "an agent without a claim of its own"
    );
    put(&board, ClaimKind::Claim, "mine", Start::Optimistic);
    let s = board.status(t(20));
    assert!(s.claims[0].licensed);
    assert_eq!((s.state, s.licensed), (HoldState::Released, false));
    assert_eq!((s.until_boot_ms, s.for_ms), (None, None));
    put(&board, ClaimKind::Pod, "pod", Start::Licensed);
    put(&board, ClaimKind::Hold, "hold-x", Start::Optimistic);
    let s = board.status(t(40));
    assert_eq!((s.state, s.licensed), (HoldState::Seeking, false));
    assert_eq!(s.claims[2].kind, ClaimKind::Hold);
    assert_eq!(
        board.count(),
        Count {
            live: 2,
            leaving: 0
        }
    );
}

#[test]
fn a_claim_that_leaves_is_shown_no_more_and_frees_its_name() {
    let board = Board::new("s:1".into());
    let at = put(&board, ClaimKind::Claim, "mine", Start::Licensed);
    let _asked = asks(&board, at, t(0));
    board.leave(at, t(1));
    assert!(board.find("mine", t(1)).is_none() && board.claim(at, t(1)).is_none());
    assert!(board.is_leaving(at) && board.status(t(1)).claims.is_empty());
    let again = put(&board, ClaimKind::Claim, "mine", Start::Licensed);
    assert_ne!(again, at);
    assert_eq!(
        board.count(),
        Count {
            live: 1,
            leaving: 1
        }
    );
    board.remove(at, t(2));
    assert_eq!(
        board.count(),
        Count {
            live: 1,
            leaving: 0
        }
    );
    assert_eq!(board.find("mine", t(2)).unwrap().at, again);
}

#[test]
fn a_refusal_is_kept_whole_until_the_server_says_otherwise() {
    let board = Board::new("s:1".into());
    let at = put(&board, ClaimKind::Claim, "mine", Start::Licensed);
    let refused = Problem::new(ProblemType::UnknownProduct, "no \"rendr\"").field("items[0]");
    let tag = asks(&board, at, t(0));
    let answer = Answer::Problem(refused.clone());
    board.landed(at, t(0), tag, answer, &mut Even);
    let s = board.claim(at, t(0)).unwrap();
    assert_eq!(
        (s.state, s.problem),
        (HoldState::Refused, Some(refused.clone()))
    );
    let tag = asks(&board, at, t(61));
    board.landed(at, t(61), tag, Answer::NoContact("gone".into()), &mut Even);
    assert_eq!(board.claim(at, t(61)).unwrap().problem, Some(refused));
    let tag = asks(&board, at, t(130));
    let busy = Answer::Problem(Problem::new(ProblemType::Overloaded, "busy"));
    board.landed(at, t(130), tag, busy, &mut Even);
    let s = board.claim(at, t(130)).unwrap();
    assert_eq!(s.problem.unwrap().kind, ProblemType::UnknownProduct);
}

#[test]
fn a_hold_is_followed_by_one_at_a_time() {
    let board = Board::new("s:1".into());
    put(&board, ClaimKind::Claim, "mine", Start::Licensed);
    let at = put(&board, ClaimKind::Hold, "hold-x", Start::Licensed);
    assert_eq!(board.orphans(), [at]);
    assert!(board.follow(at));
    assert!(!board.follow(at), "somebody does already");
    assert!(board.orphans().is_empty());
}
