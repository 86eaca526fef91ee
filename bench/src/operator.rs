//! The operator's memory: with 10,000 leases, and with 50,000 pods that never asked for one. And
//! what it writes when it is started anew.
//!
//! Everything is real but nodes and what runs on them: an API server with etcd, the operator, a
//! license server, and holders that claim and renew by tokens of their pods, which the server has
//! verified. This part plays the kubelets: it says that the pods run, and starts the server.

use crate::crowd::{Crowd, Tally, live};
use crate::fleet::{
    NAMESPACE, SERVER_NAME, SERVER_NAMESPACE, WEBHOOK, injected_pod, make_foreign_pod, prepare,
    run_pod,
};
use crate::plane::{Api, PORT, Plane};
use crate::process::Process;
use crate::site::Site;
use crate::told::figure;
use crate::wire::tls;
use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use mooring_config::{API_PORT, Tls};
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::spawn_local;
use tokio::time::sleep;

/// How long until whatever follows from a change has followed.
const REST: Duration = Duration::from_secs(20);
/// D of the server.
const LEASE: Duration = Duration::from_secs(300);
/// Token reviews of one address at a time are bounded by the server.
const CLAIMS_AT_ONCE: usize = 8;
/// Of so many leases a mirror is written each second, at most; and as long again.
const WRITES_PER_S: u64 = 25;

#[derive(Debug, clap::Args)]
pub(crate) struct OperatorArgs {
    /// mooring-operator, as its image has it.
    #[arg(long)]
    operator: PathBuf,
    /// The folder with kube-apiserver (e2e/cluster/build).
    #[arg(long)]
    kubernetes: PathBuf,
    /// The folder with the custom resource definitions.
    #[arg(long, default_value = "crds")]
    crds: PathBuf,
    /// How many pods hold a lease.
    #[arg(long, default_value = "10000")]
    leases: usize,
    /// How many pods there are that did not opt in.
    #[arg(long, default_value = "50000")]
    foreign: usize,
}

pub(crate) async fn operator(site: &mut Site, args: &OperatorArgs) -> Result<()> {
    let plane = Plane::start(&args.kubernetes).await?;
    prepare(&plane, &args.crds).await?;
    let mut operator = Operator::new(&plane, &args.operator)?;
    println!("{:>24}  {:>8}  {:>8}", "operator", "MiB now", "MiB most");
    operator.start().await?;
    sleep(REST).await;
    operator.print("nothing")?;
    foreign(&plane, &mut operator, args.foreign).await?;
    leases(&plane, &mut operator, site, args.leases).await
}

/// `operator_rss_50k_foreign_mib`: while they come, and when it finds them there.
async fn foreign(plane: &Plane, operator: &mut Operator, n: usize) -> Result<()> {
    plane
        .each(n, async |api, i| make_foreign_pod(api, i).await)
        .await?;
    sleep(REST).await;
    let (now, most) = operator.print(&format!("{n} foreign pods came"))?;
    operator.restart().await?;
    sleep(REST).await;
    let (again, peak) = operator.print("started anew")?;
    let against = format!(
        "the most it had; {now:.1} at rest; started anew with them there: {peak:.1}, {again:.1} at rest"
    );
    figure(
        "operator_rss_50k_foreign_mib",
        most.max(peak),
        "MiB",
        &against,
    )
}

/// `operator_rss_10k_mib`, `operator_restart_writes`.
async fn leases(plane: &Plane, operator: &mut Operator, site: &mut Site, n: usize) -> Result<()> {
    serve(plane, site).await?;
    let template = injected_pod().await?;
    let crowd = Rc::new(Crowd {
        tls: tls()?,
        server: SocketAddr::from((Ipv4Addr::LOCALHOST, API_PORT)),
        lease: LEASE,
        interval: LEASE / 3,
        gate: Semaphore::new(CLAIMS_AT_ONCE),
        tally: Tally::default(),
    });
    // Each claims as soon as it runs: who did not for a while would be shown so.
    let start = async |api: &Api, i: usize| {
        let token = run_pod(api, i, &template).await?;
        spawn_local(live(crowd.clone(), i, token));
        Ok(())
    };
    plane.each(n, start).await?;
    operator.print(&format!("{n} pods run"))?;
    let api = plane.api()?;
    let held = held(&api, n, &crowd.tally).await?;
    sleep(REST).await;
    let (now, most) = operator.print(&format!("{n} leases mirrored"))?;
    let before = api.writes("licenseleases").await?;
    operator.restart().await?;
    sleep(REST * 2).await;
    let (again, peak) = operator.print("started anew")?;
    let writes = api.writes("licenseleases").await? - before;
    let against = format!(
        "the most it had; {now:.1} at rest; started anew with them there: {peak:.1}, {again:.1} at rest; \
         mirrors written in {:.0} s",
        held.as_secs_f64()
    );
    figure("operator_rss_10k_mib", most.max(peak), "MiB", &against)?;
    let against = format!(
        "of {n} leases; {before} writes made them; {} lapsed",
        crowd.tally.lapsed.get()
    );
    figure("operator_restart_writes", writes, "writes", &against)
}

/// Waits until each lease has its mirror; for how long it did.
async fn held(api: &Api, n: usize, tally: &Tally) -> Result<Duration> {
    let begun = Instant::now();
    let most = Duration::from_secs(u64::try_from(n)? / WRITES_PER_S * 2 + 120);
    loop {
        let there = api.held().await?;
        if there == n {
            return Ok(begun.elapsed());
        }
        if begun.elapsed() > most {
            let refused = tally.refused.borrow();
            bail!(
                "{there} of {n} leases are shown as held after {most:?}; {} were granted, refused: {:?}",
                tally.granted.get(),
                refused.first()
            );
        }
        sleep(Duration::from_secs(5)).await;
    }
}

/// The operator, a process that is started again and again.
struct Operator {
    program: PathBuf,
    env: Vec<(String, String)>,
    dir: PathBuf,
    process: Option<Process>,
    starts: usize,
}

impl Operator {
    fn new(plane: &Plane, program: &Path) -> Result<Self> {
        let env = [
            ("KUBECONFIG", plane.kubeconfig()?.display().to_string()),
            ("POD_NAME", "operator-0".to_owned()),
            ("POD_NAMESPACE", NAMESPACE.to_owned()),
        ];
        Ok(Self {
            program: program.to_owned(),
            env: env.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            dir: plane.dir().to_owned(),
            process: None,
            starts: 0,
        })
    }

    /// Starts it, and waits until it leads.
    async fn start(&mut self) -> Result<()> {
        let health = format!("--health-socket={}", self.dir.join("health.sock").display());
        let webhook = format!("--webhook-listen={WEBHOOK}");
        let args = [
            "run",
            "--metrics-listen=127.0.0.1:8081",
            &health,
            &webhook,
            "--server-image=server",
            "--pcscd-image=pcscd",
            "--server-run-as-user=65532",
            "--sidecar-image=sidecar",
        ];
        let log = self.dir.join("operator.log");
        self.starts += 1;
        self.process = Some(Process::anywhere(&self.program, &args, &self.env, &log)?);
        let end = Instant::now() + Duration::from_secs(60);
        // Of each start.
        while std::fs::read_to_string(&log)?
            .matches("link started")
            .count()
            < self.starts
        {
            let process = self.process.as_mut().context("no operator")?;
            process.lives()?;
            if Instant::now() > end {
                bail!("the operator does not lead:\n{}", process.last_words());
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// kill -9, and another one.
    async fn restart(&mut self) -> Result<()> {
        self.process.take().context("no operator")?.kill()?;
        self.start().await
    }

    /// What it has in memory, and had at most, in MiB.
    fn print(&self, what: &str) -> Result<(f64, f64)> {
        let process = self.process.as_ref().context("no operator")?;
        let (now, most) = (process.rss_mib()?, process.peak_mib()?);
        println!("{what:>24}  {now:>8.1}  {most:>8.1}");
        Ok((now, most))
    }
}

/// Starts the license server with the certificate that the operator made for it.
async fn serve(plane: &Plane, site: &mut Site) -> Result<()> {
    let secret = plane
        .api()?
        .get("/api/v1/namespaces/licensing/secrets/main-tls")
        .await?;
    let mut files = Vec::new();
    for key in ["tls.crt", "tls.key", "ca.crt"] {
        let text = secret
            .pointer("/data")
            .and_then(|d| d.get(key))
            .and_then(Value::as_str);
        let file = site.file(&format!("main-{key}"));
        std::fs::write(&file, BASE64.decode(text.context(key)?)?)?;
        files.push(file);
    }
    let [cert, key, ca] = files.try_into().ok().context("three files")?;
    let env = [
        ("KUBERNETES_SERVICE_HOST", "127.0.0.1".to_owned()),
        ("KUBERNETES_SERVICE_PORT", PORT.to_string()),
        (
            "MOORING_SERVICE_ACCOUNT_DIR",
            plane.dir().display().to_string(),
        ),
    ];
    let env = env.map(|(name, value)| (name.to_owned(), value)).to_vec();
    site.join(env, |config| {
        SERVER_NAME.clone_into(&mut config.name);
        config.namespace = Some(SERVER_NAMESPACE.to_owned());
        config.listen = SocketAddr::from((Ipv4Addr::UNSPECIFIED, API_PORT));
        config.tls = Tls {
            cert,
            key,
            earlier: None,
            client_ca: Some(ca),
        };
        config.token_review = true;
    })?;
    site.start()
}
