//! A desk: a folder of its own, the real program, a SoftHSM2 with tokens in that folder.
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Where Debian puts SoftHSM2.
pub(crate) const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// A short order, without anchor.
pub(crate) const ORDER: &str = "
id: ACME-2027-001
customer: ACME Corp
expires: 2090-01-01
products:
- {name: render, seats: 10, versions: 2024.2..2027}
";

/// An anchor nobody has the key of.
pub(crate) const ANCHOR: &str = "kind: pkcs11\nkey: \"ed25519:0101010101010101010101010101010101010101010101010101010101010101\"\nlabel: dongle 1\n";

pub(crate) fn order_with_anchor() -> String {
    let anchor = ANCHOR.trim_end().replace('\n', "\n  ");
    format!(
        "id: ACME-1\ncustomer: ACME\nexpires: never\nproducts: [{{name: render, seats: 2}}]\nanchors:\n- {anchor}\n"
    )
}

pub(crate) struct Desk(TempDir);

/// How a program ended.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn good(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self
    }

    pub(crate) fn bad(self) -> Self {
        assert_eq!(self.code, Some(1), "{}{}", self.stdout, self.stderr);
        assert!(
            self.stderr.starts_with("Error: ") || self.stderr.contains("\nError: "),
            "{}",
            self.stderr
        );
        self
    }

    /// The word that begins so.
    pub(crate) fn find(&self, prefix: &str) -> String {
        self.stdout
            .split_whitespace()
            .find(|w| w.starts_with(prefix))
            .expect(prefix)
            .to_owned()
    }
}

impl From<Output> for Outcome {
    fn from(o: Output) -> Self {
        let text = |b: Vec<u8>| String::from_utf8(b).unwrap();
        Self {
            code: o.status.code(),
            stdout: text(o.stdout),
            stderr: text(o.stderr),
        }
    }
}

impl Desk {
    pub(crate) fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        fs::create_dir(desk.path("tokens")).unwrap();
        let conf = format!(
            "directories.tokendir = {}\nlog.level = ERROR\n",
            desk.path("tokens").display()
        );
        desk.write("softhsm2.conf", &conf);
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn mooring(&self, args: &[&str]) -> Outcome {
        self.run(args, "", &[])
    }

    /// Runs the program in this folder, in a session of its own: there is no terminal to ask on.
    pub(crate) fn run(&self, args: &[&str], stdin: &str, env: &[(&str, &str)]) -> Outcome {
        self.program(env!("CARGO_BIN_EXE_mooring"), args, stdin, env)
    }

    pub(crate) fn program(
        &self,
        program: &str,
        args: &[&str],
        stdin: &str,
        env: &[(&str, &str)],
    ) -> Outcome {
        let mut child = Command::new("setsid")
            .arg("--wait")
            .arg(program)
            .args(args)
            .current_dir(self.0.path())
            .env_remove("MOORING_PIN")
            .env_remove("KUBECONFIG")
            .env_remove("KUBERNETES_SERVICE_HOST")
            .env("HOME", self.0.path())
            .env("SOFTHSM2_CONF", self.path("softhsm2.conf"))
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that ends without reading closes the pipe.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        child.wait_with_output().unwrap().into()
    }

    /// A new token, its PIN in the file `pin`.
    pub(crate) fn token(&self, label: &str, pin: &str) {
        assert!(
            PathBuf::from(MODULE).exists(),
            "{MODULE} is missing: apt-get install softhsm2"
        );
        let made = Command::new("softhsm2-util")
            .args([
                "--init-token",
                "--free",
                "--label",
                label,
                "--pin",
                pin,
                "--so-pin",
                "87654321",
            ])
            .env("SOFTHSM2_CONF", self.path("softhsm2.conf"))
            .output()
            .expect("softhsm2-util is missing: apt-get install softhsm2");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        self.write("pin", &format!("{pin}\n"));
    }

    /// `mooring license anchor pkcs11` of the token `test`.
    pub(crate) fn anchor(&self, more: &[&str]) -> Outcome {
        let args = [
            "license",
            "anchor",
            "pkcs11",
            "--module",
            MODULE,
            "--token-label",
            "test",
            "--pin-file",
            "pin",
        ];
        self.mooring(&[&args[..], more].concat())
    }

    /// A new vendor's key; gives the public half.
    pub(crate) fn vendor_key(&self, file: &str) -> String {
        self.mooring(&["license", "keygen", "--out", file])
            .good()
            .find("ed25519:")
    }

    /// A license in `l.mooring`, signed with `vendor.key`.
    pub(crate) fn issue_for_test(&self) {
        self.write("order.yaml", &order_with_anchor());
        self.mooring(&[
            "license",
            "issue",
            "order.yaml",
            "--key",
            "vendor.key",
            "--out",
            "l.mooring",
        ])
        .good();
    }
}
