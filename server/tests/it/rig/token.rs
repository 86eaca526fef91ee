//! A SoftHSM token of a test's own.

use super::{MODULE, PIN, SERVER};
use mooring_core::license::PublicKey;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
        let key = Self::key_of(&conf, "mooring");
        Self { store, conf, key }
    }

    fn init(conf: &Path, label: &str) {
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
                "567890",
            ],
        );
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

    /// The token's key, as the server's own worker lists it.
    fn key_of(conf: &Path, label: &str) -> PublicKey {
        let mut worker = Command::new(SERVER)
            .arg("anchor-worker")
            .env("SOFTHSM2_CONF", conf)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut to = worker.stdin.take().unwrap();
        let asks = [
            serde_json::json!({"ask": "open", "module": MODULE, "tokenLabel": label}),
            serde_json::json!({"ask": "login", "pin": PIN}),
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
}
