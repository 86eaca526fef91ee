//! The examples, as a reader would run them.

use mooring_testkit::sidecar::{Scripted, claim};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

fn start(name: &str, fake: &Scripted, rounds: &str) -> Child {
    Command::new(env!("CARGO"))
        .args([
            "run",
            "--quiet",
            "--offline",
            "-p",
            "mooring-client",
            "--example",
            name,
            "--",
            rounds,
        ])
        .env("MOORING_SOCKET", fake.socket())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn each_example_does_its_work() {
    for (name, says) in [
        ("blocking", "frame 3"),
        ("async", "done"),
        ("pod", "2 seats of render, lease 0101"),
    ] {
        let fake = Scripted::good();
        let out = start(name, &fake, "3").wait_with_output().unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        assert!(
            out.status.success() && text.contains(says),
            "{name}: {text}"
        );
        fake.follower_left();
    }
}

#[test]
fn each_example_says_when_it_is_ending_and_stops_when_it_is_not_licensed() {
    for (name, follows, saves) in [
        ("blocking", "hold-1", true),
        ("async", "hold-1", true),
        ("pod", "pod", false),
    ] {
        let fake = Scripted::good();
        let mut app = start(name, &fake, "100000");
        let mut lines = BufReader::new(app.stdout.take().unwrap()).lines();
        let mut until = |begin: &str| {
            let found = lines.find(|l| l.as_ref().unwrap().starts_with(begin));
            assert!(found.is_some(), "{name} never says {begin:?}");
        };
        until(if name == "pod" { "round" } else { "frame" });
        fake.say(&claim(follows, "Contested"));
        if saves {
            until("saving: the seat was given to another");
        }
        fake.say(&claim(follows, "Lost"));
        until("stopping: the lease was lost");
        app.wait().unwrap();
    }
}
