//! The C library as a C program has it: what it shows and needs, what it does with careless
//! callers, its examples.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub
)]

use mooring_testkit::languages::{LANGUAGES, Runner, programs};
use mooring_testkit::sidecar::{Scripted, VECTORS, claim};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn output(command: &mut Command) -> String {
    let out: Output = command.output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(
        out.status.success(),
        "{command:?}: {text}{}",
        String::from_utf8_lossy(&out.stderr)
    );
    text
}

fn shared() -> PathBuf {
    programs().join("lib/libmooring.so.1")
}

fn here(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

/// Compiles a program against the static library, with these flags of its own.
fn compiled(compiler: &str, source: &Path, name: &str, flags: &[&str]) -> PathBuf {
    let (all, out) = (programs(), programs().join(name));
    let mut cc = Command::new(compiler);
    cc.args(["-Wall", "-Wextra", "-Werror", "-g"])
        .args(flags)
        .arg("-I")
        .arg(all.join("include"))
        .arg("-o")
        .arg(&out)
        .arg(source);
    cc.arg(all.join("lib/libmooring.a"))
        .args(["-lgcc_s", "-lpthread", "-ldl", "-lm"]);
    output(&mut cc);
    out
}

#[test]
fn the_shared_library_shows_its_functions_alone_and_needs_libc_alone() {
    let header = std::fs::read_to_string(here("include/mooring.h")).unwrap();
    // Without comments, what stands before a parenthesis.
    let code: String = header
        .split("/*")
        .map(|p| p.split_once("*/").map_or(p, |(_, code)| code))
        .collect();
    let before = code
        .split('(')
        .map(|p| p.rsplit([' ', '*', '\n']).next().unwrap());
    let mut declared: Vec<_> = before
        .filter(|f| f.starts_with("mooring_") && !f.ends_with(')'))
        .map(str::to_owned)
        .collect();
    declared.sort();
    declared.dedup();
    let table = output(
        Command::new("nm")
            .args(["-D", "--defined-only", "--format=posix"])
            .arg(shared()),
    );
    let mut shown: Vec<_> = table
        .lines()
        .map(|l| l.split(' ').next().unwrap().to_owned())
        .collect();
    shown.retain(|s| !s.starts_with("MOORING_1"));
    shown.sort();
    assert!(
        shown.len() >= 25 && shown.iter().all(|s| s.ends_with("@@MOORING_1")),
        "{shown:?}"
    );
    let shown: Vec<_> = shown.iter().map(|s| s.split('@').next().unwrap()).collect();
    assert_eq!(shown, declared);

    let needs = output(Command::new("readelf").args(["-d", "-W"]).arg(shared()));
    let needed: Vec<_> = needs
        .lines()
        .filter(|l| l.contains("(NEEDED)"))
        .filter_map(|l| l.split(['[', ']']).nth(1))
        .collect();
    let libc = [
        "libc.so",
        "ld-linux",
        "libm.so",
        "libpthread.so",
        "libdl.so",
    ];
    assert!(
        needed.iter().all(|n| libc.iter().any(|l| n.starts_with(l))),
        "{needed:?}"
    );
    assert!(
        needs.contains("Library soname: [libmooring.so.1]") && needs.contains("NODELETE"),
        "{needs}"
    );
    assert!(!needs.contains("TEXTREL"));
}

#[test]
fn no_openssl_and_no_tokio_are_in_it() {
    let tree = output(
        Command::new(env!("CARGO"))
            .args([
                "tree",
                "--offline",
                "-p",
                "mooring-c",
                "-e",
                "normal",
                "--prefix",
                "none",
            ])
            .current_dir(here(".")),
    );
    assert!(tree.lines().count() > 10, "{tree}");
    for unwanted in ["tokio", "openssl", "rustls", "hyper", "aws-lc"] {
        assert!(
            !tree.lines().any(|l| l.starts_with(unwanted)),
            "{unwanted}: {tree}"
        );
    }
}

#[test]
fn careless_callers_are_told_and_nothing_breaks() {
    let fake = Scripted::good();
    let flags = [
        "-std=gnu11",
        "-fsanitize=address,undefined",
        "-fno-sanitize-recover=all",
    ];
    let program = compiled("cc", &here("tests/border.c"), "border", &flags);
    for socket in [None, Some(fake.socket())] {
        let mut run = Command::new(&program);
        run.env("ASAN_OPTIONS", "detect_leaks=1")
            .env_remove("MOORING_SOCKET");
        if let Some(s) = socket {
            run.env("MOORING_SOCKET", s);
        }
        assert_eq!(output(&mut run), "");
    }
    fake.follower_left();
}

#[test]
fn the_header_is_cplusplus_too() {
    compiled(
        "c++",
        &here("tests/header.cpp"),
        "header-cpp",
        &["-std=c++11", "-pedantic"],
    );
}

#[test]
fn pkg_config_finds_it() {
    let ask = |what: &str| {
        output(
            Command::new("pkg-config")
                .args([what, "mooring"])
                .env("PKG_CONFIG_PATH", programs().join("lib/pkgconfig")),
        )
    };
    assert!(ask("--libs").contains("-lmooring") && ask("--cflags").contains("-I"));
    assert_eq!(ask("--modversion").trim(), env!("CARGO_PKG_VERSION"));
}

#[test]
fn no_thread_unless_one_is_asked_for() {
    let fake = Scripted::good();
    let key = VECTORS["keys"]["vendor"]["public"]
        .as_str()
        .unwrap()
        .strip_prefix("ed25519:")
        .unwrap()
        .to_owned();
    let socket = fake.socket().to_str().unwrap().to_owned();
    for language in LANGUAGES {
        let mut r = Runner::new(language);
        assert_eq!(
            r.ask(&["connect", &key, "2026.1", "2026-03-01", &socket]),
            ["ok"]
        );
        assert_eq!(r.ask(&["hold", "1", "own", "render", "2", "5000"]), ["ok"]);
        assert_eq!(r.ask(&["check", "1"]), ["yes"]);
        assert_eq!(r.ask(&["listen", "1"]), ["ok"]);
        assert_eq!(r.ask(&["threads"]), ["1"], "{language}");
        assert_eq!(
            r.ask(&["hold", "2", "own", "render", "2", "5000", "", "1"]),
            ["ok"]
        );
        assert_eq!(r.ask(&["threads"]), ["2"], "{language}");
        assert_eq!(r.ask(&["heard", "1"]), ["1 "], "{language}");
    }
}

/// A callback that gives the seat back from within the call that runs it.
#[test]
fn a_callback_may_release_its_seat() {
    let fake = Scripted::good();
    let program = compiled(
        "cc",
        &here("tests/callback.c"),
        "callback",
        &["-std=gnu11", "-fsanitize=address"],
    );
    for threads in ["0", "1"] {
        assert_eq!(
            output(
                Command::new(&program)
                    .arg(threads)
                    .env("MOORING_SOCKET", fake.socket())
            ),
            "released\n"
        );
        fake.follower_left();
    }
}

fn example(language: &str, fake: &Scripted, rounds: &str) -> std::process::Child {
    let mut run = if language == "c" {
        Command::new(programs().join("render"))
    } else {
        let mut c = Command::new(programs().join("venv/bin/python3"));
        c.arg(here("../python/examples/render.py"));
        c
    };
    run.arg(rounds)
        .env("MOORING_SOCKET", fake.socket())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn each_example_does_its_work_says_when_it_is_ending_and_stops() {
    for language in ["c", "python"] {
        let fake = Scripted::good();
        let out = example(language, &fake, "3").wait_with_output().unwrap();
        assert!(
            out.status.success() && String::from_utf8_lossy(&out.stdout).contains("frame 3"),
            "{language}: {out:?}"
        );
        fake.follower_left();

        let fake = Scripted::good();
        let mut app = example(language, &fake, "100000");
        let mut lines = BufReader::new(app.stdout.take().unwrap()).lines();
        let mut until = |begin: &str| {
            assert!(
                lines.any(|l| l.unwrap().starts_with(begin)),
                "{language} never says {begin:?}"
            );
        };
        until("frame");
        fake.say(&claim("hold-1", "Contested"));
        until("saving: ");
        fake.say(&claim("hold-1", "Lost"));
        until("stopping: ");
        assert_eq!(app.wait().unwrap().code(), Some(1), "{language}");
    }
}
