#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use mooring_core::holder::Spec;
use mooring_core::holder::drive::Drive;
use mooring_core::request;
use mooring_core::secret::Secret;
use mooring_core::time::BootTime;

fn claim(name: &str, kind: ClaimKind) -> (About, Drive) {
    let about = About {
        name: ClaimName::new(name).unwrap(),
        kind,
        items: request::parse("render:2").unwrap(),
        start: Start::Licensed,
        owner: None,
        bind: None,
        project: None,
    };
    let spec = Spec::new(about.name.clone(), about.items.clone(), about.start);
    let secret = Secret::from_bytes([1; 32]);
    (
        about,
        Drive::new(spec, kind, secret, BootTime::from_millis(5)),
    )
}

#[test]
fn a_crash_leaves_the_run_time_claims_of_this_boot() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::new(dir.path(), "now".into());
    let (pod, drive) = claim("pod", ClaimKind::Pod);
    folder.pod(&pod.name).save(&pod, drive.saved()).unwrap();
    let (mine, drive) = claim("mine", ClaimKind::Claim);
    let (_, mut leaving) = claim("mine", ClaimKind::Claim);
    assert!(leaving.leave(BootTime::from_millis(6)));
    let earlier = Folder::new(dir.path(), "before".into());
    for (folder, unique, drive) in [
        (&folder, "1", &leaving),
        (&folder, "2", &drive),
        (&earlier, "3", &drive),
    ] {
        let store = folder.run_time(&mine.name, unique);
        store.save(&mine, drive.saved()).unwrap();
    }
    for (name, text) in [
        ("claim-half~4.new", "{"),
        ("claim-broken~5.json", "{"),
        ("other", "x"),
    ] {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let mut found = folder.left_behind().unwrap();
    found.sort_by_key(|(_, d)| d.claim.is_given_back());
    let found: Vec<_> = found
        .into_iter()
        .map(|(_, d)| (d.about, d.claim.is_given_back()))
        .collect();
    assert_eq!(found, [(mine.clone(), false), (mine, true)]);
    let left = |name: &str| dir.path().join(name).exists();
    assert!(left("claim-pod.json") && left("other") && left("claim-broken~5.bad"));
    assert!(!left("claim-mine~3.json") && !left("claim-half~4.new"));
    assert_eq!(folder.pod(&pod.name).load().unwrap().unwrap().about, pod);
}

#[test]
fn what_an_earlier_version_saved_is_the_pods_claim() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::new(dir.path(), "now".into());
    let (pod, drive) = claim("pod", ClaimKind::Pod);
    let old = serde_json::json!({"boot": "now", "claim": drive.saved()});
    fs::write(dir.path().join("claim-pod.json"), old.to_string()).unwrap();
    let about = folder.pod(&pod.name).load().unwrap().unwrap().about;
    assert_eq!((about.name, about.kind), (pod.name, ClaimKind::Pod));
}
