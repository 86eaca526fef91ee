//! The machine `outside`: what runs there, a license server of its own among it.

use crate::lab::{Anchor, Lab, Output, PIN, eventually, module, run, run_words, so, within, words};
use anyhow::{Context as _, Result};
use std::path::PathBuf;
use std::process::Stdio;
use tokio::process::{Child, Command};

/// The machine's name, for `e2e/cluster/node`.
pub(super) const MACHINE: &str = "outside";
/// Where its server listens.
const PORT: u16 = 8443;
/// How the cluster's issuer is called there, and its subjects begin.
pub(super) const SUBJECTS: &str = "pod:e2e/";

/// A program that runs on the machine. It ends with this.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    /// Of the program itself, which `node exec` becomes.
    pid: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        // The child is a shell that waits for the program.
        if let Ok(pid) = std::fs::read_to_string(&self.pid) {
            let _ = std::process::Command::new("kill").arg(pid.trim()).status();
        }
        let _ = self.child.start_kill();
    }
}

/// Runs a program there to its end.
pub(super) async fn there(lab: &Lab, line: &str) -> Result<Output> {
    let node = lab.root.join("e2e/cluster/node");
    run_words(&node, &format!("exec {MACHINE} {line}")).await
}

/// Starts a program there; what it says goes into a file beside `pid`.
pub(super) fn start(lab: &Lab, name: &str, line: &str) -> Result<Running> {
    let pid = lab.dir.path().join(format!("{name}.pid"));
    let log = std::fs::File::create(lab.dir.path().join(format!("{name}.log")))?;
    let script = format!("echo $$ >{}; exec {line}", pid.display());
    let child = Command::new(lab.root.join("e2e/cluster/node"))
        .args(["exec", MACHINE, "sh", "-c", &script])
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn();
    let child = child.with_context(|| format!("starting {name} outside"))?;
    Ok(Running { child, pid })
}

/// The machine's address.
pub(super) async fn address(lab: &Lab) -> Result<String> {
    let node = lab.root.join("e2e/cluster/node");
    let said = run_words(&node, &format!("ip {MACHINE}")).await?;
    Ok(said.ok("the machine's address")?.trim().to_owned())
}

/// Says on the machine which way pods are, or forgets it. The cluster's nodes hide no pod behind
/// their own address, as most networks of pods do for what leaves the cluster.
pub(super) async fn knows_pods(lab: &Lab, does: bool) -> Result<()> {
    let node = lab.root.join("e2e/cluster/node");
    for (i, name) in [&lab.nodes.0, &lab.nodes.1].into_iter().enumerate() {
        let via = run_words(&node, &format!("ip {name}")).await?;
        let via = via.ok("a node's address")?;
        let verb = if does { "replace" } else { "del" };
        let range = format!("10.244.{}.0/24 via {}", i + 1, via.trim());
        let told = there(lab, &format!("ip route {verb} {range}")).await?;
        told.ok("a route to the pods")?;
    }
    Ok(())
}

/// A program of ours beside the tool.
pub(super) fn program(lab: &Lab, name: &str) -> String {
    lab.cli.with_file_name(name).display().to_string()
}

/// A license server there, with a token of its own.
pub(super) struct Workshop {
    pub(super) address: String,
    dir: PathBuf,
    anchor: Anchor,
}

impl Workshop {
    /// Makes all that it needs in a folder: token, license for so many seats of `render`,
    /// certificates, keys.
    pub(super) async fn prepare(lab: &Lab, folder: &str, seats: u32) -> Result<Self> {
        let dir = lab.dir.path().join(folder);
        std::fs::create_dir_all(dir.join("state"))?;
        let anchor = Anchor::make(&lab.cli, &dir, "outside").await?;
        let products = [("render".to_owned(), seats)];
        let described = &anchor.description;
        let license = lab.vendor.license("outside", &products, described, "");
        std::fs::write(dir.join("license"), license.await?)?;
        std::fs::write(dir.join("vendor-keys"), &lab.vendor.public)?;
        std::fs::write(dir.join("identity"), [7; 32])?;
        run(
            "chmod",
            &["600", &dir.join("identity").to_string_lossy()],
            None,
        )
        .await?;
        let address = address(lab).await?;
        let site = Self {
            address,
            dir,
            anchor,
        };
        let d = site.dir.display();
        for line in [
            format!("pki init --out {d}/pki"),
            format!("pki server --ca {d}/pki --out {d} --name {}", site.address),
        ] {
            run_words(&lab.cli, &line).await?.ok("a certificate")?;
        }
        let admin = site.keygen(lab, "admin.key").await?;
        std::fs::write(site.dir.join("client-keys"), admin)?;
        let token = format!(
            "client issue --key {d}/admin.key --server site --subject ops --out {d}/ops.token"
        );
        run_words(&lab.cli, &token).await?.ok("a client token")?;
        Ok(site)
    }

    async fn keygen(&self, lab: &Lab, name: &str) -> Result<String> {
        let line = format!("client keygen --out {}", self.file(name));
        let said = run_words(&lab.cli, &line).await?.ok("a client key")?;
        let key = said.split_whitespace().find(|w| w.starts_with("ed25519:"));
        key.map(str::to_owned)
            .with_context(|| format!("no public key in what keygen said: {said}"))
    }

    pub(super) fn file(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    /// Makes the cluster's key, and lists the cluster as an issuer whose pods have so many claims.
    pub(super) async fn lists_the_cluster(&self, lab: &Lab, claims: u32) -> Result<()> {
        let key = self.keygen(lab, "issuer.key").await?;
        let list = format!(
            "- {{name: e2e, keys: [\"{key}\"], subjects: \"{SUBJECTS}\", claims: {claims}}}\n"
        );
        Ok(std::fs::write(self.file("issuers"), list)?)
    }

    /// Starts the server, and waits until it grants.
    pub(super) async fn start(&self, lab: &Lab) -> Result<Running> {
        let (d, label) = (self.dir.display(), &self.anchor.label);
        let config = format!(
            "name: site\nlisten: 0.0.0.0:{PORT}\nmetrics: 127.0.0.1:8081\ntls: {{cert: {d}/server.crt, key: {d}/server.key}}\n\
             licenses: [{d}/license]\nvendorKeys: {d}/vendor-keys\n\
             anchor: {{pkcs11: {{module: {}, tokenLabel: {label}, pinFile: {d}/{label}.pin}}}}\n\
             lease: {{durationSecs: 10, graceSecs: 600}}\nearlierLongestLeaseSecs: 0\n\
             clients: {{keys: {d}/client-keys, issuers: {d}/issuers}}\nadmins: [ops]\nstateDir: {d}/state\nidentityKey: {d}/identity\n",
            module()?
        );
        std::fs::write(self.file("config.yaml"), config)?;
        std::fs::write(self.dir.join(format!("{label}.pin")), PIN)?;
        let line = format!(
            "env SOFTHSM2_CONF={d}/{label}.conf {} run --config {d}/config.yaml",
            program(lab, "mooring-server")
        );
        let running = start(lab, "site", &line)?;
        eventually("the server outside grants", within(30), async || {
            let o = self.mooring(lab, "status").await?;
            so(o.success, || o.out + &o.err)
        })
        .await?;
        Ok(running)
    }

    /// Asks the server there as its administrator.
    pub(super) async fn mooring(&self, lab: &Lab, what: &str) -> Result<Output> {
        self.mooring_as(lab, what, "ops.token").await
    }

    /// The same by another token.
    pub(super) async fn mooring_as(&self, lab: &Lab, what: &str, token: &str) -> Result<Output> {
        let (roots, token) = (self.file("pki/ca.crt"), self.file(token));
        let (url, cli) = (self.url(), lab.cli.display());
        let flags = format!("--server {url} --roots {roots} --token-file {token}");
        there(lab, &format!("{cli} {what} {flags}")).await
    }

    pub(super) fn url(&self) -> String {
        format!("https://{}:{PORT}", self.address)
    }

    /// What a namespace needs to use it: the roots, the issuer's key, and the LicenseServer.
    pub(super) async fn apply(&self, lab: &Lab, ns: &str) -> Result<()> {
        let (roots, key) = (self.file("pki/ca.crt"), self.file("issuer.key"));
        for line in [
            format!("-n {ns} create configmap site-roots --from-file=ca.crt={roots}"),
            format!("-n {ns} create secret generic site-issuer --from-file=client.key={key}"),
        ] {
            run("kubectl", &words(&line), None)
                .await?
                .ok("making what it names")?;
        }
        let object = serde_json::json!({
            "apiVersion": "mooring.dev/v1alpha1", "kind": "LicenseServer",
            "metadata": {"name": "main", "namespace": ns},
            "spec": {
                "external": {
                    "address": self.url(), "serverName": "site",
                    "roots": {"configMapName": "site-roots"},
                    "issuer": {"secretName": "site-issuer", "subjects": SUBJECTS},
                },
                "lease": {"grace": "10m"},
            },
        });
        let made = lab.apply(&object.to_string()).await?;
        made.ok("making the LicenseServer").map(drop)
    }
}
