//! What `check` costs: no system call, so nothing outside of the process can slow it down.

use mooring_client::{Mooring, Seat, boot};
use mooring_testkit::sidecar::Scripted;
use rustix::thread::{SecureComputingMode, set_secure_computing_mode};
use std::hint::black_box;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// What it looks at under a kernel that kills it for any system call but read and write; true if it
/// lived.
fn lives(looks_at: &str, fake: &Scripted) -> bool {
    let out = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "cost::as_an_application",
            "--ignored",
            "--nocapture",
        ])
        .env("LOOKS_AT", looks_at)
        .env("MOORING_SOCKET", fake.socket())
        .stderr(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&out.stdout).contains("it lived")
}

#[test]
fn check_makes_no_system_call() {
    let fake = Scripted::good();
    assert!(!lives("a system call", &fake), "the kernel does not watch");
    if !lives("the clock", &fake) {
        println!("on this machine reading the boot clock is a system call already");
        return;
    }
    assert!(lives("check", &fake));
}

/// Run by the test above, in a process of its own.
#[test]
#[ignore = "a program for another test"]
fn as_an_application() {
    let mooring = Mooring::builder(&[mooring_testkit::sidecar::vendor_key()])
        .connect()
        .unwrap();
    let seat = mooring.claim("render").hold().unwrap();
    let looks_at = std::env::var("LOOKS_AT").unwrap();
    let look: Box<dyn Fn(&Seat) -> bool + Send> = match looks_at.as_str() {
        "check" => Box::new(|s| s.check().is_licensed()),
        "the clock" => Box::new(|_| black_box(boot()).as_millis() > 0),
        _ => Box::new(|_| rustix::process::getppid().is_some()),
    };
    std::thread::spawn(move || {
        look(&seat);
        set_secure_computing_mode(SecureComputingMode::Strict).unwrap();
        let all = (0..100_000).all(|_| look(&seat));
        // Allowed; ending is not.
        std::io::stdout()
            .write_all(if all { b"it lived\n" } else { b"no\n" })
            .unwrap();
    });
    std::thread::sleep(std::time::Duration::from_millis(500));
}
