//! What other processes of the same user see of a sidecar.

use crate::lab::{Server, Sidecar, secs};
use mooring_client::HoldState;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Nobody's, so that root, who may look anywhere, can try it as well.
const USER: u32 = 65532;

#[test]
fn a_process_of_the_same_user_reads_neither_its_files_nor_its_environment() {
    let server = Server::new(1, 5);
    let root = rustix::process::geteuid().is_root();
    let mut pod = Sidecar::of(&server, "a");
    if root {
        for path in [
            pod.dir.path(),
            &pod.state_dir(),
            &pod.dir.path().join("token"),
        ] {
            chown(path, Some(USER), Some(USER)).unwrap();
        }
        pod = pod.of_user(USER);
    }
    pod.start();
    pod.is(HoldState::Held, secs(5));
    let pid = pod.pid();
    let claim = pod.state_dir().join("claim-pod.json");
    for path in [
        format!("/proc/{pid}/root{}", claim.display()),
        format!("/proc/{pid}/environ"),
        format!("/proc/{pid}/fd/0"),
    ] {
        let mut cat = Command::new("cat");
        if root {
            cat.uid(USER).gid(USER);
        }
        let read = cat.arg(&path).output().unwrap();
        assert!(!read.status.success() && read.stdout.is_empty(), "{path}");
    }
    pod.terminate();
}
