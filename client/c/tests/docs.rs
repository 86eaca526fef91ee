//! The code of docs/client-c.md and docs/client-python.md, compiled and run as it stands against a
//! sidecar.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub
)]

use mooring_testkit::languages::programs;
use mooring_testkit::sidecar::Scripted;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The blocks of a page in one language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let begin = format!("```{language}\n");
    let parts = text.split(begin.as_str()).skip(1);
    parts
        .map(|p| p.split("```").next().unwrap().to_owned())
        .collect()
}

fn run(command: &mut Command) -> String {
    let out = command.output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(
        out.status.success(),
        "{command:?}: {text}{}",
        String::from_utf8_lossy(&out.stderr)
    );
    text
}

/// Compiles `source` against the static library and runs it.
fn c(name: &str, source: &str, fake: &Scripted) -> String {
    let (file, out) = (programs().join(format!("{name}.c")), programs().join(name));
    std::fs::write(&file, source).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-std=gnu11", "-Wall", "-Wextra", "-Werror"])
        .arg("-I")
        .arg(programs().join("include"))
        .arg("-o")
        .arg(&out)
        .arg(&file);
    run(cc
        .arg(programs().join("lib/libmooring.a"))
        .args(["-lgcc_s", "-lpthread", "-ldl", "-lm"]));
    run(Command::new(&out).env("MOORING_SOCKET", fake.socket()))
}

#[test]
fn the_page_for_c() {
    let mut blocks = blocks("client-c.md", "c");
    let program = blocks.remove(0);
    let fake = Scripted::good();
    assert_eq!(c("docs-program", &program, &fake), "");
    fake.follower_left();
    assert_eq!(fake.count("POST /v1/hold?product=render&seats=2"), 1);

    // What is said in pieces, each a function, after the key of the program.
    let key = &program[program.find("static const").unwrap()..=program.find("}};").unwrap() + 2];
    let mut source = format!(
        "#include <mooring.h>\n#include <poll.h>\n#include <stdio.h>\n{key}\nmooring *m;\nmooring_seat *seat;\n"
    );
    let mut calls = String::new();
    for (i, block) in blocks.iter().enumerate() {
        // One that asks for a seat needs none before it, and leaves one.
        let asks = block.contains("&seat)");
        writeln!(source, "static void part{i}(void) {{\n{block}\n}}").unwrap();
        if asks {
            calls.push_str("mooring_release(seat), seat = NULL;\n");
        }
        writeln!(calls, "part{i}();\nif (!mooring_check(seat)) {{ printf(\"part {i}: %s\\n\", mooring_last_error()); return 1; }}").unwrap();
    }
    assert!(blocks.len() >= 3);
    write!(
        source,
        "int main(void) {{\nmooring_opts o = MOORING_OPTS_INIT(VENDOR, 1, \"2026.1\", \"2026-03-01\");\n\
         if (mooring_connect(&o, &m) != MOORING_OK) return 2;\n{calls}mooring_release(seat);\nmooring_close(m);\nputs(\"done\");\nreturn 0;\n}}\n"
    )
    .unwrap();
    assert_eq!(c("docs-pieces", &source, &Scripted::good()), "done\n");
}

#[test]
fn the_page_for_python() {
    let blocks = blocks("client-python.md", "python");
    let (program, pieces) = blocks.split_first().unwrap();
    let python = |source: &str, socket: &Path| {
        run(Command::new(programs().join("venv/bin/python3"))
            .args(["-W", "error", "-c", source])
            .env("MOORING_SOCKET", socket))
    };
    let fake = Scripted::good();
    assert_eq!(
        python(program, &fake.socket()),
        "frame 0\nframe 1\nframe 2\n"
    );
    fake.follower_left();

    assert!(pieces.len() >= 2);
    let fake = Scripted::good();
    let key = program.lines().find(|l| l.starts_with("VENDOR")).unwrap();
    let connect =
        "m = mooring.connect(vendor_keys=VENDOR, app_version=\"2026.1\", built_on=\"2026-03-01\")";
    let source = format!(
        "import asyncio, mooring\n{key}\n{connect}\nseat = m.hold(\"render\", seats=2)\n{}\nasyncio.run(render(m))\nm.close()\n",
        pieces.join("\n")
    );
    // It waits for a change: here it comes, again and again until the program has ended.
    let socket = fake.socket();
    let program = std::thread::spawn(move || python(&source, &socket));
    for state in ["Grace", "Held"].iter().cycle() {
        if program.is_finished() {
            break;
        }
        fake.tell(state);
        std::thread::sleep(Duration::from_millis(100));
    }
    let said = program.join().unwrap();
    assert!(said.contains("True None 2 False\n"), "{said}");
    assert!(
        said.ends_with("ending\n") || said.ends_with("licensed\n"),
        "{said}"
    );
}
