//! A SoftHSM token of a test's own.

use super::{MODULE, PIN, SERVER};
use mooring_core::license::PublicKey;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SO_PIN: &str = "567890";

/// A SoftHSM token in a folder.
pub struct Token {
    pub store: PathBuf,
    pub conf: PathBuf,
    pub key: PublicKey,
}

fn tool(conf: &Path, program: &str, args: &[&str]) {
    let out = Command::new(program)
        .args(args)
        .env("SOFTHSM2_CONF", conf)
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{program} {args:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
}

impl Token {
    pub fn new(dir: &Path, label: &str) -> Self {
        let store = dir.join(format!("store-{label}"));
        std::fs::create_dir(&store).unwrap();
        let conf = dir.join(format!("softhsm2-{label}.conf"));
        std::fs::write(
            &conf,
            format!(
                "directories.tokendir = {}\nobjectstore.backend = file\n",
                store.display()
            ),
        )
        .unwrap();
        Self::init(&conf, "mooring");
        let env = ("SOFTHSM2_CONF".into(), conf.to_str().unwrap().into());
        let key = listed_key(MODULE, "mooring", PIN, [env]);
        Self { store, conf, key }
    }

    /// One that is not SoftHSM's: nothing but its key.
    pub fn elsewhere(key: PublicKey) -> Self {
        Self {
            store: PathBuf::new(),
            conf: PathBuf::new(),
            key,
        }
    }

    /// Another token in the same store, with the same label and without a key.
    pub fn twin(&self) {
        Self::blank(&self.conf, "mooring");
    }

    /// Another token in its place, which has no user PIN yet.
    pub fn new_without_pin(&self) {
        std::fs::remove_dir_all(&self.store).unwrap();
        std::fs::create_dir(&self.store).unwrap();
        self.pkcs11_tool(&["--init-token", "--slot-index", "0", "--label", "mooring"]);
    }

    /// Gives it its user PIN.
    pub fn init_pin(&self) {
        let so = ["--login", "--login-type", "so"];
        let init = ["--init-pin", "--new-pin", PIN, "--token-label", "mooring"];
        self.pkcs11_tool(&[&so[..], &init[..]].concat());
    }

    fn pkcs11_tool(&self, args: &[&str]) {
        let so = ["--module", MODULE, "--so-pin", SO_PIN];
        tool(&self.conf, "pkcs11-tool", &[&so[..], args].concat());
    }

    fn blank(conf: &Path, label: &str) {
        tool(
            conf,
            "softhsm2-util",
            &[
                "--init-token",
                "--free",
                "--label",
                label,
                "--pin",
                PIN,
                "--so-pin",
                SO_PIN,
            ],
        );
    }

    fn init(conf: &Path, label: &str) {
        Self::blank(conf, label);
        let args = [
            "--module",
            MODULE,
            "--token-label",
            label,
            "--login",
            "--pin",
            PIN,
            "--keypairgen",
        ];
        tool(
            conf,
            "pkcs11-tool",
            &[
                &args[..],
                &[
                    "--key-type",
                    "EC:prime256v1",
                    "--id",
                    "01",
                    "--label",
                    "anchor",
                ],
            ]
            .concat(),
        );
    }
}

/// A token's key, as the server's own worker lists it.
pub fn listed_key(
    module: &str,
    label: &str,
    pin: &str,
    env: impl IntoIterator<Item = (String, String)>,
) -> PublicKey {
    let mut worker = Command::new(SERVER)
        .arg("anchor-worker")
        .envs(env)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = worker.stdin.take().unwrap();
    let asks = [
        serde_json::json!({"ask": "open", "module": module, "tokenLabel": label, "wanted": []}),
        serde_json::json!({"ask": "login", "pin": pin}),
        serde_json::json!({"ask": "keys"}),
    ];
    for a in asks {
        writeln!(to, "{a}").unwrap();
    }
    drop(to);
    let out = worker.wait_with_output().unwrap();
    let last: serde_json::Value =
        serde_json::from_slice(out.stdout.split(|b| *b == b'\n').nth(2).unwrap()).unwrap();
    last["keys"][0].as_str().unwrap().parse().unwrap()
}
