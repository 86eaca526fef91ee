//! The audit log of a real process: what is recorded, in files and on standard output, over
//! restarts, crashes and a folder that cannot be written.

use crate::rig::{Rig, Setup, TestClaim, ask, license, renew, until};
use crate::{clients, pods};
use http::Method;
use http::header::AUTHORIZATION;
use mooring_core::audit::{
    AuditEvent, AuditRecord, AuditReport, Credential, LogPlace, MARKER, Verifier,
};
use mooring_core::identity::Holder;
use mooring_core::names::ProductName;
use mooring_core::wire::{EndReason, ProblemType};
use mooring_net::client::Call;
use mooring_testkit::{sealed, vendor};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

fn files(rig: &Rig) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(rig.path("state/audit"));
    let paths = entries.into_iter().flatten().map(|e| e.unwrap().path());
    let mut files: Vec<PathBuf> = paths
        .filter(|p| p.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    files.sort();
    files
}

fn lines(rig: &Rig) -> Vec<String> {
    let read = |f: &PathBuf| std::fs::read_to_string(f).unwrap();
    let text: String = files(rig).iter().map(read).collect();
    // What is being written just now is no line yet.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(ToOwned::to_owned).collect()
}

fn records(rig: &Rig) -> Vec<AuditRecord> {
    let read = |l: String| serde_json::from_str(&l).unwrap();
    lines(rig).into_iter().map(read).collect()
}

fn verified(lines: &[String]) -> AuditReport {
    let mut verifier = Verifier::default();
    for (i, line) in lines.iter().enumerate() {
        let (file, number) = ("log".to_owned(), i as u64 + 1);
        verifier.line(LogPlace { file, line: number }, line.as_bytes());
    }
    verifier.end()
}

/// The lines that the process marked on its standard output.
fn marked(rig: &Rig) -> Vec<String> {
    let stdout = rig.stdout.lock().unwrap();
    let marked = stdout.iter().filter_map(|l| l.strip_prefix(MARKER));
    marked.map(ToOwned::to_owned).collect()
}

/// Waits for a record like this, and gives it.
async fn recorded(rig: &Rig, what: &str, like: impl Fn(&AuditRecord) -> bool) -> AuditRecord {
    let mut found = None;
    until(what, async || {
        found = records(rig).into_iter().find(|r| like(r));
        found.is_some()
    })
    .await;
    found.unwrap()
}

async fn event(rig: &Rig, event: AuditEvent) -> AuditRecord {
    recorded(rig, event.as_str(), |r| r.fact.event == event).await
}

async fn does(rig: &Rig, method: Method, path: &str, bearer: &str) {
    let call = Call::new(method, path.to_owned());
    let call = call.header(AUTHORIZATION, &format!("Bearer {bearer}"));
    let answer = ask(&rig.stranger(), call).await;
    assert!(answer.status.is_success(), "{path}: {}", answer.status);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_had_what_is_recorded_by_which_credential_in_files_and_on_standard_output() {
    let mut rig = clients::rig(1).await;
    let c = rig.stranger();
    let (ann, root) = (clients::token("ann", "t-1"), clients::token("root", "t-0"));
    let mut one = TestClaim::new("a");
    let g = one.claim_as(&c, &ann).await.granted();
    // Plain renewals are none of its business.
    for _ in 0..3 {
        renew(&c, vec![one.renewal(g.lease)]).await;
    }
    let mut two = TestClaim::new("b");
    let bob = clients::token("bob", "t-2");
    let second = two.claim_as(&c, &bob).await.waiting();
    one.release(&c, g.lease).await;
    let (post, path) = (Method::POST, format!("/v1/leases/{}", second.lease));
    does(&rig, post.clone(), &format!("{path}/release"), &root).await;
    let path = format!("{path}/revoke");
    does(&rig, post, &path, &root).await;
    let mut third = TestClaim::new("c");
    third.claim_as(&c, &bob).await.problem(ProblemType::Revoked);
    does(&rig, Method::DELETE, &path, &root).await;
    rig.terminate();

    let found = records(&rig);
    let events: Vec<&str> = found.iter().map(|r| r.fact.event.as_str()).collect();
    assert_eq!(
        events,
        [
            "started",
            "license",
            "claimed",
            "granted",
            "claimed",
            "ended",
            "granted",
            "calledBack",
            "revoked",
            "calledBack",
            "refused",
            "lifted",
            "calledBack",
            "stopped"
        ]
    );
    let by = |n: usize| match &found[n].fact.credential {
        Some(Credential::ClientToken { id, subject, .. }) => format!("{id} of {subject}"),
        other => format!("{other:?}"),
    };
    assert_eq!((by(2), by(3)), ("t-1 of ann".into(), "t-1 of ann".into()));
    assert_eq!(found[5].fact.credential, Some(Credential::Secret));
    assert_eq!(found[5].fact.how, Some(EndReason::Released));
    assert_eq!(by(6), "t-2 of bob", "who was next is granted by its own");
    assert_eq!(found[6].fact.draws[0].seats, 1);
    for deed in [7, 8, 9, 11] {
        assert_eq!(by(deed), "t-0 of root", "{:?}", found[deed]);
    }
    assert_eq!(found[7].fact.problem, Some(ProblemType::GivenBack));
    assert_eq!(by(10), "t-2 of bob");
    assert_eq!(found[10].fact.problem, Some(ProblemType::Revoked));

    let report = verified(&lines(&rig));
    assert_eq!((report.breaks.len(), report.chains.len()), (0, 1));
    until("the lines are on standard output", async || {
        marked(&rig) == lines(&rig)
    })
    .await;
    let mode = |p: &PathBuf| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&files(&rig)[0]), 0o600);
    assert_eq!(mode(&rig.path("state/audit")), 0o700);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_write_no_record_and_who_asks_again_and_again_writes_one() {
    let mut rig = clients::rig(1).await;
    let c = rig.stranger();
    for bearer in ["mct_x", "nonsense"] {
        TestClaim::new("a").claim_as(&c, bearer).await;
    }
    TestClaim::new("a").claim(&c, None).await;
    let ann = clients::token("ann", "t-1");
    for n in 0..30 {
        let mut claim = TestClaim::new(&format!("c{}", n % 2));
        claim.items[0].product = ProductName::new("unsold").unwrap();
        let p = claim.claim_as(&c, &ann).await;
        p.problem(ProblemType::UnknownProduct);
    }
    let refused = |rig: &Rig| {
        let all = records(rig).into_iter();
        let refused = all.filter(|r| r.fact.event == AuditEvent::Refused);
        refused.map(|r| r.fact.times).collect::<Vec<_>>()
    };
    event(&rig, AuditEvent::Refused).await;
    assert!(refused(&rig).iter().all(Option::is_none));
    rig.terminate();
    assert_eq!(refused(&rig), [None, None, Some(14), Some(14)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_is_named_with_all_that_its_token_says_and_its_renewals_are_judged() {
    let (rig, _) = pods::in_cluster(1, "").await;
    let c = rig.stranger();
    let mut pod = TestClaim::new("pod");
    let g = pod.claim_as(&c, "licensing/render-0").await.granted();
    let granted = event(&rig, AuditEvent::Granted).await.fact;
    let holder = Holder::Pod {
        namespace: "licensing".into(),
        pod: "render-0".into(),
        uid: "uid-render-0".into(),
        service_account: "default".into(),
        node: Some("node-a".into()),
    };
    assert_eq!(granted.holder, Some(holder));
    assert_eq!(granted.credential, Some(Credential::ServiceAccountToken));

    // Its namespace is not allowed any more, and is again.
    let operator = rig.client("mooring-operator");
    let allow = async |generation: u64, all: bool| {
        let body = if all {
            serde_json::json!({"generation": generation, "allowedNamespaces": "All"})
        } else {
            serde_json::json!({"generation": generation})
        };
        let call = Call::new(Method::PUT, "/v1/policies").json(&body).unwrap();
        assert!(ask(&operator, call).await.status.is_success());
    };
    allow(1, false).await;
    renew(&c, vec![pod.renewal(g.lease)]).await;
    let called_back = event(&rig, AuditEvent::CalledBack).await.fact;
    assert_eq!(called_back.problem, Some(ProblemType::NotEntitled));
    assert!(called_back.run_for_secs.is_some_and(|s| s > 800));
    allow(2, true).await;
    renew(&c, vec![pod.renewal(g.lease)]).await;
    event(&rig, AuditEvent::Kept).await;

    // The first renewal under another license is recorded, and no later one.
    let mut other = license(rig.token.key, 3);
    other.id = "test-2".into();
    rig.write("license", &sealed(&other, &vendor()));
    let is_new = |r: &AuditRecord| r.fact.licenses.iter().any(|l| l.id == "test-2");
    recorded(&rig, "the new license", is_new).await;
    renew(&c, vec![pod.renewal(g.lease)]).await;
    renew(&c, vec![pod.renewal(g.lease)]).await;
    pod.release(&c, g.lease).await;
    event(&rig, AuditEvent::Ended).await;
    let all = records(&rig).into_iter();
    let renewed: Vec<_> = all
        .filter(|r| r.fact.event == AuditEvent::Renewed)
        .collect();
    assert!(renewed.len() == 1 && is_new(&renewed[0]), "{renewed:?}");
    assert_eq!(renewed[0].fact.lease, Some(g.lease));
}

/// Waits until standard output has said what the files have.
async fn said_all(rig: &Rig) {
    let all = async || marked(rig).last() == lines(rig).last();
    until("it is all there", all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chain_goes_on_over_restarts_and_what_a_crash_left_is_said() {
    let mut rig = Rig::start(Setup::default()).await;
    let mut pod = TestClaim::new("pod");
    pod.claim(&rig.client("a"), None).await.granted();
    event(&rig, AuditEvent::Granted).await;
    // The file comes first: killed between the two, it would not have said the line there.
    said_all(&rig).await;
    rig.kill();
    let newest = files(&rig).pop().unwrap();
    let mut half = std::fs::File::options().append(true).open(newest).unwrap();
    half.write_all(b"{\"v\":1,\"seq\":9").unwrap();
    rig.run();
    rig.until_metric("mooring_anchor_present 1").await;
    pod.claim(&rig.client("a"), None).await.granted();
    let lease = event(&rig, AuditEvent::Reinstated).await.fact;
    assert_eq!(
        lease.credential,
        Some(Credential::Certificate {
            subject: "a".into()
        })
    );
    rig.terminate();
    let found = records(&rig);
    let torn = found.iter().filter(|r| r.fact.event == AuditEvent::Torn);
    assert_eq!(torn.map(|r| r.fact.bytes).collect::<Vec<_>>(), [Some(14)]);
    let report = verified(&lines(&rig));
    assert_eq!((report.breaks.len(), report.chains[0].runs), (0, 2));
    // On standard output a run says first which line it goes on from.
    said_all(&rig).await;
    let report = verified(&marked(&rig));
    assert_eq!((report.breaks.len(), report.repeated), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_bounded_in_size_and_number_and_the_rest_verifies() {
    let mut rig = Rig::prepare(Setup {
        more: "audit: {maxFileSize: 16384, files: 2}\n".into(),
        ..Setup::default()
    });
    rig.run();
    rig.until_metric("mooring_anchor_present 1").await;
    let c = rig.client("a");
    let oldest = files(&rig)[0].clone();
    let mut claims = 0;
    while oldest.exists() {
        let mut claim = TestClaim::new("pod");
        let g = claim.claim(&c, None).await.granted();
        claim.release(&c, g.lease).await;
        claims += 1;
        assert!(claims < 1000);
    }
    rig.terminate();
    let sizes = files(&rig).into_iter();
    let sizes: Vec<u64> = sizes.map(|f| f.metadata().unwrap().len()).collect();
    assert!(
        sizes.len() == 2 && sizes.iter().all(|s| *s <= 16_384),
        "{sizes:?}"
    );
    let report = verified(&lines(&rig));
    assert_eq!((report.breaks.len(), report.chains.len()), (0, 1));
    assert!(report.chains[0].before.is_some() && report.chains[0].first_seq > 1);
    assert_eq!(report.chains[0].last_event, "stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_written_holds_no_lease_up() {
    let mut rig = Rig::prepare(Setup::default());
    std::fs::create_dir(rig.path("state")).unwrap();
    // In the folder's place: not even root can write there.
    rig.write("state/audit", "");
    rig.run();
    rig.until_metric("mooring_anchor_present 1").await;
    let c = rig.client("a");
    let mut pod = TestClaim::new("pod");
    let g = pod.claim(&c, None).await.granted();
    until("records are lost", async || {
        rig.metric("mooring_audit_lost_total").await.unwrap() >= 4.0
    })
    .await;
    assert_eq!(rig.logged("records of the audit log are lost"), 1);
    std::fs::remove_file(rig.path("state/audit")).unwrap();
    pod.release(&c, g.lease).await;
    let lost = event(&rig, AuditEvent::Lost).await;
    assert_eq!((lost.seq, lost.fact.count), (1, Some(4)));
    let ended = event(&rig, AuditEvent::Ended).await;
    assert_eq!((ended.seq, ended.fact.lease), (2, Some(g.lease)));
    assert_eq!(rig.metric("mooring_audit_lost_total").await, Some(4.0));
    rig.terminate();
}
