//! The CA's Secret is deleted, or holds another CA, while two operators run.

use super::steps::{admits, generation, status};
use crate::lab::{Lab, eventually, run, run_words, so, within};
use crate::main_job::begin;
use anyhow::{Result, ensure};

/// A Secret that was deleted is the same again, also if an operator starts at that moment. With
/// another CA in it both operators say so, end, and start again with that one: caBundle is written
/// a few times, and pods are admitted.
pub(super) async fn replicas_with_different_cas_do_not_fight(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "replicas_with_different_cas_do_not_fight").await?;
    let server = crate::lab::Server::new(&ns, 1);
    server.ready(lab).await?;
    admits(lab, &ns).await?;
    let (before, first) = (status(lab).await?, generation(lab).await?);

    let operators = "-n mooring-system get pod -l app.kubernetes.io/component=operator -o";
    let names = lab
        .kubectl_with(operators, "jsonpath={.items[0].metadata.name}")
        .await?;
    let one = names.ok("the operators' pods")?;
    let secret = lab.kubectl("-n mooring-system delete secret mooring-ca");
    secret.await?.ok("deleting the CA's Secret")?;
    let restart = lab.kubectl(format!("-n mooring-system delete pod {one} --wait=false"));
    restart.await?.ok("deleting an operator")?;
    admits(lab, &ns).await?;
    eventually("the CA is the one of before", within(60), async || {
        let now = status(lab).await?;
        so(now.name == before.name, || format!("{now:?}"))
    })
    .await?;
    let writes = generation(lab).await? - first;
    ensure!(
        writes <= 2,
        "caBundle was written {writes} times though nothing changed"
    );

    let dir = lab.dir.path().join("another-ca");
    let line = format!("pki init --out {}", dir.display());
    let made = run_words(&lab.cli, &line).await?;
    made.ok("making another CA")?;
    let file = |f: &str| std::fs::read_to_string(dir.join(f));
    put(lab, &file("ca.crt")?, &file("ca.key")?).await?;
    eventually("an operator says why it ended", within(60), async || {
        let flags = "-l app.kubernetes.io/component=operator --previous --prefix --tail=20";
        let o = lab
            .kubectl(format!("-n mooring-system logs {flags}"))
            .await?;
        so(o.out.contains("holds another CA now"), || {
            format!("{} {}", o.out, o.err)
        })
    })
    .await?;
    // One replica may still be about to hear of it, and the status is the leader's to write.
    eventually("both go on with the other CA", within(90), async || {
        let now = status(lab).await?;
        so(now.name != before.name, || format!("{now:?}"))
    })
    .await?;
    admits(lab, &ns).await?;
    let writes = generation(lab).await? - first;
    println!("  caBundle was written {writes} times");
    ensure!(writes <= 8, "caBundle was written {writes} times: a fight");
    Ok(())
}

/// Puts a CA into the operator's Secret.
async fn put(lab: &Lab, cert: &str, key: &str) -> Result<()> {
    let patch = serde_json::json!({ "stringData": { "ca.crt": cert, "ca.key": key } });
    let file = lab.dir.path().join("another-ca.json");
    std::fs::write(&file, patch.to_string())?;
    let file = file.to_string_lossy();
    let args = [
        "-n",
        "mooring-system",
        "patch",
        "secret",
        "mooring-ca",
        "--type=merge",
        "--patch-file",
        &file,
    ];
    run("kubectl", &args, None)
        .await?
        .ok("another CA in the Secret")
        .map(drop)
}
