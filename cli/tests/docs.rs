//! The commands of docs/without-kubernetes.md and docs/vendors.md, run as they stand, in their
//! order, in an empty folder.
//!
//! Blocks marked `sh` are run, blocks marked `sh no-test` need systemd and root. Needs softhsm2 and
//! curl (Debian packages).

#![allow(clippy::too_many_lines)] // a list of cases is read from its top to its end
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use mooring_testkit::free_port;
use std::fmt::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than the page takes on a busy machine: it waits for D/3 once.
const PATIENCE: Duration = Duration::from_secs(180);

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

/// The page's blocks as one script that ends at the first command that fails.
fn script(name: &str, at_least: usize) -> String {
    let blocks = blocks(&page(name));
    assert!(blocks.len() >= at_least, "{} blocks", blocks.len());
    let mut script = String::from("set -euo pipefail\n");
    for (line, text) in &blocks {
        let _ = write!(script, "echo '--- line {line}'\n{text}");
    }
    script.push_str("echo '--- done'\n");
    script
}

/// The blocks to run: the line they begin on, and their text.
fn blocks(page: &str) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (i, line) in page.lines().enumerate() {
        match &mut open {
            Some((_, text)) if line != "```" => {
                let _ = writeln!(text, "{line}");
            }
            Some(_) => out.extend(open.take()),
            None if line == "```sh" => open = Some((i + 1, String::new())),
            None => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    out
}

/// The folder with the programs as they are now; builds those of other crates, unless MOORING_BUILT
/// says that they are.
fn programs() -> PathBuf {
    let dir = Path::new(env!("CARGO_BIN_EXE_mooring"))
        .parent()
        .unwrap()
        .to_owned();
    if std::env::var_os("MOORING_BUILT").is_some() {
        return dir;
    }
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .args([
            "build",
            "--quiet",
            "-p",
            "mooring-server",
            "-p",
            "mooring-sidecar",
        ])
        .arg("--target-dir")
        .arg(dir.parent().unwrap());
    if dir.ends_with("release") {
        build.arg("--release");
    }
    assert!(
        build.status().unwrap().success(),
        "the programs do not build"
    );
    dir
}

#[test]
fn the_page_without_kubernetes_runs_as_it_stands() {
    let script = script("without-kubernetes.md", 10);
    // Several of these tests may run on one machine.
    let script = script.replace("8443", &free_port().to_string()).replace(
        "--listen 127",
        &format!("--metrics 127.0.0.1:{} --listen 127", free_port()),
    );

    let desk = tempfile::tempdir().unwrap();
    let out = desk.path().join("out");
    let file = std::fs::File::create(&out).unwrap();
    let path = format!(
        "{}:{}",
        programs().display(),
        std::env::var("PATH").unwrap()
    );
    let mut child = Command::new("bash")
        .arg("-c")
        .arg(script)
        .current_dir(desk.path())
        .env("PATH", path)
        .env("HOME", desk.path())
        .env_remove("KUBECONFIG")
        .env_remove("MOORING_PIN")
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        // A group of its own, so that all it started can be ended, and nothing else.
        .process_group(0)
        .spawn()
        .unwrap();
    let begin = Instant::now();
    let status = loop {
        if let Some(s) = child.try_wait().unwrap() {
            break Some(s);
        }
        if begin.elapsed() > PATIENCE {
            break None;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let group = format!("-{}", child.id());
    let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
    let _ = child.wait();

    let said = std::fs::read_to_string(&out).unwrap();
    let log = |f: &str| std::fs::read_to_string(desk.path().join(f)).unwrap_or_default();
    let all = || {
        let tail = |f: &str| {
            let text = log(f);
            let lines: Vec<&str> = text.lines().rev().take(30).collect();
            lines.into_iter().rev().collect::<Vec<_>>().join("\n")
        };
        format!(
            "{said}\n--- server.log\n{}\n--- agent.log\n{}\n--- hold.log\n{}",
            tail("server.log"),
            tail("agent.log"),
            log("hold.log")
        )
    };
    assert!(
        status.is_some_and(|s| s.success()) && said.ends_with("--- done\n"),
        "{}",
        all()
    );
    // What the page says one sees.
    for words in [
        "Present   True    0      2",
        "\"licensed\":true",
        "anna (external)",
        "it ended with code 143",
        "No leases on https://localhost:",
        "it is on the server's list of revoked clients",
        "bob is licensed",
    ] {
        assert!(said.contains(words), "not said: {words}\n{}", all());
    }
    assert!(log("hold.log").contains("laptop stolen"), "{}", all());
}

/// Needs no server: all of it is offline, and ends by itself.
#[test]
fn the_page_for_vendors_runs_as_it_stands() {
    let desk = tempfile::tempdir().unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_mooring")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let out = Command::new("bash")
        .arg("-c")
        .arg(format!("exec 2>&1\n{}", script("vendors.md", 10)))
        .current_dir(desk.path())
        .env("PATH", path)
        .env("HOME", desk.path())
        .env_remove("MOORING_PIN")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(
        out.status.success() && said.ends_with("--- done\n"),
        "{said}"
    );
    for words in [
        "VendorKey::from_hex",
        "Issued license ACME-2027-001 for ACME Corp",
        "bridges the time until broken hardware is replaced",
        "and not revoked by list 1",
        "is revoked since 20",
        "permits a start at 2089-11-15",
    ] {
        assert!(said.contains(words), "not said: {words}\n{said}");
    }
}
