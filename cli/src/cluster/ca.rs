//! `mooring ca`: how the operator's CA stands, and asking for the next one. Only the Secret's
//! metadata is read and written here; its keys never leave the cluster.

use super::api::{self, ClusterArgs};
use super::operator::NAMESPACE;
use crate::output::{self, TableForm};
use anyhow::Context as _;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams};
use mooring_api::ca::{CaStatus, ROTATE, STATUS};
use mooring_api::names::CA_SECRET;
use mooring_core::time::Timestamp;
use serde_json::json;
use std::fmt::Write as _;

#[derive(Debug, clap::Subcommand)]
pub enum CaCommand {
    /// Which CA signs, until when, who does not trust it, and how far a change of CAs is
    Status(CaArgs),
    /// Ask the operator for a new CA; running pods go on
    Rotate(CaArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mooring ca status
  mooring ca rotate && mooring ca status

The operator makes the new CA within seconds, and the old one vouches for it: pods that trust only
the old one go on until that one's end. mooring ca status says how far it is, and names them.")]
pub struct CaArgs {
    #[command(flatten)]
    common: ClusterArgs,
}

/// `mooring ca …`.
pub fn run(command: &CaCommand) -> anyhow::Result<()> {
    let (CaCommand::Status(args) | CaCommand::Rotate(args)) = command;
    let mut common = args.common.clone();
    common
        .place
        .namespace
        .get_or_insert_with(|| NAMESPACE.to_owned());
    let text = match command {
        CaCommand::Status(_) => {
            let status = status(&common)?;
            match common.output.data() {
                Some(d) => d.render(&status)?,
                None => words(&status, common.output == TableForm::Wide),
            }
        }
        CaCommand::Rotate(_) => {
            rotate(&common)?;
            "The operator is asked for a new CA; `mooring ca status` says how far it is.\n"
                .to_owned()
        }
    };
    Ok(output::print(&text)?)
}

fn status(common: &ClusterArgs) -> anyhow::Result<CaStatus> {
    let secret = api::with_client(&common.place, async |client, namespace| {
        let api: Api<Secret> = Api::namespaced(client, namespace);
        api.get_metadata(CA_SECRET).await
    })?;
    let text = secret.metadata.annotations.unwrap_or_default();
    let text = text.get(STATUS).with_context(|| {
        format!("Secret {CA_SECRET} has no annotation {STATUS} yet: the operator writes it within a minute of its start; does it run?")
    })?;
    serde_json::from_str(text).with_context(|| format!("Secret {CA_SECRET}: annotation {STATUS}"))
}

fn rotate(common: &ClusterArgs) -> anyhow::Result<()> {
    let asked = json!({ "metadata": { "annotations": { ROTATE: Timestamp::now().to_string() } } });
    api::with_client(&common.place, async |client, namespace| {
        let api: Api<Secret> = Api::namespaced(client, namespace);
        let params = PatchParams::default();
        api.patch_metadata(CA_SECRET, &params, &Patch::Merge(&asked))
            .await
    })
    .map(drop)
}

/// The status for people.
fn words(s: &CaStatus, wide: bool) -> String {
    let mut text = format!(
        "CA      {}, until {}\nPhase   {:?}: {}\n",
        s.name, s.not_after, s.phase, s.message
    );
    for server in &s.waits_for {
        let _ = writeln!(text, "Waits   for {server}");
    }
    if s.pods > 0 {
        let shown = if wide { s.some_pods.len() } else { 5 };
        let named: Vec<&str> = s.some_pods.iter().take(shown).map(String::as_str).collect();
        let more = match s.pods.saturating_sub(named.len()) {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let _ = writeln!(
            text,
            "Pods    {} do not trust it: {}{more}",
            s.pods,
            named.join(", ")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use mooring_api::ca::CaPhase;

    #[test]
    fn it_says_how_far_it_is_and_names_servers_and_pods() {
        let s = CaStatus {
            name: "Mooring CA 3f9a1c22".into(),
            not_after: "2036-11-26T08:00:00Z".into(),
            phase: CaPhase::Switching,
            message: "new pods trust both".into(),
            waits_for: vec!["licensing/main: cannot connect".into()],
            pods: 7,
            some_pods: (0..7).map(|n| format!("a/p{n}")).collect(),
        };
        assert_eq!(
            words(&s, false),
            "CA      Mooring CA 3f9a1c22, until 2036-11-26T08:00:00Z\nPhase   Switching: new pods trust both\n\
             Waits   for licensing/main: cannot connect\nPods    7 do not trust it: a/p0, a/p1, a/p2, a/p3, a/p4 and 2 more\n"
        );
        assert!(words(&s, true).ends_with("a/p5, a/p6\n"));
    }
}
