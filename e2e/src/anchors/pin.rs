//! A wrong PIN in the Secret, counted by the card.

use super::steps::{anchor, serve};
use crate::lab::{Card, Lab, PIN, Server, eventually, within};
use crate::main_job::begin;
use anyhow::{Result, ensure};
use std::time::Duration;

const WRONG: &str = "111111";

/// One login, however long it stays wrong, however often the card is plugged in and the server's
/// pod made anew; the right PIN in the Secret heals it.
pub(super) async fn a_wrong_pin_costs_one_login_and_the_right_one_heals_it(
    lab: &Lab,
) -> Result<()> {
    let ns = begin(
        lab,
        "a_wrong_pin_costs_one_login_and_the_right_one_heals_it",
    )
    .await?;
    let card = Card::make(lab, "pin", PIN).await?;
    let mut server = Server::new(&ns, 2);
    serve(lab, &mut server, &card, WRONG).await?;
    let inserted = card.insert(lab, &server).await?;
    let what = "AnchorPresent=False, reason PinRejected";
    let rejected = async |secs| {
        let look = async || {
            let (c, _) = anchor(lab, &server, "False", 30).await?;
            let missing = format!("{c:?}");
            Ok((c.reason == "PinRejected").then_some(c).ok_or(missing))
        };
        eventually(what, within(secs), look).await
    };
    let c = rejected(60).await?;
    println!("  {}", c.message);
    let logins = |expected: (u64, u64), when: &str| -> Result<()> {
        let logins = card.logins()?;
        ensure!(logins == expected, "{when}: {logins:?}");
        Ok(())
    };
    logins((1, 1), "logins")?;
    drop(inserted);
    let mut inserted = card.insert(lab, &server).await?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    rejected(5).await?;
    logins((1, 1), "after a while and a replug")?;
    // Another pod, whose folders are empty, is told what became of it.
    for n in [1, 2] {
        drop(inserted);
        let before = instance(lab, &server).await?;
        server.delete_pod(lab, "").await?;
        inserted = card.insert(lab, &server).await?;
        eventually("the new pod speaks", within(60), async || {
            let now = instance(lab, &server).await?;
            Ok(if now == before {
                Err(format!("{now:?}"))
            } else {
                Ok(())
            })
        })
        .await?;
        rejected(60).await?;
        logins((1, 1), &format!("in another pod, for the {n}. time"))?;
    }

    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: main-pin, namespace: {ns}}}\nstringData: {{pin: \"{PIN}\"}}\n"
    );
    lab.apply(&secret).await?.ok("changing the PIN")?;
    // The kubelet looks at Secrets now and then.
    anchor(lab, &server, "True", 90).await?;
    server.condition(lab, "Ready", "True").await?;
    logins((2, 1), "with the right PIN")?;
    drop(inserted);
    Ok(())
}

/// The server's run of now.
async fn instance(lab: &Lab, server: &Server) -> Result<Option<String>> {
    Ok(server.get(lab).await?.status.and_then(|s| s.instance))
}
