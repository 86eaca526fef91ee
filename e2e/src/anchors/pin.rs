//! A wrong PIN in the Secret, counted by the card.

use super::steps::{anchor, serve, state};
use crate::lab::{Card, CardIn, Lab, PIN, Server, eventually, within};
use crate::main_job::begin;
use crate::outage::first_problem;
use anyhow::{Result, ensure};
use std::time::Duration;

const WRONG: &str = "111111";

/// One login, however long it stays wrong, however often the card is plugged in and the server's
/// pod made anew; all who are told hear what it is; the right PIN in the Secret heals it.
pub(super) async fn a_wrong_pin_costs_one_login_and_the_right_one_heals_it(
    lab: &Lab,
) -> Result<()> {
    let name = "a_wrong_pin_costs_one_login_and_the_right_one_heals_it";
    let mut case = Case::begin(lab, name, WRONG, &[]).await?;
    case.rejected(60).await?;
    case.logins((1, 1), "at first")?;
    let says = ["PinRejected", "put the right PIN into the Secret"];
    first_problem(lab, &case.server, &says).await?;
    case.plug().await?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    case.rejected(5).await?;
    case.logins((1, 1), "after a while and a replug")?;
    // Another pod, whose folders are empty, is told what became of it.
    for n in [1, 2] {
        case.pod_anew().await?;
        case.rejected(60).await?;
        case.logins((1, 1), &format!("in another pod, for the {n}. time"))?;
    }
    case.secret(PIN).await?;
    case.serves().await?;
    case.logins((2, 1), "with the right PIN")
}

/// Ten pods, made one after the other, cost the card one login. What the next one knows lies in the
/// server's Secret, which holds no PIN.
pub(super) async fn a_wrong_pin_over_ten_pods_costs_the_card_one_login(lab: &Lab) -> Result<()> {
    let name = "a_wrong_pin_over_ten_pods_costs_the_card_one_login";
    let mut case = Case::begin(lab, name, WRONG, &[]).await?;
    case.rejected(60).await?;
    for n in 1..=10 {
        case.pod_anew().await?;
        case.rejected(60).await?;
        case.logins((1, 1), &format!("in another pod, for the {n}. time"))?;
    }
    let kept = state(lab, &case.server).await?.to_string();
    ensure!(
        kept.contains("\"rejected\"") && !kept.contains(WRONG),
        "the server keeps {kept}"
    );
    Ok(())
}

/// A card that calls a wrong PIN a general error is asked once more, and never a third time; the
/// right PIN still works.
pub(super) async fn a_wrong_pin_that_has_no_name_costs_two_logins(lab: &Lab) -> Result<()> {
    let name = "a_wrong_pin_that_has_no_name_costs_two_logins";
    let general = ["--wrong-pin", "general-error"];
    let mut case = Case::begin(lab, name, WRONG, &general).await?;
    case.rejected(90).await?;
    case.logins((2, 2), "at first")?;
    case.pod_anew().await?;
    case.rejected(60).await?;
    case.logins((2, 2), "in another pod")?;
    case.secret(PIN).await?;
    case.serves().await?;
    case.logins((3, 2), "with the right PIN")
}

/// A PIN that worked, another one, and the first again: each change is worth one login, and none
/// bars what was accepted before.
pub(super) async fn a_pin_changed_there_and_back_works(lab: &Lab) -> Result<()> {
    let name = "a_pin_changed_there_and_back_works";
    let mut case = Case::begin(lab, name, PIN, &[]).await?;
    case.serves().await?;
    case.logins((1, 0), "at first")?;
    // While the server runs no login is due; what will be is said.
    case.secret(WRONG).await?;
    case.stands("True", "PinChanged", 90).await?;
    case.secret(PIN).await?;
    case.stands("True", "Present", 90).await?;
    case.logins((1, 0), "there and back while the server runs")?;

    case.secret(WRONG).await?;
    case.pod_anew().await?;
    case.rejected(60).await?;
    case.logins((2, 1), "with another PIN, in another pod")?;
    case.secret(PIN).await?;
    case.pod_anew().await?;
    case.serves().await?;
    case.logins((3, 1), "with the first PIN again, in another pod")
}

/// A license server with a card in its reader.
struct Case<'a> {
    lab: &'a Lab,
    server: Server,
    card: Card,
    inserted: Option<CardIn>,
    /// How the card is put in.
    flags: &'a [&'a str],
}

impl<'a> Case<'a> {
    /// One whose Secret holds this PIN.
    async fn begin(lab: &'a Lab, name: &str, pin: &str, flags: &'a [&'a str]) -> Result<Self> {
        let ns = begin(lab, name).await?;
        let card = Card::make(lab, name, PIN).await?;
        let mut server = Server::new(&ns, 2);
        serve(lab, &mut server, &card, pin).await?;
        let mut case = Self {
            lab,
            server,
            card,
            inserted: None,
            flags,
        };
        case.plug().await?;
        Ok(case)
    }

    /// Plugs the card in, having pulled it out if need be.
    async fn plug(&mut self) -> Result<()> {
        self.inserted = None;
        let inserted = self.card.insert_with(self.lab, &self.server, self.flags);
        self.inserted = Some(inserted.await?);
        Ok(())
    }

    /// The server's pod is deleted, and the next one has the card and speaks.
    async fn pod_anew(&mut self) -> Result<()> {
        self.inserted = None;
        let before = self.instance().await?;
        self.server.delete_pod(self.lab, "").await?;
        self.plug().await?;
        eventually("the new pod speaks", within(60), async || {
            let now = self.instance().await?;
            Ok((now != before).then_some(()).ok_or(format!("{now:?}")))
        })
        .await
    }

    /// The server's run of now.
    async fn instance(&self) -> Result<Option<String>> {
        let server = self.server.get(self.lab).await?;
        Ok(server.status.and_then(|s| s.instance))
    }

    /// The kubelet looks at Secrets now and then.
    async fn secret(&self, pin: &str) -> Result<()> {
        let (ns, name) = (&self.server.namespace, &self.server.name);
        let secret = format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}-pin, namespace: {ns}}}\nstringData: {{pin: \"{pin}\"}}\n"
        );
        let changed = self.lab.apply(&secret).await?;
        changed.ok("changing the PIN").map(drop)
    }

    /// Waits until `AnchorPresent` is so, for this reason.
    async fn stands(&self, status: &str, reason: &str, secs: u64) -> Result<()> {
        let what = format!("AnchorPresent={status}, reason {reason}");
        let look = async || {
            let (c, _) = anchor(self.lab, &self.server, status, secs).await?;
            let missing = format!("{c:?}");
            Ok((c.reason == reason).then_some(c).ok_or(missing))
        };
        let c = eventually(&what, within(secs), look).await?;
        println!("  {}: {}", c.reason, c.message);
        Ok(())
    }

    async fn rejected(&self, secs: u64) -> Result<()> {
        self.stands("False", "PinRejected", secs).await
    }

    async fn serves(&self) -> Result<()> {
        self.stands("True", "Present", 90).await?;
        let ready = self.server.condition(self.lab, "Ready", "True");
        ready.await.map(drop)
    }

    /// How many logins the card has counted, and how many of them it refused.
    fn logins(&self, expected: (u64, u64), when: &str) -> Result<()> {
        let logins = self.card.logins()?;
        ensure!(logins == expected, "{when}: {logins:?}, not {expected:?}");
        Ok(())
    }
}
