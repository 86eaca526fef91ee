//! How many instructions the hot paths take, in release builds without link-time optimization: the
//! same on each machine with the same toolchain and kind of processor, whatever else it does
//! meanwhile, so that what was won once stays.
//!
//! Counted is a whole process, the kernel's part left out, while it answers so many requests on one
//! connection: TLS, HTTP and the runtime are in it. Asked is with two numbers of requests, and what
//! the one has more is what a request takes.

use super::process::{Process, released};
use super::site::{Plan, Site};
use super::wait::eventually;
use anyhow::{Context as _, Result, ensure};
use mooring_client::HoldState;
use mooring_core::names::{ClaimName, LeaseId, RequestId, TermsId};
use mooring_core::secret::Secret;
use mooring_core::wire::calls::{server, socket};
use mooring_core::wire::{Have, RenewRequest, Renewal};
use serde::Deserialize;
use serde_json::Value;
use std::cell::Cell;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What one takes, as it was counted last: more than a tenth more was better before, and more than
/// a tenth less is written down here.
const RENEWAL: u64 = 80_700;
const STATUS: u64 = 13_500;
const REVIEW: u64 = 1_758_000;

/// Requests of the shorter run, and of the longer one.
const FEW: u64 = 50;
const MANY: u64 = 550;

/// Counts them all, and compares.
///
/// # Errors
///
/// Which one takes another number than it did, or what could not be run.
pub fn counted() -> Result<()> {
    let mut site = Site::new(Plan {
        seats: 2,
        holders: 2,
        lease_secs: 60,
        ..Plan::default()
    })?;
    site.program = released("release/mooring-server")?;
    let counter = Callgrind::new(site.path("server.callgrind"));
    site.under = counter.command().into();
    site.start()?;
    let renewals = renewals(&site, &counter);
    let renewal = site.explain(renewals)?;
    let all = [
        ("a renewal, in the server", renewal, RENEWAL),
        ("GET /v1/status, in the sidecar", statuses(&site)?, STATUS),
        ("a review, in the webhook", reviews(&site)?, REVIEW),
    ];
    let mut other = Vec::new();
    for (what, is, was) in all {
        println!("  {what}: {is} instructions, {was} before");
        if is.abs_diff(was) > was / 10 {
            other.push(format!(
                "{what}: {is} instructions, and {was} are written down"
            ));
        }
    }
    ensure!(
        other.is_empty(),
        "{} (e2e/src/processes/instructions.rs)",
        other.join("; ")
    );
    Ok(())
}

/// What one takes, by what two runs of so many take.
fn each(mut run: impl FnMut(u64) -> Result<u64>) -> Result<u64> {
    let few = run(FEW)?;
    Ok((run(MANY)? - few) / (MANY - FEW))
}

/// What a renewal takes whose sender has the terms: most are like that.
fn renewals(site: &Site, counter: &Callgrind) -> Result<u64> {
    let secret = Secret::from_bytes([7; 32]);
    let lease = claim(site, &secret)?;
    let mut used = 1;
    let run = |n: u64| {
        let requests = used..used + n;
        used += n;
        counter.during(site.process()?, || {
            let bodies = requests.map(|i| {
                let renewal = Renewal {
                    lease: lease.lease,
                    secret: secret.clone(),
                    counter: i + 1,
                    request_id: request_id(i),
                    have: Some(Have {
                        terms: lease.terms,
                        documents: None,
                    }),
                };
                serde_json::to_string(&RenewRequest {
                    renewals: vec![renewal],
                    clock_ahead_secs: None,
                })
            });
            let bodies = bodies.collect::<Result<Vec<_>, _>>()?;
            let asked = bodies.iter().map(|body| {
                let spec = &server::RENEW;
                request(site, spec.method, spec.path, None, body)
            });
            for answer in curl(asked)? {
                let same = &answer["results"][0]["same"];
                ensure!(*same == Value::Bool(true), "a renewal is answered {answer}");
            }
            Ok(())
        })
    };
    each(run)
}

/// What of a grant is needed to renew it.
#[derive(Deserialize)]
struct Lease {
    lease: LeaseId,
    terms: TermsId,
}

fn claim(site: &Site, secret: &Secret) -> Result<Lease> {
    let body = serde_json::json!({
        "items": mooring_core::request::parse("render")?,
        "secretHash": secret.hash(),
        "requestId": request_id(0),
        "counter": 1,
        "receipts": true,
    });
    let body = body.to_string();
    let token = std::fs::read_to_string(site.path("h1.token"))?;
    let spec = &server::PUT_CLAIM;
    let path = spec.path_of(ClaimName::pod());
    let asked = request(site, spec.method, &path, Some(token.trim()), &body);
    let answer = curl([asked])?.pop().context("no answer")?;
    serde_json::from_value(answer.clone()).with_context(|| answer.to_string())
}

fn request_id(n: u64) -> RequestId {
    RequestId::from_bytes(u128::from(n).to_be_bytes())
}

/// A request as curl's configuration.
fn request(site: &Site, method: &str, path: &str, token: Option<&str>, body: &str) -> String {
    let port = site.port();
    let roots = site.path("pki/ca.crt");
    let token = token.map(|t| format!("header = \"authorization: Bearer {t}\"\n"));
    let body = body.replace('\\', r"\\").replace('"', "\\\"");
    format!(
        "request = {method}\nurl = https://localhost:{port}{path}\ncacert = {}\n{}\
         header = \"content-type: application/json\"\ndata = \"{body}\"\n",
        roots.display(),
        token.unwrap_or_default()
    )
}

/// What a status takes on the socket.
fn statuses(site: &Site) -> Result<u64> {
    let mut agent = site.agent(2)?;
    agent.program = released("release/mooring-sidecar")?;
    let counter = Callgrind::new(site.path("sidecar.callgrind"));
    agent.under = counter.command().into();
    let agent = agent.started()?;
    agent.is(HoldState::Held, 60)?;
    let asked = format!(
        "unix-socket = {}\nurl = http://localhost{}\n",
        agent.socket().display(),
        socket::STATUS.path
    );
    let run = |n: u64| {
        counter.during(agent.process()?, || {
            for answer in curl((0..n).map(|_| asked.clone()))? {
                let licensed = &answer["licensed"];
                ensure!(*licensed == Value::Bool(true), "the socket says {answer}");
            }
            Ok(())
        })
    };
    each(run)
}

/// What a review takes, in process: without HTTP and TLS.
fn reviews(site: &Site) -> Result<u64> {
    let program = released("x86_64-unknown-linux-musl/release/mooring-bench-webhook")?;
    let run = |n: u64| {
        let counter = Callgrind::new(site.path(&format!("reviews-{n}")));
        let [valgrind, args @ ..] = counter.command();
        let mut command = Command::new(valgrind);
        let out = command
            .args(args)
            .arg(&program)
            .arg(n.to_string())
            .output()?;
        let said = String::from_utf8_lossy(&out.stderr);
        ensure!(out.status.success(), "{program}: {said}");
        total(&counter.out).map_err(anyhow::Error::msg)
    };
    each(run)
}

/// The answers to these, one after another on one connection.
fn curl(requests: impl IntoIterator<Item = String>) -> Result<Vec<Value>> {
    let each = requests
        .into_iter()
        .map(|r| format!("{r}silent\nshow-error\nwrite-out = \"\\n\"\n"));
    let config = each.collect::<Vec<_>>().join("next\n");
    let mut curl = Command::new("curl")
        .args(["--config", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting curl")?;
    let mut stdin = curl.stdin.take().context("its input")?;
    stdin.write_all(config.as_bytes())?;
    drop(stdin);
    let out = curl.wait_with_output()?;
    ensure!(out.status.success(), "curl: {}", out.status);
    let lines = String::from_utf8(out.stdout)?;
    let answers = lines
        .lines()
        .map(|l| serde_json::from_str(l).with_context(|| format!("an answer reads {l:?}")));
    answers.collect()
}

/// Counts the instructions of a process that runs under it.
struct Callgrind {
    /// Where it writes what it has counted; a number follows.
    out: PathBuf,
    dumps: Cell<u32>,
}

impl Callgrind {
    fn new(out: PathBuf) -> Self {
        Self {
            out,
            dumps: Cell::new(0),
        }
    }

    /// What runs the process.
    fn command(&self) -> [String; 4] {
        let out = format!("--callgrind-out-file={}", self.out.display());
        ["valgrind", "--quiet", "--tool=callgrind", &out].map(Into::into)
    }

    /// What the process executes while something is done.
    fn during(&self, process: &Process, done: impl FnOnce() -> Result<()>) -> Result<u64> {
        let control = |flag: &str| {
            let mut control = Command::new("callgrind_control");
            let out = control.arg(flag).arg(process.id().to_string()).output();
            let out = out.context("starting callgrind_control")?;
            ensure!(
                out.status.success(),
                "callgrind_control {flag}: {}",
                String::from_utf8_lossy(&out.stderr)
            );
            Ok(())
        };
        control("--zero")?;
        done()?;
        control("--dump")?;
        self.dumps.set(self.dumps.get() + 1);
        let dump = format!("{}.{}", self.out.display(), self.dumps.get());
        eventually("the dump's total", 10, || total(Path::new(&dump)))
    }
}

/// The line that the totals are in comes last.
fn total(dump: &Path) -> Result<u64, String> {
    let text = std::fs::read_to_string(dump).map_err(|e| e.to_string())?;
    let line = text.lines().find_map(|l| l.strip_prefix("totals: "));
    let total = line.and_then(|l| l.trim().parse().ok());
    total.ok_or_else(|| format!("{} has none", dump.display()))
}
