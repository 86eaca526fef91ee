//! `mooring-sidecar exec` as a process, with what it and its application write.

use super::sidecar::binary;
use super::{Server, eventually, secs};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};

pub struct Exec {
    dir: tempfile::TempDir,
    env: Vec<(&'static str, String)>,
    args: Vec<String>,
    app: Vec<String>,
    shell: Option<String>,
    process: Option<Child>,
    terminal: Option<File>,
    out: Text,
    err: Text,
}

/// What was written, and how much of it was read here.
pub(super) type Text = Arc<Mutex<(String, usize)>>;

pub(super) fn collect(mut from: impl Read + Send + 'static) -> Text {
    let text = Text::default();
    let into = text.clone();
    std::thread::spawn(move || {
        let mut buf = [0; 4096];
        while let Ok(n) = from.read(&mut buf) {
            if n == 0 {
                break;
            }
            into.lock()
                .unwrap()
                .0
                .push_str(&String::from_utf8_lossy(&buf[..n]));
        }
    });
    text
}

/// Waits until this was written.
pub(super) fn says(text: &Text, words: &str) {
    let end = std::time::Instant::now() + secs(20);
    while !text.lock().unwrap().0.contains(words) {
        assert!(
            std::time::Instant::now() < end,
            "not {words:?} but {:?}",
            text.lock().unwrap().0
        );
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

impl Exec {
    /// With a token that this server takes; the application is killed with it at the end.
    pub fn of(server: &Server, subject: &str, app: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let token = dir.path().join("token");
        std::fs::write(&token, server.token(subject)).unwrap();
        let path = |p: &std::path::Path| p.to_str().unwrap().to_owned();
        let roots = dir.path().join("roots.pem");
        std::fs::write(&roots, &server.roots).unwrap();
        Self {
            env: vec![
                ("MOORING_LICENSES", "render".into()),
                ("MOORING_SERVER", server.url()),
                ("MOORING_ADDRESSES", server.address()),
                ("MOORING_ROOTS", path(&roots)),
                ("MOORING_TOKEN_FILE", path(&token)),
                ("XDG_RUNTIME_DIR", path(dir.path())),
                ("PATH", std::env::var("PATH").unwrap()),
            ],
            dir,
            args: vec!["exec".into()],
            app: app.iter().map(|a| (*a).to_owned()).collect(),
            shell: None,
            process: None,
            terminal: None,
            out: Text::default(),
            err: Text::default(),
        }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.retain(|(n, _)| *n != name);
        self.env.push((name, value.into()));
        self
    }

    /// Shows this token instead.
    pub fn token(self, token: &str) -> Self {
        std::fs::write(self.dir.path().join("token"), token).unwrap();
        self
    }

    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Has a shell run this first.
    pub fn under(mut self, shell: &str) -> Self {
        self.shell = Some(shell.into());
        self
    }

    pub fn command(&self) -> Command {
        // Nor must it matter which signals whoever runs the tests ignores: a job in the background
        // of a script does SIGINT.
        let mut c = Command::new("env");
        c.env_clear().arg("--default-signal");
        if let Some(first) = &self.shell {
            c.args(["sh", "-c", &format!("{first}; exec \"$0\" \"$@\"")]);
        }
        c.arg(binary());
        // A terminal of whoever runs the tests must not matter.
        c.args(&self.args)
            .arg("--")
            .args(&self.app)
            .stdin(Stdio::null());
        c.envs(self.env.iter().map(|(n, v)| (n, v)));
        c
    }

    pub fn output(&self) -> Output {
        let out = self.command().output().unwrap();
        self.left_nothing();
        out
    }

    fn left_nothing(&self) {
        let Ok(left) = std::fs::read_dir(self.dir.path().join("mooring")) else {
            return;
        };
        assert_eq!(left.count(), 0, "it left its folder behind");
    }

    pub fn started(mut self) -> Self {
        let mut c = self.command();
        // A group of its own, whose parent is in another: the kernel stops nobody by SIGTSTP in a
        // group that nobody could continue, and the group of a test that runs in the background can
        // be one.
        c.process_group(0);
        let mut p = c
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        self.out = collect(p.stdout.take().unwrap());
        self.err = collect(p.stderr.take().unwrap());
        self.process = Some(p);
        self
    }

    /// In a session of its own, in the foreground of a new terminal. `setsid` becomes it: the
    /// process' number stays.
    pub fn on_a_terminal(mut self) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let end = || {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .open(name.to_str().unwrap());
            Stdio::from(file.unwrap())
        };
        let inner = self.command();
        let mut c = Command::new("setsid");
        c.arg("--ctty")
            .arg(inner.get_program())
            .args(inner.get_args())
            .env_clear();
        c.envs(self.env.iter().map(|(n, v)| (n, v)));
        let p = c.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        self.process = Some(p);
        let master = File::from(master);
        self.terminal = Some(master.try_clone().unwrap());
        self.out = collect(master);
        self
    }

    /// As if typed at the terminal.
    pub fn types(&mut self, keys: &str) {
        self.terminal
            .as_mut()
            .unwrap()
            .write_all(keys.as_bytes())
            .unwrap();
    }

    /// Waits for the application's next line: this one, behind what a terminal may echo before it.
    pub fn writes(&mut self, line: &str) {
        let next = self.line();
        assert_eq!(next.trim().trim_start_matches("^C"), line);
    }

    /// The application's next line.
    pub fn line(&mut self) -> String {
        let text = self.out.clone();
        let what = format!(
            "the application writes; stderr: {}",
            self.err.lock().unwrap().0
        );
        eventually(&what, secs(20), || {
            let mut text = text.lock().unwrap();
            let (all, read) = &mut *text;
            let end = all[*read..].find('\n')? + *read + 1;
            let line = all[*read..end].to_owned();
            *read = end;
            Some(line)
        })
    }

    /// Waits until stderr has this.
    pub fn says(&self, words: &str) {
        says(&self.err, words);
    }

    pub fn has_said(&self, words: &str) -> bool {
        self.err.lock().unwrap().0.contains(words)
    }

    pub fn has_written(&self, words: &str) -> bool {
        self.out.lock().unwrap().0.contains(words)
    }

    pub fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        assert!(
            Command::new("kill")
                .args([name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    pub fn wait(&mut self) -> ExitStatus {
        let process = self.process.as_mut().unwrap();
        let status = eventually("it ends", secs(30), || process.try_wait().unwrap());
        self.left_nothing();
        status
    }

    pub fn kill(&mut self) {
        let process = self.process.as_mut().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }
}

impl Drop for Exec {
    fn drop(&mut self) {
        if let Some(p) = &mut self.process {
            let _ = p.kill();
            let _ = p.wait();
        }
    }
}
