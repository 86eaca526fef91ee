//! The license server as it is shipped, a process on one core, with the files of the testkit.

use crate::process::Process;
use anyhow::{Context as _, Result};
use mooring_config::{Config, Connections};
use mooring_core::time::DEFAULT_GRACE;
use mooring_testkit::{Server, free_port, look_for, metric, secs};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// What a server is to bear.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Of `render`.
    pub(crate) seats: u32,
    /// D.
    pub(crate) lease_secs: u64,
    /// The most connections, in sum.
    pub(crate) connections: u32,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seats: 200_000,
            lease_secs: 300,
            connections: Connections::default().most,
        }
    }
}

/// Its files, and its process if it runs.
pub(crate) struct Site {
    files: Server,
    program: PathBuf,
    pub(crate) api: SocketAddr,
    metrics: SocketAddr,
    env: Vec<(String, String)>,
    process: Option<Process>,
}

impl Site {
    /// All files made, nothing started. `program` is `mooring-server`.
    pub(crate) fn new(program: &Path, plan: Plan) -> Result<Self> {
        let files = Server::licensed_by(plan.seats, 30, |l| {
            l.policy.max_lease = Some(secs(plan.lease_secs));
        });
        let at = || SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let (api, metrics) = (at(), at());
        let file = files.dir().join("config.yaml");
        let mut config = Config::load(&file)?;
        config.listen = api;
        config.metrics = metrics;
        config.connections.most = plan.connections;
        config.lease.duration_secs = plan.lease_secs;
        config.lease.grace_secs = DEFAULT_GRACE.as_secs();
        std::fs::write(&file, serde_yaml::to_string(&config)?)?;
        Ok(Self {
            files,
            program: program.to_owned(),
            api,
            metrics,
            env: Vec::new(),
            process: None,
        })
    }

    /// Makes it one of a cluster: with other words in its configuration, and this environment.
    pub(crate) fn join(
        &mut self,
        env: Vec<(String, String)>,
        change: impl FnOnce(&mut Config),
    ) -> Result<()> {
        let file = self.file("config.yaml");
        let mut config = Config::load(&file)?;
        change(&mut config);
        self.api = config.listen;
        self.env = env;
        Ok(std::fs::write(&file, serde_yaml::to_string(&config)?)?)
    }

    /// Starts it, and waits until its anchor signs.
    pub(crate) fn start(&mut self) -> Result<()> {
        self.launch()?;
        let ready = look_for("the license server's anchor signs", secs(40), || {
            self.lives().map_err(|e| e.to_string())?;
            match metric(self.metrics, "mooring_anchor_present", "") {
                Ok(n) if n > 0.0 => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        ready.with_context(|| {
            self.process
                .as_ref()
                .map(Process::last_words)
                .unwrap_or_default()
        })
    }

    /// Starts it, and waits for nothing.
    pub(crate) fn launch(&mut self) -> Result<()> {
        let config = self.file("config.yaml").display().to_string();
        let args = ["run", "--config", &config];
        let process = Process::start(&self.program, &args, &self.env, &self.file("log"))?;
        self.process = Some(process);
        Ok(())
    }

    /// An error, if it has ended by itself.
    pub(crate) fn lives(&mut self) -> Result<()> {
        self.process.as_mut().context("no server runs")?.lives()
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.take().context("no server runs")?.kill()
    }

    pub(crate) fn process(&self) -> Result<&Process> {
        self.process.as_ref().context("no server runs")
    }

    /// What a sidecar is told of it.
    pub(crate) fn roots(&self) -> &str {
        &self.files.roots
    }

    /// A client token for this subject.
    pub(crate) fn token(&self, subject: &str) -> String {
        self.files.token(subject)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.files.dir().join(name)
    }
}
