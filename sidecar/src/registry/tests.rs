#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::store::Folder;
use mooring_core::holder::Spec;
use mooring_core::license::Envelope;
use mooring_core::names::{ClaimName, InstanceId, LeaseId, RequestId, TermsId};
use mooring_core::policy::Start;
use mooring_core::receipt::Sealed;
use mooring_core::request;
use mooring_core::secret::Secret;
use mooring_core::wire::{ProblemType, Renewed, True};
use std::os::unix::fs::MetadataExt as _;
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

fn anybody() -> Asker {
    crate::users::Users::Together.asker(None).unwrap()
}

fn folder() -> Folder {
    Folder::new(&std::env::temp_dir().join("mooring-none"), "boot".into())
}

fn line(claim: ClaimId) -> LineId {
    LineId { claim, server: 0 }
}

fn put(registry: &Registry, kind: ClaimKind, name: &str, start: Start) -> ClaimId {
    put_in(&folder(), registry, kind, name, start)
}

fn put_in(
    folder: &Folder,
    registry: &Registry,
    kind: ClaimKind,
    name: &str,
    start: Start,
) -> ClaimId {
    let (name, items) = (
        ClaimName::new(name).unwrap(),
        request::parse("render:2").unwrap(),
    );
    let spec = Spec::new(name.clone(), items.clone(), start);
    let store = folder.pod(&name);
    let drive = Drive::new(spec, kind, Secret::from_bytes([1; 32]), t(0));
    let about = About {
        name,
        kind,
        items: vec![items],
        start,
        owner: None,
        bind: None,
        project: None,
    };
    registry.add(about, store, vec![drive], t(0)).0
}

fn asks(registry: &Registry, id: ClaimId, now: BootTime) -> Tag {
    loop {
        match registry.next(line(id), now, &mut Even).unwrap() {
            Do::Save => {}
            Do::Send { tag, .. } => return tag,
            other => panic!("{other:?}"),
        }
    }
}

fn printed(registry: &Registry, now: BootTime) -> Status {
    let text = registry.printed(anybody(), now).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// Asks, and hears nothing for as long as it takes to start without the server.
fn hears_nothing(registry: &Registry, id: ClaimId) {
    let tag = asks(registry, id, t(0));
    registry.landed(
        line(id),
        t(15),
        tag,
        Answer::NoContact("gone".into()),
        &mut Even,
    );
}

#[test]
fn changes_by_time_alone_show_at_once_and_are_numbered_once() {
    let registry = Registry::new(vec!["s:1".into()]);
    let id = put(&registry, ClaimKind::Pod, "pod", Start::Optimistic);
    let (first, mut changes) = registry.subscribe(t(0));
    assert_eq!(
        (first.state, first.seq, first.licensed, first.boot_ms),
        (HoldState::Seeking, 1, false, 1000)
    );
    assert_eq!(registry.status(anybody(), t(1)).seq, 1, "nothing changed");
    assert!(changes.feed.try_recv().is_err());
    hears_nothing(&registry, id);
    let s = registry.status(anybody(), t(15));
    assert_eq!(
        (s.state, s.seq, s.licensed),
        (HoldState::Optimistic, 2, true)
    );
    assert_eq!(s.for_ms, s.until_boot_ms.map(|u| u - s.boot_ms));
    assert_eq!(*changes.feed.try_recv().unwrap(), s);
    let later = registry.status(anybody(), t(16));
    assert_eq!(later.seq, 2, "less time left is no change");
    assert_eq!(printed(&registry, t(15)), s);
    assert_eq!(printed(&registry, t(16)), later);
    // Nobody polled the holder; the question alone finds that its time is over.
    let s = registry.status(anybody(), t(8 * 3600));
    assert_eq!((s.state, s.seq, s.licensed), (HoldState::Lost, 3, false));
    assert_eq!(*changes.feed.try_recv().unwrap(), s);
    assert_eq!(printed(&registry, t(8 * 3600 + 1)).seq, 3);
    registry.stop(line(id), t(8 * 3600 + 1));
    assert_eq!(
        printed(&registry, t(8 * 3600 + 1)).state,
        HoldState::Released
    );
    assert_eq!(changes.feed.try_recv().unwrap().state, HoldState::Released);
    assert!(changes.feed.try_recv().is_err());
}

#[test]
fn several_pod_claims_are_licensed_together_or_not() {
    let registry = Registry::new(vec!["s:1".into()]);
    let id = put(&registry, ClaimKind::Pod, "pod", Start::Optimistic);
    put(&registry, ClaimKind::Pod, "other", Start::Licensed);
    hears_nothing(&registry, id);
    let s = registry.status(anybody(), t(20));
    assert_eq!(
        (s.state, s.licensed, s.until_boot_ms, s.for_ms),
        (HoldState::Optimistic, false, None, None)
    );
    assert!(s.claims[0].licensed && !s.claims[1].licensed);
}

#[test]
fn run_time_claims_say_nothing_of_the_pod() {
    let registry = Registry::new(vec!["s:1".into()]);
    let s = registry.status(anybody(), t(0));
    assert_eq!(
        (s.state, s.licensed, s.claims.len()),
        (HoldState::Released, false, 0),
        "an agent without a claim of its own"
    );
    let mine = put(&registry, ClaimKind::Claim, "mine", Start::Optimistic);
    hears_nothing(&registry, mine);
    let s = registry.status(anybody(), t(20));
    assert!(s.claims[0].licensed);
    assert_eq!((s.state, s.licensed), (HoldState::Released, false));
    assert_eq!((s.until_boot_ms, s.for_ms), (None, None));
    put(&registry, ClaimKind::Pod, "pod", Start::Licensed);
    put(&registry, ClaimKind::Hold, "hold-x", Start::Optimistic);
    let s = registry.status(anybody(), t(40));
    assert_eq!((s.state, s.licensed), (HoldState::Seeking, false));
    assert_eq!(s.claims[2].kind, ClaimKind::Hold);
    assert_eq!(
        registry.count(None),
        Count {
            live: 2,
            leaving: 0
        }
    );
}

#[test]
fn a_claim_that_leaves_is_shown_no_more_and_frees_its_name() {
    let registry = Registry::new(vec!["s:1".into()]);
    let id = put(&registry, ClaimKind::Claim, "mine", Start::Licensed);
    let _asked = asks(&registry, id, t(0));
    registry.leave(id, t(1));
    assert!(registry.find("mine", anybody(), t(1)).is_none() && registry.claim(id, t(1)).is_none());
    assert!(registry.is_leaving(id) && registry.status(anybody(), t(1)).claims.is_empty());
    let again = put(&registry, ClaimKind::Claim, "mine", Start::Licensed);
    assert_ne!(again, id);
    assert_eq!(
        registry.count(None),
        Count {
            live: 1,
            leaving: 1
        }
    );
    registry.remove(line(id), t(2));
    assert_eq!(
        registry.count(None),
        Count {
            live: 1,
            leaving: 0
        }
    );
    assert_eq!(registry.find("mine", anybody(), t(2)).unwrap().id, again);
}

#[test]
fn a_refusal_is_kept_whole_until_the_server_says_otherwise() {
    let registry = Registry::new(vec!["s:1".into()]);
    let id = put(&registry, ClaimKind::Claim, "mine", Start::Licensed);
    let refused = Problem::new(ProblemType::UnknownProduct, "no \"rendr\"").field("items[0]");
    let tag = asks(&registry, id, t(0));
    let answer = Answer::Problem(refused.clone());
    registry.landed(line(id), t(0), tag, answer, &mut Even);
    let s = registry.claim(id, t(0)).unwrap();
    assert_eq!(
        (s.state, s.problem),
        (HoldState::Refused, Some(refused.clone()))
    );
    let tag = asks(&registry, id, t(61));
    registry.landed(
        line(id),
        t(61),
        tag,
        Answer::NoContact("gone".into()),
        &mut Even,
    );
    assert_eq!(registry.claim(id, t(61)).unwrap().problem, Some(refused));
    let tag = asks(&registry, id, t(130));
    let busy = Answer::Problem(Problem::new(ProblemType::Overloaded, "busy"));
    registry.landed(line(id), t(130), tag, busy, &mut Even);
    let s = registry.claim(id, t(130)).unwrap();
    assert_eq!(s.problem.unwrap().kind, ProblemType::UnknownProduct);
}

#[test]
fn a_hold_is_followed_by_one_at_a_time() {
    let registry = Registry::new(vec!["s:1".into()]);
    put(&registry, ClaimKind::Claim, "mine", Start::Licensed);
    let id = put(&registry, ClaimKind::Hold, "hold-x", Start::Licensed);
    assert_eq!(registry.orphans(), [id]);
    assert!(registry.follow(id));
    assert!(!registry.follow(id), "somebody does already");
    assert!(registry.orphans().is_empty());
}

#[test]
fn each_user_is_answered_with_what_it_may_see_whoever_asked_before() {
    let registry = Registry::new(vec!["s:1".into()]);
    put(&registry, ClaimKind::Claim, "mine", Start::Licensed);
    let users = crate::users::Users::Apart { own: 1 };
    let (own, other) = (users.asker(Some(1)).unwrap(), users.asker(Some(2)).unwrap());
    for _ in 0..2 {
        for (asker, shown, others) in [(own, 1, 0), (other, 0, 1)] {
            let text = registry.printed(asker, t(1)).unwrap();
            let s: Status = serde_json::from_slice(&text).unwrap();
            assert_eq!((s.claims.len(), s.others), (shown, others));
            assert_eq!(s, registry.status(asker, t(1)));
        }
    }
}

fn granted() -> Answer {
    let document = |says: serde_json::Value| Envelope {
        payload_type: "t".into(),
        payload: says.to_string().into_bytes(),
        signatures: vec![],
    };
    let license = document(serde_json::json!({}));
    let digest = license.digest();
    let lease = serde_json::json!({"delegation": digest, "parts": [{"license": digest}]});
    let grant = serde_json::json!({
        "lease": LeaseId::from_bytes([2; 16]), "claim": "pod",
        "instance": InstanceId::from_bytes([3; 16]), "items": [],
        "leaseForSecs": 30, "runForSecs": 600, "maxContestedSecs": 60, "optimisticStart": "allow",
        "counter": 1, "holder": {"kind": "external", "subject": "x"}, "terms": TermsId::from_bytes([4; 8]),
        "receipt": Sealed::from_bytes(&[5]),
        "token": {"licenses": [license.clone()], "delegation": license, "lease": document(lease)},
    });
    Answer::Granted(Box::new(serde_json::from_value(grant).unwrap()))
}

fn renewed(counter: u64) -> Answer {
    Answer::Renewed(Box::new(Renewed::Same {
        same: True,
        lease: LeaseId::from_bytes([2; 16]),
        counter,
        receipt: Sealed::from_bytes(&counter.to_be_bytes()),
    }))
}

/// Which file it is: a new one each time that it was written.
fn written(dir: &std::path::Path) -> u64 {
    let file = std::fs::metadata(dir.join("claim-pod.json"));
    file.map_or(0, |m| m.ino())
}

/// What an idle sidecar costs is what it does again and again: a renewal's numbers are written
/// before they are sent, and its answer before anybody is told. Nothing else is.
#[test]
fn an_idle_minute_writes_twice_for_each_renewal() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::new(dir.path(), "boot".into());
    let registry = Registry::new(vec!["s:1".into()]);
    let id = put_in(&folder, &registry, ClaimKind::Pod, "pod", Start::Licensed);
    let tag = asks(&registry, id, t(0));
    registry.landed(line(id), t(0), tag, granted(), &mut Even);
    let (mut now, mut counter, mut file) = (t(0), 1, written(dir.path()));
    let (mut wakes, mut renewals, mut writes) = (0, 0, 0);
    while now < t(60) {
        match registry.next(line(id), now, &mut Even).unwrap() {
            Do::Save => registry.save(id),
            Do::Send { tag, request, .. } => {
                assert!(matches!(request, Request::Renew(_)), "{request:?}");
                (counter, renewals) = (counter + 1, renewals + 1);
                registry.landed(line(id), now, tag, renewed(counter), &mut Even);
            }
            Do::Sleep { until } => (now, wakes) = (until, wakes + 1),
            other => panic!("{other:?}"),
        }
        let before = std::mem::replace(&mut file, written(dir.path()));
        writes += u32::from(before != file);
    }
    assert_eq!(registry.claim(id, now).unwrap().state, HoldState::Held);
    assert_eq!((wakes, renewals, writes), (7, 6, 12));
}
