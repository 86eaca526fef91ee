//! `agent`: a machine's sidecar, as a service.

use crate::lab::{Hold, Server, Sidecar, curl, eventually, secs};
use mooring_client::HoldState;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

#[test]
fn it_serves_a_machine_and_tells_the_service_manager() {
    let server = Server::new(3, 5);
    let manager = tempfile::tempdir().unwrap();
    let notify = manager.path().join("notify");
    let heard = UnixDatagram::bind(&notify).unwrap();
    heard.set_read_timeout(Some(secs(10))).unwrap();
    let hears = || {
        let mut buf = [0; 256];
        let n = heard.recv(&mut buf).unwrap();
        String::from_utf8_lossy(&buf[..n]).into_owned()
    };
    let mut agent = Sidecar::of(&server, "a")
        .agent()
        .with("MOORING_LICENSES", "")
        .with("NOTIFY_SOCKET", notify.to_str().unwrap())
        .started();
    let ready = hears();
    assert!(ready.starts_with("READY=1\n"), "{ready}");
    // It listens, whatever the license server does.
    let status = agent.status().unwrap();
    assert_eq!(
        (status.state, status.licensed, status.claims.len()),
        (HoldState::Released, false, 0)
    );
    let (code, body) = curl(&agent.socket(), &["http://mooring/v1/token"]);
    assert!(code == "404" && body.contains("?claim="), "{body}");
    let shown = agent.exec(&["status"]);
    assert!(
        !shown.status.success() && String::from_utf8_lossy(&shown.stdout).starts_with("no claims")
    );

    let mut hold = Hold::open(&agent.socket(), "product=render&seats=2");
    assert_eq!(hold.head.lines().next(), Some("HTTP/1.1 200 OK"));
    let name = hold.is(HoldState::Held).name;
    let at_server = server.views()[0].claim.to_string();
    assert!(
        at_server.len() == name.as_str().len() + 9 && at_server.ends_with(&format!(".{name}")),
        "{at_server}: the agent's own name stands before the claim's"
    );
    // So names are a little shorter here.
    let long = "a".repeat(55);
    let put = |name: &str| {
        let url = format!("http://mooring/v1/claims/{name}");
        let body = r#"{"items":[{"product":"render"}]}"#;
        curl(
            &agent.socket(),
            &["-X", "PUT", &url, "-H", "Prefer: wait=5", "-d", body],
        )
    };
    assert!(put(&long).1.contains("at most 54 characters"));
    assert_eq!(put(&long[1..]).0, "200");

    // A crash: the service manager starts it again, and all goes on.
    agent.kill();
    agent.start();
    assert!(hears().starts_with("READY=1\n"));
    let mut hold = Hold::open(&agent.socket(), &format!("resume={name}"));
    hold.is(HoldState::Held);
    assert_eq!(
        (server.views().len(), agent.status().unwrap().claims.len()),
        (2, 2)
    );
    let (ended, took) = agent.terminate();
    assert!(
        ended.success() && took < secs(1),
        "{ended:?} after {took:?}"
    );
    assert!(hears().starts_with("STOPPING=1\n"));
    assert_eq!(server.views().len(), 0);
}

#[test]
fn two_of_one_subject_do_not_meet_and_two_at_one_socket_are_told() {
    let server = Server::new(2, 5);
    let one = Sidecar::of(&server, "a").agent().started();
    let two = Sidecar::of(&server, "a").agent().started();
    one.is(HoldState::Held, secs(5));
    two.is(HoldState::Held, secs(5));
    assert_eq!(server.holding(), 2);
    let state = one.state_dir();
    let third = Sidecar::of(&server, "a")
        .agent()
        .with("MOORING_STATE_DIR", state.to_str().unwrap());
    let out = third.refused();
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        !out.status.success()
            && text.contains("--state-dir, MOORING_STATE_DIR: ")
            && text.contains("another one uses it"),
        "{text}"
    );
}

#[test]
fn its_places_are_private_by_default() {
    let server = Server::new(1, 5);
    let runtime = tempfile::tempdir().unwrap();
    let mut agent = Sidecar::of(&server, "a")
        .agent()
        .without("MOORING_STATE_DIR")
        .without("MOORING_SOCKET")
        .with("XDG_RUNTIME_DIR", runtime.path().to_str().unwrap())
        .started();
    let socket = runtime.path().join("mooring/mooring.sock");
    eventually("it holds", secs(5), || {
        (server.holding() == 1).then_some(())
    });
    assert!(socket.exists());
    let state = runtime.path().join("mooring/state/mooring.sock");
    let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(&state), mode(&state.join("claim-pod.json"))),
        (0o700, 0o600)
    );
    assert!(agent.terminate().0.success());
    assert!(!socket.exists());
}

#[test]
fn it_is_known_by_its_certificate_which_is_read_anew() {
    let server = Server::new(2, 3);
    let mut agent = Sidecar::of(&server, "a")
        .agent()
        .without("MOORING_TOKEN_FILE");
    let (cert, key) = (
        agent.dir.path().join("c.crt"),
        agent.dir.path().join("c.key"),
    );
    let write = |subject: &str| {
        let (c, k) = server.client(subject);
        std::fs::write(&cert, c).unwrap();
        std::fs::write(&key, k).unwrap();
    };
    write("first");
    agent = agent
        .with("MOORING_CLIENT_CERT", cert.to_str().unwrap())
        .with("MOORING_CLIENT_KEY", key.to_str().unwrap())
        .started();
    agent.is(HoldState::Held, secs(5));
    assert_eq!(server.views()[0].holder.to_string(), "first");
    write("second");
    let mut hold = Hold::open(&agent.socket(), "product=render");
    hold.is(HoldState::Held);
    let mut holders: Vec<_> = server
        .views()
        .iter()
        .map(|v| v.holder.to_string())
        .collect();
    holders.sort();
    assert_eq!(
        holders,
        ["first", "second"],
        "a new claim shows what lies there now"
    );
}

#[test]
fn its_unit_is_understood_by_systemd() {
    let unit = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/systemd/mooring-agent.service"
    ))
    .unwrap();
    assert!(unit.contains("Type=notify\n") && unit.contains("NoNewPrivileges=yes\n"));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mooring-agent.service");
    let here = unit
        .replace(
            "/usr/bin/mooring-sidecar",
            env!("CARGO_BIN_EXE_mooring-sidecar"),
        )
        .replace("User=mooring\n", "User=daemon\n");
    std::fs::write(&file, here).unwrap();
    match Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&file)
        .output()
    {
        Err(e) => println!("not verified: there is no systemd-analyze here ({e})"),
        Ok(out) => {
            let text = String::from_utf8_lossy(&out.stderr).into_owned();
            let about: Vec<_> = text
                .lines()
                .filter(|l| l.contains("mooring-agent"))
                .collect();
            assert!(out.status.success() && about.is_empty(), "{text}");
        }
    }
}
