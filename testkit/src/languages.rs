//! A runner program of one language, as tests speak to it: a line in, a line out.
//! `client/languages/build` makes them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

/// What the library is spoken to from. C twice: the static library and the shared one.
pub const LANGUAGES: [&str; 4] = ["rust", "c", "c-shared", "python"];

/// The folder with the runners, built once by the whole run of tests.
pub fn programs() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        // In the target folder; several test programs may want it at once.
        let here = std::env::current_exe().unwrap();
        let target = here.ancestors().nth(3).unwrap();
        let out = target.join("languages");
        std::fs::create_dir_all(&out).unwrap();
        let lock = std::fs::File::create(out.join("lock")).unwrap();
        lock.lock().unwrap();
        let mut make = Command::new(in_checkout("client/languages/build"));
        let built = make.arg(&out).env("CARGO_TARGET_DIR", target).status();
        assert!(built.unwrap().success(), "client/languages/build failed");
        out
    })
}

/// A file of the checkout.
fn in_checkout(file: &str) -> PathBuf {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut places = above.map(|p| p.join(file));
    places.find(|p| p.exists()).expect("the checkout")
}

/// A program that runs, waiting for commands.
pub struct Runner {
    pub language: &'static str,
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Runner {
    pub fn new(language: &'static str) -> Self {
        Self::within(programs(), language)
    }

    /// With what another folder has.
    pub fn within(programs: &Path, language: &'static str) -> Self {
        let mut run = if language == "python" {
            let mut c = Command::new(programs.join("venv/bin/python3"));
            c.arg("-I")
                .arg(in_checkout("client/python/tests/runner.py"));
            c
        } else {
            Command::new(programs.join(format!("runner-{language}")))
        };
        let run = run.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = run.spawn().expect(language);
        Self {
            language,
            to: child.stdin.take(),
            from: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a command whose answer is read later.
    pub fn send(&mut self, words: &[&str]) {
        let to = self.to.as_mut().unwrap();
        writeln!(to, "{}", words.join("\t")).unwrap();
    }

    /// The answer to what was sent first.
    pub fn receive(&mut self) -> Vec<String> {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        let language = self.language;
        assert!(line.ends_with('\n'), "{language}: it ended, after {line:?}");
        let words = line.trim_end_matches('\n').split('\t');
        words.map(str::to_owned).collect()
    }

    pub fn ask(&mut self, words: &[&str]) -> Vec<String> {
        self.send(words);
        self.receive()
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        // The end of its input ends it, in order; a test that failed may have left it waiting.
        drop(self.to.take());
        if std::thread::panicking() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
