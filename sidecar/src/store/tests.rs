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
        items: vec![request::parse("render:2").unwrap()],
        start: Start::Licensed,
        owner: None,
        bind: None,
        project: None,
    };
    let spec = Spec::new(about.name.clone(), about.items_of(0).to_vec(), about.start);
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
    folder
        .pod(&pod.name)
        .save(&pod, [("s:1", drive.saved())])
        .unwrap();
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
        store.save(&mine, [("s:1", drive.saved())]).unwrap();
    }
    for (name, text) in [
        ("claim-half~4.new", "{"),
        ("claim-broken~5.json", "{"),
        ("other", "x"),
    ] {
        fs::write(dir.path().join(name), text).unwrap();
    }
    let mut found = folder.left_behind().unwrap();
    found.sort_by_key(|(_, d)| d.lines["s:1"].is_leaving());
    let found: Vec<_> = found
        .into_iter()
        .map(|(_, d)| (d.about, d.lines["s:1"].is_leaving()))
        .collect();
    assert_eq!(found, [(mine.clone(), false), (mine, true)]);
    let left = |name: &str| dir.path().join(name).exists();
    assert!(left("claim-pod.json") && left("other") && left("claim-broken~5.bad"));
    assert!(!left("claim-mine~3.json") && !left("claim-half~4.new"));
    assert_eq!(folder.pod(&pod.name).load().unwrap().unwrap().about, pod);
}
