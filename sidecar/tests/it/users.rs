//! An agent's users are strangers to each other. With real ones, so as root; else told and left
//! out.

use crate::lab::{Server, Sidecar, curl, curl_as, eventually, secs};
use mooring_client::{ClaimStatus, HoldState, Status};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

const ANNA: u32 = 61_001;
const BOB: u32 = 61_002;
const ONE: &str = r#"{"items":[{"product":"render"}]}"#;

/// An agent whose socket every user reaches; `None` where this is not root.
fn agent(server: &Server, group: &str) -> Option<Sidecar> {
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if !root {
        println!("left out: it takes root to be several users");
        return None;
    }
    let agent = Sidecar::of(server, "a")
        .agent()
        .with("MOORING_LICENSES", "")
        .with("MOORING_SOCKET_GROUP", group);
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(agent.dir.path(), open).unwrap();
    let agent = agent.started();
    agent.events();
    Some(agent)
}

/// A hold of a user's own process. What it is told is not read any more, and can be: a process
/// that writes to nobody ends, and its hold with it.
struct HoldOf(Child, BufReader<ChildStdout>);

impl HoldOf {
    fn open(uid: u32, socket: &Path) -> (Self, ClaimStatus) {
        let mut process = Command::new("curl")
            .args(["--silent", "--no-buffer", "-X", "POST", "--unix-socket"])
            .arg(socket)
            .arg("http://mooring/v1/hold?product=render")
            .uid(uid)
            .gid(uid)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = process.stdout.take().unwrap();
        let mut this = Self(process, BufReader::new(out));
        let mut lines = this.1.by_ref().lines().map_while(Result::ok);
        let held = lines.find_map(|line| {
            let status: ClaimStatus = serde_json::from_str(line.strip_prefix("data: ")?).unwrap();
            (status.state == HoldState::Held).then_some(status)
        });
        (this, held.expect("the hold ended"))
    }

    fn lives(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for HoldOf {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process with all that it started, which ends with the test, however that ends.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-9", "--", &group]).status();
        let _ = self.0.wait();
    }
}

fn put(uid: u32, socket: &Path, name: &str) -> (String, String) {
    let url = format!("http://mooring/v1/claims/{name}");
    let args = ["-X", "PUT", &url, "-H", "Prefer: wait=5", "-d", ONE];
    curl_as(uid, socket, &args)
}

fn status(uid: u32, socket: &Path) -> Status {
    let (code, body) = curl_as(uid, socket, &["http://mooring/v1/status"]);
    assert_eq!(code, "200", "{body}");
    serde_json::from_str(&body).unwrap()
}

#[test]
fn what_one_user_has_another_neither_sees_nor_ends_nor_takes_up() {
    let server = Server::new(10, 5);
    let Some(agent) = agent(&server, "") else {
        return;
    };
    let socket = agent.socket();
    let (mut hold, held) = HoldOf::open(ANNA, &socket);
    assert_eq!(put(ANNA, &socket, "mine").0, "200");
    assert_eq!(status(ANNA, &socket).claims.len(), 2);

    let seen = status(BOB, &socket);
    assert_eq!((seen.claims.len(), seen.others), (0, 2), "a count is all");
    let hold_url = format!("http://mooring/v1/claims/{}", held.name);
    for url in [hold_url.as_str(), "http://mooring/v1/claims/mine"] {
        assert_eq!(curl_as(BOB, &socket, &[url]).0, "404");
        // As where there is none.
        assert_eq!(curl_as(BOB, &socket, &["-X", "DELETE", url]).0, "204");
    }
    let resume = format!("http://mooring/v1/hold?resume={}", held.name);
    assert_eq!(curl_as(BOB, &socket, &["-X", "POST", &resume]).0, "404");
    let token = format!("http://mooring/v1/token?claim={}", held.name);
    assert_eq!(curl_as(BOB, &socket, &[&token]).0, "404");
    assert_eq!(curl_as(ANNA, &socket, &[&token]).0, "200");

    // Another claim of the same name is another claim.
    assert_eq!(put(BOB, &socket, "mine").0, "200");
    let mut names: Vec<_> = server.views().iter().map(|v| v.claim.to_string()).collect();
    names.retain(|n| n.ends_with("mine"));
    names.sort();
    let [a, b] = [ANNA, BOB].map(|u| format!(".u{u}.mine"));
    assert!(
        names[0].ends_with(&a) && names[1].ends_with(&b),
        "{names:?}"
    );
    let delete = ["-X", "DELETE", "http://mooring/v1/claims/mine"];
    assert_eq!(curl_as(BOB, &socket, &delete).0, "204");
    let anna = status(ANNA, &socket);
    assert!(anna.claims.iter().all(|c| c.state == HoldState::Held));
    assert_eq!((anna.claims.len(), hold.lives()), (2, true));

    // Root, and the agent's own user, see to all.
    let (_, all) = curl(&socket, &["http://mooring/v1/status"]);
    let all: Status = serde_json::from_str(&all).unwrap();
    assert_eq!((all.claims.len(), all.others), (2, 0));
    assert_eq!(curl(&socket, &["-X", "DELETE", &hold_url]).0, "204");
    eventually("the hold is ended", secs(5), || {
        (!hold.lives()).then_some(())
    });
}

#[test]
fn a_users_claims_are_that_users_after_a_crash_too() {
    let server = Server::new(10, 5);
    let Some(mut agent) = agent(&server, "") else {
        return;
    };
    let socket = agent.socket();
    assert_eq!(put(ANNA, &socket, "mine").0, "200");
    agent.kill();
    agent.start();
    agent.events();
    let seen = status(BOB, &socket);
    assert_eq!((seen.claims.len(), seen.others), (0, 1));
    assert_eq!(status(ANNA, &socket).claims[0].name.as_str(), "mine");
}

#[test]
fn no_user_takes_all_there_is() {
    let server = Server::new(40, 5);
    let Some(agent) = agent(&server, "") else {
        return;
    };
    let socket = agent.socket();
    let all: Vec<_> = (0..9)
        .map(|n| put(BOB, &socket, &format!("c{n}")))
        .collect();
    let granted = all.iter().filter(|(code, _)| code == "200").count();
    assert_eq!(granted, 7, "{all:?}");
    assert!(all[8].1.contains("this user has 7 claims"), "{}", all[8].1);
    assert_eq!(put(ANNA, &socket, "mine").0, "200");

    // Connections that say nothing, and followers that never end.
    let mut strangers: Vec<Group> = Vec::new();
    // Those who are turned away come again: a place that gets free is taken. (Every Debian has
    // Perl.)
    let many = "for i in $(seq 60); do perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new($ENV{S}); sleep 600' & done; wait";
    let follow = "for i in $(seq 40); do (while sleep 0.1; do curl -sN --unix-socket \"$S\" http://mooring/v1/events >/dev/null; done) & done; wait";
    let mut bob = |script: &str| {
        let mut sh = Command::new("sh");
        sh.args(["-c", script]).env("S", &socket);
        sh.uid(BOB).gid(BOB).process_group(0);
        strangers.push(Group(sh.spawn().unwrap()));
    };
    bob(follow);
    eventually("one user's followers are at their bound", secs(30), || {
        let (code, body) = curl_as(BOB, &socket, &["http://mooring/v1/events"]);
        (code == "503" && body.contains("of one user")).then_some(())
    });
    bob(many);
    eventually(
        "one user's connections are at their bound",
        secs(30),
        || {
            let (code, _) = curl_as(BOB, &socket, &["http://mooring/v1/status"]);
            (code != "200").then_some(())
        },
    );
    assert_eq!(status(ANNA, &socket).claims.len(), 1);
    let (_hold, held) = HoldOf::open(ANNA, &socket);
    assert_eq!(held.state, HoldState::Held);
}

#[test]
fn a_group_of_the_machine_may_have_the_socket_for_itself() {
    let server = Server::new(2, 5);
    let Some(agent) = agent(&server, &ANNA.to_string()) else {
        return;
    };
    let socket = agent.socket();
    assert!(status(ANNA, &socket).claims.is_empty());
    let refused = Command::new("curl")
        .args(["--silent", "--unix-socket"])
        .arg(&socket)
        .arg("http://mooring/v1/status")
        .uid(BOB)
        .gid(BOB)
        .output()
        .unwrap();
    assert!(!refused.status.success());
    let wrong = Sidecar::of(&server, "b")
        .agent()
        .with("MOORING_SOCKET_GROUP", "no-such-group")
        .refused();
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(
        said.contains("--socket-group, MOORING_SOCKET_GROUP: \"no-such-group\""),
        "{said}"
    );
}
