#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use std::os::unix::fs::PermissionsExt as _;

fn find(mode: Mode, socket: Option<&str>, runtime: &Path) -> Result<Paths, PathsError> {
    Paths::under(mode, None, socket.map(Path::new), Some(runtime.to_owned()))
}

#[test]
fn in_a_pod_both_are_volumes_and_claims_bear_their_own_names() {
    let p = Paths::under(Mode::Run, None, None, None).unwrap();
    assert_eq!(p.state_dir, Path::new("/var/lib/mooring"));
    assert_eq!(p.socket, Path::new("/run/mooring/mooring.sock"));
    assert_eq!(p.prefix, None);
}

#[test]
fn each_exec_has_a_private_folder_that_goes_with_it() {
    let runtime = tempfile::tempdir().unwrap();
    let (a, b) = (
        find(Mode::Exec, None, runtime.path()).unwrap(),
        find(Mode::Exec, None, runtime.path()).unwrap(),
    );
    assert_ne!((&a.state_dir, &a.prefix), (&b.state_dir, &b.prefix));
    let mode = fs::metadata(a.socket.parent().unwrap())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    let left = |p: &Path| p.parent().unwrap().exists();
    let (first, second) = (a.state_dir.clone(), b.state_dir.clone());
    drop(a);
    assert!(!left(&first) && left(&second));
    // As if it was killed: its lock goes, its folder stays until the next one comes.
    let mut b = b;
    (b.passing, b.lock) = (None, None);
    drop(b);
    assert!(left(&second));
    let c = find(Mode::Exec, None, runtime.path()).unwrap();
    assert!(!left(&second) && left(&c.state_dir));
}

#[test]
fn each_agent_has_its_state_by_its_socket_and_keeps_its_name() {
    let runtime = tempfile::tempdir().unwrap();
    let one = find(Mode::Agent, None, runtime.path()).unwrap();
    assert_eq!(one.socket, runtime.path().join("mooring.sock"));
    let name = one.prefix.clone();
    assert!(name.is_some());
    match find(Mode::Agent, None, runtime.path()) {
        Err(PathsError::StateDir(e)) => assert!(e.contains("another one uses it"), "{e}"),
        other => panic!("{other:?}"),
    }
    let other = runtime.path().join("other.sock");
    let two = find(Mode::Agent, other.to_str(), runtime.path()).unwrap();
    assert_ne!((&two.state_dir, &two.prefix), (&one.state_dir, &name));
    drop(one);
    let again = find(Mode::Agent, None, runtime.path()).unwrap();
    assert_eq!(again.prefix, name, "a restart is the same agent");
}

#[test]
fn the_runtime_folder_is_systemds_the_users_or_the_machines() {
    let with = |vars: &[(&str, &str)], root| {
        let vars: Vec<_> = vars
            .iter()
            .map(|(n, v)| ((*n).to_owned(), OsString::from(v)))
            .collect();
        runtime_folder(
            |n| {
                vars.iter()
                    .find(|(name, _)| name == n)
                    .map(|(_, v)| v.clone())
            },
            root,
        )
    };
    let user = ("XDG_RUNTIME_DIR", "/run/user/7");
    assert_eq!(
        with(&[("RUNTIME_DIRECTORY", "/run/m:/run/n"), user], true),
        Some("/run/m".into())
    );
    assert_eq!(with(&[user], true), Some("/run/user/7/mooring".into()));
    assert_eq!(with(&[], true), Some("/run/mooring".into()));
    assert_eq!(with(&[("XDG_RUNTIME_DIR", "")], false), None);
}
