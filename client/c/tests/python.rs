//! The Python package by itself: client/python/tests/behaves.py against sidecars of this process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub
)]

use mooring_testkit::languages;
use mooring_testkit::sidecar::{Reply, Scripted, claim, status};
use std::path::Path;
use std::process::Command;

#[test]
fn the_package_behaves() {
    let good = Scripted::good();
    let full = Scripted::new(|request| {
        if request.starts_with("POST") {
            Reply::Stream(vec![claim("hold-1", "Waiting")])
        } else {
            Reply::Bytes(status(&[claim("pod", "Waiting")]))
        }
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../python/tests/behaves.py");
    let python = languages::programs().join("venv/bin/python3");
    let out = Command::new(python)
        .args(["-W", "error"])
        .arg(script)
        .env("MOORING_SOCKET", good.socket())
        .env("MOORING_FULL", full.socket())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{said}");
    assert!(said.contains("Ran 11 tests"), "{said}");
}
