//! A module that misbehaves: what it says of a wrong PIN, and what it prints.

use super::alike::{state, until_anchor};
use crate::rig::{Anchored, PIN, Rig, Setup, TestClaim, Token, until};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Command;

struct Faulty {
    dir: tempfile::TempDir,
    token: Token,
    fault: String,
}

impl Faulty {
    fn new(fault: impl Into<String>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/stacks/faulty.c");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(dir.path().join("faulty.so"))
            .args([source, "-ldl", "-lpthread"])
            .status()
            .unwrap();
        assert!(compiled.success());
        let token = Token::new(dir.path(), "a");
        let fault = fault.into();
        Self { dir, token, fault }
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("logins")
    }

    /// How often it was logged in to, by its own count.
    fn logins(&self) -> usize {
        let text = std::fs::read_to_string(self.log());
        text.map_or(0, |t| t.lines().count())
    }

    fn rig(&self, pin: &'static str) -> Rig {
        let module = self.dir.path().join("faulty.so");
        let env = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        Rig::prepare(Setup {
            pin,
            anchored: Some(Anchored {
                key: self.token.key,
                config: format!(
                    "{{pkcs11: {{module: {}, tokenLabel: mooring, pinFile: $DIR/pin}}}}",
                    module.display()
                ),
            }),
            env: vec![
                env("SOFTHSM2_CONF", self.token.conf.to_str().unwrap()),
                env("FAULTY", &self.fault),
                env("FAULTY_LOG", self.log().to_str().unwrap()),
            ],
            ..Setup::default()
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_pin_that_is_called_a_general_error_is_shown_twice_and_never_again() {
    let f = Faulty::new("calls:0x5");
    let mut rig = f.rig("stork-99");
    for _ in 0..3 {
        rig.run();
        let c = rig.client("a");
        until_anchor(&rig, &c, "PinRejected").await;
        let message = state(&rig, &c).await.anchor.message;
        assert!(message.contains("any change is worth one try"), "{message}");
        rig.kill();
        assert_eq!(f.logins(), 2, "{message}");
    }
    // Also if each process lives for one login only.
    rig.write("pin", "heron-71");
    for n in [3, 4, 4, 4] {
        rig.run();
        let c = rig.client("a");
        until("a login, or none any more", async || {
            f.logins() == n && state(&rig, &c).await.anchor.reason.name() != "Starting"
        })
        .await;
        rig.kill();
        assert!(f.logins() <= 4, "{}", f.logins());
    }
    rig.write("pin", PIN);
    rig.run();
    let c = rig.client("a");
    until_anchor(&rig, &c, "Present").await;
    assert_eq!(f.logins(), 5);
}

/// Whatever it is called, a removed device and a closed session included: only who refuses outright
/// is not asked a second time.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_pin_by_any_other_name_is_shown_twice_and_never_again() {
    let names = [
        ("0x2", "CKR_HOST_MEMORY"),
        ("0x32", "CKR_DEVICE_REMOVED"),
        ("0xb0", "CKR_SESSION_CLOSED"),
        ("0xb3", "CKR_SESSION_HANDLE_INVALID"),
        ("0xe0", "CKR_TOKEN_NOT_PRESENT"),
        ("0xe1", "CKR_TOKEN_NOT_RECOGNIZED"),
        ("0x100", "CKR_USER_ALREADY_LOGGED_IN"),
        ("0x102", "CKR_USER_PIN_NOT_INITIALIZED"),
        ("0x80000001", "CKR_VENDOR_DEFINED"),
    ];
    for (code, name) in names {
        let f = Faulty::new(format!("calls:{code}"));
        let mut rig = f.rig("stork-99");
        for _ in 0..2 {
            rig.run();
            let c = rig.client("a");
            until_anchor(&rig, &c, "PinRejected").await;
            rig.kill();
            assert_eq!(f.logins(), 2, "{name}");
        }
        assert!(rig.logged(name) > 0, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_pin_that_the_token_counts_is_shown_once_whatever_it_is_called() {
    for code in ["0x5", "0x32", "0xb0", "0x100", "0x102"] {
        let f = Faulty::new(format!("counts:{code}"));
        let mut rig = f.rig("stork-99");
        rig.run();
        let c = rig.client("a");
        until_anchor(&rig, &c, "PinRejected").await;
        rig.kill();
        assert_eq!(f.logins(), 1, "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_gone_during_the_login_costs_the_pin_no_try_however_often() {
    let f = Faulty::new("gone");
    let mut rig = f.rig(PIN);
    rig.run();
    let c = rig.client("a");
    until_anchor(&rig, &c, "Present").await;
    assert_eq!((f.logins(), rig.logged("PinRejected")), (5, 0));
    assert!(rig.logged("the token went away during the login (C_Login: CKR_DEVICE_REMOVED)") > 0);
}

/// It serves, but its last try is not for this PIN.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_logged_in_to_already_serves_and_has_not_accepted_the_pin() {
    let f = Faulty::new("logged-in");
    let mut rig = f.rig(PIN);
    for n in 1..=3 {
        rig.run();
        let c = rig.client("a");
        until_anchor(&rig, &c, "Present").await;
        rig.kill();
        assert_eq!(f.logins(), n);
        let kept = std::fs::read_to_string(rig.path("state/state.json")).unwrap();
        let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
        let pins = kept["kept"]["logins"]["anchor"].as_object().unwrap();
        let pin = pins.values().next().unwrap();
        assert_eq!(pin["tried"], pin["answered"], "{pin}");
        assert!(pin["verdict"].is_null(), "{pin}");
    }
}

/// Made by `pkcs11-tool --init-token` alone, as many are.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_a_user_pin_says_so_and_goes_on_once_it_has_one() {
    let mut rig = Rig::prepare(Setup::default());
    rig.token.new_without_pin();
    rig.run();
    let c = rig.client("a");
    until_anchor(&rig, &c, "PinNotInitialized").await;
    let message = state(&rig, &c).await.anchor.message;
    assert!(message.contains("pkcs11-tool --init-pin"), "{message}");
    until("more logins than two", async || {
        rig.logged("logging in to the token") > 3
    })
    .await;
    rig.token.init_pin();
    until_anchor(&rig, &c, "KeyNotFound").await;
    assert_eq!(rig.logged("PinRejected"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_error_during_the_first_login_does_not_lock_out_the_right_pin() {
    let f = Faulty::new("once");
    let mut rig = f.rig(PIN);
    rig.run();
    let c = rig.client("a");
    until_anchor(&rig, &c, "Present").await;
    assert_eq!(f.logins(), 2);
    TestClaim::new("pod").claim(&c, None).await.granted();
    assert!(rig.logged("CKR_DEVICE_ERROR, which does not say") > 0);
}

/// Its words on stdout are no answers, and it gets no questions to read.
#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_prints_to_stdout_and_reads_stdin_serves_as_any_other() {
    for fault in ["prints", "endless"] {
        let f = Faulty::new(fault);
        let mut rig = f.rig(PIN);
        rig.run();
        let c = rig.client("a");
        until_anchor(&rig, &c, "Present").await;
        TestClaim::new("pod").claim(&c, None).await.granted();
        assert_eq!((f.logins(), rig.logged("hello")), (1, 0), "{fault}");
        let lost = "mooring_anchor_losses_total{kind=\"pkcs11\"";
        assert!(!rig.metrics().await.contains(lost), "{fault}");
    }
}

/// Its words are of use, and there may be no end of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_floods_stderr_fills_nobodys_log() {
    let f = Faulty::new("floods");
    let mut rig = f.rig(PIN);
    rig.run();
    let c = rig.client("a");
    until_anchor(&rig, &c, "Present").await;
    TestClaim::new("pod").claim(&c, None).await.granted();
    until("a line of it", async || rig.logged("xxxx") > 0).await;
    // Its end is the worker's.
    rig.terminate();
    assert!(rig.logged("xxxx") < 100, "{} lines", rig.logged("xxxx"));
    let log = rig.log.lock().unwrap();
    let longest = log.iter().map(String::len).max();
    assert!(longest < Some(1500), "{longest:?}");
}

/// As the server's user, and here as root, it could read all of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_module_reads_none_of_the_servers_secrets() {
    let f = Faulty::new("spies");
    let mut rig = f.rig(PIN);
    // A chain of an earlier CA, with its key.
    let pem = ["tls.crt", "tls.key"].map(|n| std::fs::read_to_string(rig.path(n)).unwrap());
    rig.write("earlier.pem", &pem.concat());
    let config = std::fs::read_to_string(rig.path("config.yaml")).unwrap();
    let earlier = format!("tls: {{earlier: {}, ", rig.path("earlier.pem").display());
    rig.write("config.yaml", &config.replace("tls: {", &earlier));
    // By this the server writes what it keeps for its next pod.
    let account = rig.path("account");
    std::fs::create_dir(&account).unwrap();
    std::fs::write(account.join("token"), "the-servers-own").unwrap();
    let folder = account.display().to_string();
    rig.setup
        .env
        .push(("MOORING_SERVICE_ACCOUNT_DIR".into(), folder));
    let all = [
        "tls.key",
        "earlier.pem",
        "identity",
        "pin",
        "account/token",
        "tls.crt",
    ];
    let all = all.map(|n| rig.path(n).display().to_string());
    rig.setup.env.push(("FAULTY_READS".into(), all.join(":")));
    rig.run();
    let c = rig.client("a");
    until_anchor(&rig, &c, "Present").await;
    let said = std::fs::read_to_string(f.log()).unwrap();
    let read = format!("read {}\n", rig.path("tls.crt").display());
    assert_eq!(
        said,
        format!("{read}login\n"),
        "what lies beside them it may"
    );
}

/// A driver runs in a process of its own, under the server's user: the memory of the server, where
/// all keys are, is out of its reach.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_root_says_whose_the_store_must_be_and_its_memory_is_closed() {
    const USER: u32 = 65532;
    let mut rig = Rig::prepare(Setup {
        user: Some(USER),
        ..Setup::default()
    });
    let chown = Command::new("chown")
        .args(["-R", &USER.to_string()])
        .arg(rig.dir.path())
        .status()
        .unwrap();
    assert!(chown.success());
    let folder = rig.token.store.clone();
    let store = |user: u32| {
        let status = Command::new("sh")
            .args(["-ec", "chown -R \"$1\" \"$0\"; chmod 700 \"$0\""])
            .arg(&folder)
            .arg(user.to_string())
            .status()
            .unwrap();
        assert!(status.success());
    };
    // As everybody has it at first: the store is root's.
    store(0);
    rig.run();
    let c = rig.client("a");
    until_anchor(&rig, &c, "ModuleFailed").await;
    let message = state(&rig, &c).await.anchor.message;
    assert!(message.contains("chown -R 65532"), "{message}");
    store(USER);
    until_anchor(&rig, &c, "Present").await;
    let owner = |pid: u32| std::fs::metadata(format!("/proc/{pid}/mem")).unwrap().uid();
    let worker = Command::new("pgrep")
        .args(["-P", &rig.pid().to_string()])
        .output()
        .unwrap();
    let worker = String::from_utf8(worker.stdout).unwrap();
    // Of a process that can be looked into, its user is the owner.
    assert_eq!(owner(rig.pid()), 0, "the server");
    assert_eq!(owner(worker.trim().parse().unwrap()), 0, "the worker");
}
