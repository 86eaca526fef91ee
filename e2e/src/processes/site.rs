//! A license server on this machine, made as docs/without-kubernetes.md says, with a token in
//! software and a client token for each sidecar.

use super::agent::Agent;
use super::process::{Process, program, tail};
use super::wait::eventually;
use anyhow::{Context as _, Result, ensure};
use mooring_testkit::free_port;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a site is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) seats: u32,
    /// How many client tokens, `h1` and so on.
    pub(super) holders: usize,
    /// D.
    pub(super) lease_secs: u64,
    pub(super) grace_secs: u64,
    /// Certificates, license and tokens are made this many days ago.
    pub(super) made_days_ago: u32,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seats: 1,
            holders: 1,
            lease_secs: 10,
            grace_secs: 28_800,
            made_days_ago: 0,
        }
    }
}

/// The folder, and the server if it runs.
#[derive(Debug)]
pub(super) struct Site {
    dir: tempfile::TempDir,
    port: u16,
    metrics: u16,
    /// What the server finds in its environment, besides its token.
    pub(super) env: Vec<(String, String)>,
    /// What runs the server: `valgrind` and the like.
    pub(super) under: Vec<String>,
    pub(super) program: String,
    server: Option<Process>,
}

/// As the page says, in the folder `$DESK`.
const SETUP: &str = r#"
set -euo pipefail
cd "$DESK"
mkdir tokens
echo "directories.tokendir = $DESK/tokens" > softhsm2.conf
softhsm2-util --init-token --free --label mooring --pin 4321 --so-pin 87654321
(umask 077; echo 4321 > pin)
mooring license keygen --out vendor.key | grep -o 'ed25519:[0-9a-f]*' | head -n 1 > vendor-keys
mooring license anchor pkcs11 --module /usr/lib/softhsm/libsofthsm2.so --token-label mooring --pin-file pin --generate --out anchor.yaml
mooring license issue --id TRY-1 --customer Test --product "render:$SEATS" --test --allow-software-token \
  --key vendor.key --anchor anchor.yaml --out license.mooring
mooring-server init --name main --dir server --state-dir state --listen "127.0.0.1:$PORT" --metrics "127.0.0.1:$METRICS"
mooring pki init --out pki
mooring pki server --ca pki --out server --name localhost --name 127.0.0.1
cp pki/ca.crt license.mooring vendor-keys pin server/
mooring client keygen --out client.key > server/client-keys
sed -i "s/^admins: .*/admins: [admin]/; s/durationSecs: 30/durationSecs: $LEASE/; s/graceSecs: 28800/graceSecs: $GRACE/" server/config.yaml
mooring client issue --key client.key --server main --subject admin --out admin.token
for i in $(seq 1 "$HOLDERS"); do mooring client issue --key client.key --server main --subject "h$i" --out "h$i.token"; done
"#;

/// Where `apt-get install faketime` puts it.
const FAKETIME: &str = "/usr/$LIB/faketime/libfaketimeMT.so.1";

/// The environment in which a process' wall clock is what this file says, and no other clock is
/// touched.
pub(super) fn wall_of(file: &Path) -> Vec<(String, String)> {
    [
        ("LD_PRELOAD", FAKETIME),
        ("FAKETIME_TIMESTAMP_FILE", &file.display().to_string()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .to_vec()
}

impl Site {
    /// Everything made, nothing started.
    pub(super) fn new(plan: Plan) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let (port, metrics) = (free_port(), free_port());
        let bin = program("mooring")?;
        let bin = Path::new(&bin).parent().context("a folder")?;
        let server = program("mooring-server")?;
        let path = format!("{}:{}", bin.display(), std::env::var("PATH")?);
        let mut setup = Command::new("bash");
        setup
            .args(["-c", SETUP])
            .env("PATH", path)
            .env("DESK", dir.path())
            .env("SOFTHSM2_CONF", dir.path().join("softhsm2.conf"))
            .env("SEATS", plan.seats.to_string())
            .env("HOLDERS", plan.holders.to_string())
            .env("LEASE", plan.lease_secs.to_string())
            .env("GRACE", plan.grace_secs.to_string())
            .env("PORT", port.to_string())
            .env("METRICS", metrics.to_string());
        if plan.made_days_ago > 0 {
            let file = dir.path().join("made");
            std::fs::write(&file, format!("-{}d\n", plan.made_days_ago))?;
            setup.envs(wall_of(&file));
        }
        let out = setup.output().context("starting bash")?;
        ensure!(
            out.status.success(),
            "making a license server ({}):\n{}{}",
            out.status,
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
        Ok(Self {
            dir,
            port,
            metrics,
            env: vec![],
            under: vec![],
            program: server,
            server: None,
        })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Starts the server, and waits until its token signs.
    pub(super) fn start(&mut self) -> Result<()> {
        let conf = self.path("softhsm2.conf").display().to_string();
        let mut env = self.env.clone();
        env.push(("SOFTHSM2_CONF".into(), conf));
        let mut run: Vec<&str> = self.under.iter().map(String::as_str).collect();
        run.extend([&*self.program, "run", "--config", "server/config.yaml"]);
        let mut server = Process::start(&run, &env, self.dir.path(), &self.path("server.log"))?;
        let ready = eventually("the license server signs", 30, || {
            server.lives()?;
            match self.metric("mooring_anchor_present", "") {
                Ok(1.0) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        self.server = Some(server);
        self.explain(ready)
    }

    /// The server's process.
    pub(super) fn process(&self) -> Result<&Process> {
        self.server.as_ref().context("no server runs")
    }

    /// kill -9.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.server.take().context("no server runs")?.kill()
    }

    /// The sidecar of holder `n`, not started.
    pub(super) fn agent(&self, n: usize) -> Result<Agent> {
        let file = |name: &str| self.path(name).display().to_string();
        let env = [
            ("MOORING_SERVER", format!("https://localhost:{}", self.port)),
            ("MOORING_ADDRESSES", format!("127.0.0.1:{}", self.port)),
            ("MOORING_ROOTS", file("pki/ca.crt")),
            ("MOORING_TOKEN_FILE", file(&format!("h{n}.token"))),
        ];
        Agent::new(&self.path(&format!("h{n}")), &format!("h{n}"), &env)
    }

    /// The sum of a metric's lines that contain `label`.
    pub(super) fn metric(&self, name: &str, label: &str) -> Result<f64> {
        let metrics = ([127, 0, 0, 1], self.metrics).into();
        Ok(mooring_testkit::metric(metrics, name, label)?)
    }

    /// The subjects in line, first to last, by the server's books.
    pub(super) fn line(&self) -> Result<Vec<String>> {
        let file = |name: &str| self.path(name).display().to_string();
        let out = Command::new(program("mooring")?)
            .args(["leases", "-o", "json", "--server"])
            .arg(format!("https://localhost:{}", self.port))
            .args(["--roots", &file("pki/ca.crt")])
            .args(["--token-file", &file("admin.token")])
            .output()?;
        let said = String::from_utf8_lossy(&out.stdout);
        let leases: serde_json::Value = serde_json::from_str(&said)
            .with_context(|| format!("{said}{}", String::from_utf8_lossy(&out.stderr)))?;
        let all = leases.as_array().or(leases["leases"].as_array());
        let waits = |l: &serde_json::Value| {
            let l = l.get("lease").filter(|v| v.is_object()).unwrap_or(l);
            let who = l["holder"]["subject"].as_str()?;
            Some((l["place"].as_u64()?, who.to_owned()))
        };
        let mut line: Vec<_> = all.into_iter().flatten().filter_map(waits).collect();
        line.sort();
        Ok(line.into_iter().map(|(_, who)| who).collect())
    }

    /// Adds to a failure what the server last wrote.
    pub(super) fn explain<T>(&self, result: Result<T>) -> Result<T> {
        result.with_context(|| format!("{}\n", tail(&self.path("server.log"), 15)))
    }
}
