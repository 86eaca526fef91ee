//! A virtual PIV card, and putting it into the reader of a server's pod: what plugging a USB dongle
//! into a node is.

use super::{Lab, Server, eventually, pkcs11, run_words, so, within};
use anyhow::{Context as _, Result};
use mooring_api as api;
use serde_json::Value;
use std::path::PathBuf;
use std::process::Stdio;
use tokio::process::Child;

/// Where vpcd waits for a card, in the pod of `MOORING_PCSCD_TEST_IMAGE`.
const VPCD: u16 = 35963;
/// The name of its holder, by which OpenSC names the token.
const LABEL: &str = "mooring";
/// How many wrong PINs it takes, one after the other: with one left the server tries none that it
/// does not know.
const TRIES: u8 = 5;

/// A card.
#[derive(Debug)]
pub struct Card {
    program: PathBuf,
    dir: PathBuf,
    /// What `mooring license anchor` would say of it.
    pub description: PathBuf,
}

/// A card in a reader; dropping it pulls it out.
#[derive(Debug)]
#[must_use = "the card is pulled out when this goes"]
pub struct CardIn {
    // Its standard input is held open: the card goes when that ends, whoever else may still hold
    // the process.
    _process: Child,
}

impl Card {
    /// Makes one with the key in slot 9A.
    pub async fn make(lab: &Lab, name: &str, pin: &str) -> Result<Self> {
        let program = PathBuf::from(std::env::var("MOORING_TEST_CARD").context(
            "MOORING_TEST_CARD names the virtual card's program; start through e2e/run",
        )?);
        let dir = lab.dir.path().join(format!("card-{name}"));
        let dir_of = dir.display();
        let line = format!("make --card {dir_of} --name {LABEL} --pin {pin} --tries {TRIES}");
        let made = run_words(&program, &line).await?;
        let out = made.ok("making a virtual card")?;
        let key = out.lines().find_map(|l| l.strip_prefix("9a "));
        let key = key.with_context(|| format!("no key of slot 9A in: {out}"))?;
        let description = dir.join("anchor.yaml");
        let text = format!("kind: pkcs11\nkey: \"p256:{key}\"\nsoftware: false\n");
        std::fs::write(&description, text)?;
        Ok(Self {
            program,
            dir,
            description,
        })
    }

    /// What a LicenseServer says of it: with pcscd beside the server. The card is at the pod's
    /// address.
    pub fn anchored(lab: &Lab) -> Result<(api::Anchor, api::Template)> {
        let image = lab.images.pcscd_test.clone();
        let pcscd = api::Pcscd {
            image: Some(image.context("the images have no MOORING_PCSCD_TEST_IMAGE")?),
            ..api::Pcscd::default()
        };
        let token = api::Pkcs11 {
            pcscd: Some(pcscd),
            ..pkcs11("/usr/lib/x86_64-linux-gnu/opensc-pkcs11.so", LABEL)
        };
        Ok((token.into(), api::Template::default()))
    }

    /// Plugs it in, into the reader of the server's pod, on the node that the pod is on.
    pub async fn insert(&self, lab: &Lab, server: &Server) -> Result<CardIn> {
        self.insert_with(lab, server, &[]).await
    }

    /// The same with further flags of the card's program.
    pub async fn insert_with(&self, lab: &Lab, server: &Server, flags: &[&str]) -> Result<CardIn> {
        let (node, ip) = reader(lab, server).await?;
        let tool = lab.root.join("e2e/cluster/node");
        let mut process = tokio::process::Command::new(tool)
            .args(["exec", &node])
            .arg(&self.program)
            .args(["insert", "--until-eof", "--patience", "60", "--card"])
            .arg(&self.dir)
            .args(["--vpcd", &format!("{ip}:{VPCD}")])
            .args(flags)
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("plugging the card in")?;
        let told = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        eventually("the card is in the reader", within(60), async || {
            if let Some(ended) = process.try_wait()? {
                return Ok(Err(format!("its process ended: {ended}")));
            }
            let now = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            let inserted = now.matches("inserted").count() > told.matches("inserted").count();
            so(inserted, || "vpcd does not listen".into())
        })
        .await?;
        Ok(CardIn { _process: process })
    }

    /// How many logins, and how many of them refused, the card has counted.
    pub fn logins(&self) -> Result<(u64, u64)> {
        let text = std::fs::read_to_string(self.dir.join("memory.json"))?;
        let memory: Value = serde_json::from_str(&text)?;
        let count = |k: &str| memory[k].as_u64().with_context(|| format!("{k}: {memory}"));
        Ok((count("logins")?, count("refused")?))
    }
}

/// The node and the address of the server's pod, once it has one.
async fn reader(lab: &Lab, server: &Server) -> Result<(String, String)> {
    eventually("the server's pod has an address", within(60), async || {
        let pod = server.pod(lab).await?;
        if pod.metadata.deletion_timestamp.is_some() {
            return Ok(Err("the old pod is still there".into()));
        }
        let node = pod.spec.as_ref().and_then(|s| s.node_name.clone());
        let ip = pod.status.as_ref().and_then(|s| s.pod_ip.clone());
        Ok(node.zip(ip).ok_or("it has none".into()))
    })
    .await
}
