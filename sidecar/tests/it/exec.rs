//! `exec`: an application with its licenses, off Kubernetes.

use crate::lab::{Exec, Server, Sidecar, eventually, secs};
use mooring_client::{HoldState, boot};
use std::process::Stdio;

fn exec(server: &Server, app: &[&str]) -> Exec {
    Exec::of(server, "a", app)
}

#[test]
fn the_application_runs_with_its_licenses_and_its_exit_code_passes() {
    let server = Server::new(2, 5);
    let out = exec(
        &server,
        &[
            "sh",
            "-c",
            r#"test -S "$MOORING_SOCKET" && echo "$0 $1"; exit 7"#,
            "a word",
            "-x",
        ],
    )
    .with("MOORING_LICENSES", "render:2")
    .output();
    assert_eq!(out.status.code(), Some(7), "{out:?}");
    assert_eq!(String::from_utf8_lossy(&out.stdout), "a word -x\n");
    assert_eq!(String::from_utf8_lossy(&out.stderr), "", "nothing to say");
    assert_eq!(server.views().len(), 0, "given back before it ended");
    assert!(server.asked("claim") >= 1.0);
}

#[test]
fn what_cannot_run_is_said_before_anything_is_claimed() {
    let server = Server::new(1, 5);
    for (app, code, words) in [
        ("no-such-program", 127, "no-such-program: not found"),
        ("/etc/passwd", 126, "/etc/passwd: cannot be executed"),
    ] {
        let out = exec(&server, &[app]).output();
        let text = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(code), "{text}");
        assert!(text.contains(words), "{text}");
    }
    let out = exec(&server, &["true"])
        .with("MOORING_LICENSES", "render:two")
        .output();
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        out.status.code() == Some(125)
            && text.contains("--licenses, MOORING_LICENSES: \"render:two\""),
        "{text}"
    );
    assert!(server.asked("") < 1.0, "nobody was asked");
    // Found, executable, and still not to be run.
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("script");
    std::fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let out = exec(&server, &[script.to_str().unwrap()]).output();
    assert_eq!(out.status.code(), Some(127), "{out:?}");
    assert_eq!(server.views().len(), 0);
}

#[test]
fn a_refusal_ends_it_and_says_why() {
    let server = Server::new(1, 5);
    let out = exec(&server, &["true"])
        .with("MOORING_LICENSES", "rendr")
        .output();
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        out.status.code() == Some(125) && text.contains("refuses rendr: unknown-product"),
        "{text}"
    );
}

#[test]
fn who_waits_is_told_and_leaves_the_line_on_sigterm() {
    let server = Server::new(1, 5);
    let pod = Sidecar::of(&server, "p").started();
    pod.is(HoldState::Held, secs(5));
    let mut waits = exec(&server, &["true"]).started();
    waits.says("waiting for render, place 1: the only seat of render is taken");
    waits.signal("-TERM");
    assert_eq!(waits.wait().code(), Some(128 + 15));
    assert_eq!(server.views().len(), 1, "it left the line");
    let mut waits = exec(&server, &["sh", "-c", "exit 3"]).started();
    waits.says("waiting for render, place 1");
    drop(pod);
    assert_eq!(waits.wait().code(), Some(3));
}

#[test]
fn jobs_that_share_a_token_wait_and_none_starts_past_those_in_line() {
    let server = Server::new(2, 3);
    let farm: Vec<Exec> = (0..8)
        .map(|_| {
            exec(&server, &["sh", "-c", "echo started; exec sleep 120"])
                .token(&server.token_for("ci", Some(6)))
                .with("MOORING_CONTACT_TIMEOUT", "2s")
                .started()
        })
        .collect();
    let count = |what: &dyn Fn(&Exec) -> bool| farm.iter().filter(|job| what(job)).count();
    let started = |job: &Exec| job.has_written("started");
    let beyond = |job: &Exec| job.has_said("too-many-claims");
    let in_line = |job: &Exec| job.has_said("are taken") && !started(job);
    eventually("each knows how it stands", secs(30), || {
        let stand = (count(&started), count(&in_line), count(&beyond));
        (stand == (2, 4, 2)).then_some(())
    });
    let told = farm.iter().find(|job| beyond(job)).unwrap();
    told.says("has 6 claims, and may have 6");
    told.says("mooring client issue --claims");
    // For longer than silence would have to last.
    let asked = server.asked("claim");
    let until = boot() + secs(5);
    eventually("those in line ask on", secs(60), || {
        (boot() > until && server.asked("claim") > asked + 8.0).then_some(())
    });
    assert_eq!((count(&started), server.holding()), (2, 2));
    assert_eq!(count(&|job| job.has_said("starting without a lease")), 0);
}

#[test]
fn signals_are_passed_on() {
    let server = Server::new(1, 5);
    let script = r#"
        for s in TERM INT HUP USR1 USR2 WINCH QUIT; do trap "echo $s" $s; done
        trap 'exit 9' CONT
        echo ready
        while :; do sleep 0.05; done"#;
    let mut e = exec(&server, &["sh", "-c", script]).started();
    e.writes("ready");
    for s in ["TERM", "HUP", "USR1", "USR2", "INT", "QUIT", "WINCH"] {
        e.signal(&format!("-{s}"));
        e.writes(s);
    }
    assert_eq!(
        server.holding(),
        1,
        "it holds on as long as the application lives"
    );
    e.signal("-CONT");
    assert_eq!(e.wait().code(), Some(9));
    assert_eq!(server.views().len(), 0);
}

#[test]
fn what_the_terminal_sends_comes_once() {
    let server = Server::new(1, 5);
    let script = r#"
        n=0; trap 'n=$((n+1)); echo "INT $n"' INT; trap 'echo USR1' USR1; trap 'kill $!; exit 9' TERM
        sleep 600 &
        echo ready
        while :; do wait; done"#;
    // A shell that waits runs each trap at once: two signals are not taken for one.
    let mut e = exec(&server, &["sh", "-c", script]).on_a_terminal();
    e.writes("ready");
    // The kernel takes two that are there at the same time for one: so it is tried some times.
    for n in 1..=20 {
        e.types("\x03");
        e.writes(&format!("INT {n}"));
        e.signal("-USR1");
        e.writes("USR1");
    }
    e.signal("-TERM");
    assert_eq!(e.wait().code(), Some(9));
}

#[test]
fn stopped_and_continued_both_are() {
    let server = Server::new(1, 5);
    let mut e = exec(
        &server,
        &["sh", "-c", "echo $$; while :; do sleep 0.05; done"],
    )
    .started();
    let app: u32 = e.line().trim().parse().unwrap();
    let state = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit(") ").next().unwrap().chars().next().unwrap()
    };
    e.signal("-TSTP");
    eventually("both are stopped", secs(5), || {
        (state(e.pid()) == 'T' && state(app) == 'T').then_some(())
    });
    e.signal("-CONT");
    eventually("both go on", secs(5), || {
        (state(e.pid()) != 'T' && state(app) != 'T').then_some(())
    });
    e.signal("-TERM");
    assert_eq!(e.wait().code(), Some(128 + 15));
}

#[test]
fn however_the_application_dies_the_seat_is_free() {
    let server = Server::new(1, 20);
    for (signal, code) in [("KILL", 137), ("SEGV", 139), ("ABRT", 134)] {
        let mut e = exec(&server, &["sh", "-c", "echo $$; exec sleep 600"]).started();
        let app = e.line().trim().to_owned();
        assert_eq!(server.holding(), 1);
        let kill = ["-c", &format!("kill -{signal} {app}")].map(str::to_owned);
        assert!(
            std::process::Command::new("sh")
                .args(kill)
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(e.wait().code(), Some(code));
        assert_eq!(server.views().len(), 0);
    }
}

#[test]
fn the_application_does_not_outlive_a_killed_exec() {
    let server = Server::new(1, 5);
    let mut e = exec(
        &server,
        &[
            "sh",
            "-c",
            "trap 'echo told; exit' TERM; echo ready; while :; do sleep 0.05; done",
        ],
    )
    .started();
    e.writes("ready");
    e.kill();
    e.writes("told");
    // The lease lapses; the next one takes its place.
    let next = exec(&server, &["true"]).output();
    assert!(next.status.success(), "{next:?}");
}

#[test]
fn several_with_one_credential_do_not_meet() {
    let server = Server::new(3, 5);
    let script = "echo ready; exec sleep 600";
    let mut all: Vec<_> = (0..3)
        .map(|_| exec(&server, &["sh", "-c", script]).started())
        .collect();
    for e in &mut all {
        e.writes("ready");
    }
    assert_eq!(server.holding(), 3);
    for e in &mut all {
        e.signal("-TERM");
        assert_eq!(e.wait().code(), Some(143));
    }
    assert_eq!(server.views().len(), 0);
}

#[test]
fn with_no_server_it_starts_optimistically_or_waits_as_told() {
    let mut server = Server::switched_off(2, 5);
    let short = |e: Exec| e.with("MOORING_CONTACT_TIMEOUT", "1s");
    let script = "echo ready; exec sleep 600";
    let mut strict = short(exec(&server, &["sh", "-c", script]))
        .with("MOORING_START", "licensed")
        .started();
    let mut bold = short(exec(&server, &["sh", "-c", script])).started();
    bold.says("starting without a lease, for 8h at most");
    bold.writes("ready");
    strict.says("waiting for render: cannot connect");
    let begun = boot();
    server.switch_on();
    strict.writes("ready");
    bold.says("render is held");
    assert!(begun.until(boot()) < secs(15));
    assert_eq!(server.holding(), 2);
}

#[test]
fn the_grace_ends_when_told_and_not_before_and_the_application_is_stopped_if_wanted() {
    let mut server = Server::new(1, 3);
    let mut e = exec(&server, &["sh", "-c", "echo ready; exec sleep 600"])
        .arg("--on-loss=stop")
        .arg("--grace=6s")
        .started();
    e.writes("ready");
    let last_contact = boot();
    server.switch_off();
    e.says("goes on under the grace");
    assert_eq!(e.wait().code(), Some(143), "stopped by SIGTERM");
    let took = last_contact.until(boot());
    // Counted from the last renewal that was answered, at most D/3 before the server went.
    assert!(took >= secs(4), "{took:?}");
    e.says("render is not licensed any more");
}

#[test]
fn what_was_ignored_stays_ignored() {
    let server = Server::new(1, 5);
    let mut e = exec(&server, &["sh", "-c", "echo ready; exec sleep 600"])
        .under("trap '' HUP")
        .started();
    e.writes("ready");
    e.signal("-HUP");
    e.signal("-TERM");
    assert_eq!(e.wait().code(), Some(143), "of SIGTERM, not of SIGHUP");
}

#[test]
fn a_killed_one_goes_on_with_its_lease_where_its_state_is_kept() {
    let server = Server::new(1, 20);
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let kept = |e: Exec| e.with("MOORING_STATE_DIR", state.to_str().unwrap());
    let mut first = kept(exec(&server, &["sh", "-c", "echo ready; exec sleep 600"])).started();
    first.writes("ready");
    let second = kept(exec(&server, &["true"])).output();
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(
        second.status.code() == Some(125) && text.contains("another one uses it"),
        "{text}"
    );
    let lease = server.views()[0].lease;
    first.kill();
    let mut again = kept(exec(&server, &["sh", "-c", "echo ready; exec sleep 600"])).started();
    again.writes("ready");
    assert_eq!((server.views().len(), server.views()[0].lease), (1, lease));
    again.signal("-TERM");
    again.wait();
    assert_eq!(server.views().len(), 0);
}

#[test]
fn a_closed_stderr_harms_nobody() {
    let server = Server::new(1, 3);
    let out = exec(&server, &["sh", "-c", "exit 5"])
        .command()
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(out.code(), Some(5));
}
