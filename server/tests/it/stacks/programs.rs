//! Programs that a test starts and ends by their process ids, and that end with it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// A process that ends with its owner.
pub struct Running(Child);

impl Running {
    /// Starts it; it is killed with the thread that starts it, too, if that has no time for
    /// anything else.
    pub fn start(args: &[&str], log: &Path) -> Self {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(log)
            .unwrap();
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self(child)
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Its exit code, if it has ended.
    pub fn ended(&mut self) -> Option<i32> {
        self.0.try_wait().unwrap().map(|s| s.code().unwrap_or(-1))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status()
        .unwrap();
    assert!(sent.success(), "kill -{name} {pid}");
}

/// What a program prints.
pub fn printed(args: &[&str], env: &[(String, String)]) -> String {
    let (program, args) = args.split_first().unwrap();
    let out = Command::new(program)
        .args(args)
        .envs(env.iter().cloned())
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}; e2e/unit installs what the tests need"));
    assert!(
        out.status.success(),
        "{program} {args:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8(out.stdout).unwrap()
}

/// The first of these files that is there.
pub fn library(name: &str) -> String {
    let places = [
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib",
    ];
    places
        .iter()
        .map(|p| format!("{p}/{name}"))
        .find(|p| Path::new(p).exists())
        .unwrap_or_else(|| panic!("{name} is not on this machine; e2e/unit installs it"))
}

/// The test card's program as it is now; built, unless MOORING_BUILT says that it is.
pub fn test_card() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let dir = Path::new(crate::rig::SERVER).parent().unwrap();
        if std::env::var_os("MOORING_BUILT").is_none() {
            let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
            let mut build = Command::new(cargo);
            build.args(["build", "--quiet", "-p", "mooring-test-card"]);
            build.arg("--target-dir").arg(dir.parent().unwrap());
            assert!(build.status().unwrap().success());
        }
        dir.join("mooring-test-card")
    })
}
