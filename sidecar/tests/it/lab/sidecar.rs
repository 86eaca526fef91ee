//! A sidecar as a process, and the socket as any program sees it.

use super::{Server, eventually, secs};
use mooring_client::{Builder, Events, HoldState, Mooring, Status, VendorKey, boot};
use mooring_core::license::PublicKey;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

pub struct Sidecar {
    pub dir: tempfile::TempDir,
    process: Option<Child>,
    env: Vec<(&'static str, String)>,
    mode: &'static str,
    user: Option<u32>,
}

/// The binary under test; another build of it with `MOORING_SIDECAR_BIN`.
pub(super) fn binary() -> String {
    let binary = std::env::var("MOORING_SIDECAR_BIN");
    binary.unwrap_or_else(|_| env!("CARGO_BIN_EXE_mooring-sidecar").into())
}

pub(super) fn command(args: &[&str]) -> Command {
    let mut c = Command::new(binary());
    c.args(args).env_clear();
    c
}

impl Sidecar {
    /// The sidecar of this subject, not started.
    pub fn of(server: &Server, subject: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("token"), server.token(subject)).unwrap();
        std::fs::create_dir(dir.path().join("state")).unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let env = vec![
            ("MOORING_LICENSES", "render".into()),
            ("MOORING_SERVER", server.url()),
            ("MOORING_ADDRESSES", server.address()),
            ("MOORING_ROOTS", server.roots.clone()),
            ("MOORING_TOKEN_FILE", path("token")),
            ("MOORING_STATE_DIR", path("state")),
            ("MOORING_SOCKET", path("mooring.sock")),
            ("MOORING_LOG", "debug".into()),
        ];
        Self {
            dir,
            process: None,
            env,
            mode: "run",
            user: None,
        }
    }

    /// The same at several servers, each with its own address, roots and token.
    pub fn of_all(servers: &[&Server], subject: &str) -> Self {
        let first = servers.first().expect("there is a server");
        let mut this = Self::of(first, subject);
        let mut tokens = Vec::new();
        for (n, server) in servers.iter().enumerate() {
            let file = this.dir.path().join(format!("token-{n}"));
            std::fs::write(&file, server.token(subject)).unwrap();
            tokens.push(file.to_str().unwrap().to_owned());
        }
        let each = |of: fn(&Server) -> String| {
            let all = servers.iter().map(|s| of(s));
            all.collect::<Vec<_>>().join(";")
        };
        for (name, value) in [
            ("MOORING_SERVER", each(Server::url)),
            ("MOORING_ADDRESSES", each(Server::address)),
            ("MOORING_ROOTS", each(|s| s.roots.clone())),
            ("MOORING_TOKEN_FILE", tokens.join(";")),
        ] {
            this = this.with(name, value);
        }
        this
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.retain(|(n, _)| *n != name);
        self.env.push((name, value.into()));
        self
    }

    pub fn without(mut self, name: &'static str) -> Self {
        self.env.retain(|(n, _)| *n != name);
        self
    }

    /// As a service off Kubernetes.
    pub fn agent(mut self) -> Self {
        self.mode = "agent";
        self
    }

    /// It runs as this user, and in its group.
    pub fn of_user(mut self, user: u32) -> Self {
        self.user = Some(user);
        self
    }

    pub fn started(mut self) -> Self {
        self.start();
        self
    }

    pub fn start(&mut self) {
        let mut run = command(&[self.mode]);
        run.envs(self.env.iter().map(|(n, v)| (n, v)));
        if let Some(user) = self.user {
            run.uid(user).gid(user);
        }
        self.process = Some(run.spawn().unwrap());
    }

    /// Runs to the end and gives what it wrote: for configurations that it refuses.
    pub fn refused(&self) -> Output {
        command(&[self.mode])
            .envs(self.env.iter().map(|(n, v)| (n, v)))
            .output()
            .unwrap()
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("mooring.sock")
    }

    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub fn client(&self) -> mooring_client::Sidecar {
        mooring_client::Sidecar::at(self.socket())
    }

    pub fn status(&self) -> Option<Status> {
        self.client().status().ok()
    }

    /// Waits until the socket says this state.
    pub fn is(&self, state: HoldState, time: Duration) -> Status {
        let mut last = None;
        let end = boot() + time;
        while boot() < end {
            last = self.status().or(last);
            if let Some(s) = last.as_ref().filter(|s| s.state == state) {
                return s.clone();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("not {state} within {time:?}, but {last:?}")
    }

    pub fn events(&self) -> Events {
        eventually("the socket is there", secs(5), || {
            self.client().events().ok()
        })
    }

    /// The client library, as the application uses it.
    pub fn mooring(&self) -> Mooring {
        self.builder().connect().unwrap()
    }

    pub fn builder(&self) -> Builder {
        builder().socket(self.socket())
    }

    /// The other subcommands, in the same container.
    pub fn exec(&self, args: &[&str]) -> Output {
        command(args)
            .env("MOORING_SOCKET", self.socket())
            .output()
            .unwrap()
    }

    fn signal(&mut self, name: &str) {
        let pid = self.process.as_ref().unwrap().id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// SIGTERM; how it ended, and how long that took.
    pub fn terminate(&mut self) -> (ExitStatus, Duration) {
        let begun = boot();
        self.signal("-TERM");
        let status = self.process.take().unwrap().wait().unwrap();
        (status, begun.until(boot()))
    }

    pub fn kill(&mut self) {
        let mut p = self.process.take().unwrap();
        p.kill().unwrap();
        p.wait().unwrap();
    }

    pub fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    pub fn lives(&mut self) -> bool {
        self.process.as_mut().unwrap().try_wait().unwrap().is_none()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        if let Some(p) = &mut self.process {
            let _ = p.kill();
            let _ = p.wait();
        }
    }
}

/// What an application compiles in.
pub fn builder() -> Builder {
    let PublicKey::Ed25519(key) = super::vendor().public() else {
        panic!()
    };
    Mooring::builder(&[VendorKey::from_bytes(key)])
        .app_version("2026.1")
        .built_on("2026-03-01")
}

/// Sends these bytes to a socket and reads until the other end closes, or for five seconds.
pub fn raw(socket: &Path, bytes: &[u8]) -> String {
    let mut s = UnixStream::connect(socket).unwrap();
    s.set_read_timeout(Some(secs(5))).unwrap();
    let _ = s.write_all(bytes);
    let mut all = Vec::new();
    let _ = s.read_to_end(&mut all);
    String::from_utf8_lossy(&all).into_owned()
}

/// As people ask: `curl --unix-socket …`; the status code and the body.
pub fn curl(socket: &Path, args: &[&str]) -> (String, String) {
    curled(Command::new("curl"), socket, args)
}

/// The same as another user of the machine, and of its group of that number; needs root.
pub fn curl_as(uid: u32, socket: &Path, args: &[&str]) -> (String, String) {
    let mut curl = Command::new("curl");
    curl.uid(uid).gid(uid);
    curled(curl, socket, args)
}

fn curled(mut curl: Command, socket: &Path, args: &[&str]) -> (String, String) {
    let out = curl
        .args([
            "--silent",
            "--max-time",
            "5",
            "--write-out",
            "\n%{http_code}",
            "--unix-socket",
        ])
        .arg(socket)
        .args(args)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let (body, code) = text.rsplit_once('\n').unwrap();
    (code.to_owned(), body.to_owned())
}
