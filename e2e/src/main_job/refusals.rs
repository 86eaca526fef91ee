//! Bad input: each is refused with an error that names the field and says what to do, where people
//! look.

use super::steps::begin;
use crate::lab::{Anchor, App, Lab, PIN, Server, eventually, state, within};
use anyhow::{Context as _, Result, ensure};
use mooring_core::license::{OpenLicense, Trust, armour};
use mooring_core::time::Timestamp;
use std::time::Duration;

/// A bad annotation, an unknown product, more seats than there are.
pub(super) async fn bad_annotations_and_claims(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "bad_annotations_and_claims").await?;
    let server = Server::new(&ns, 2);
    server.ready(lab).await?;

    let bad = lab
        .apply(&App::yaml(lab, &ns, "bad", "render:two", None, "", ""))
        .await?
        .failed("a bad annotation")?;
    for part in ["mooring.dev/licenses", "character 8", "number of seats"] {
        ensure!(
            bad.contains(part),
            "the refusal does not say {part:?}: {bad}"
        );
    }
    let start = "    mooring.dev/start: sometimes\n";
    let bad = lab
        .apply(&App::yaml(lab, &ns, "bad", "render", None, start, ""))
        .await?
        .failed("a bad start")?;
    ensure!(
        bad.contains("mooring.dev/start") && bad.contains("optimistic"),
        "the refusal does not say what is allowed: {bad}"
    );
    let nobody = "    mooring.dev/server: nobody\n";
    let bad = lab
        .apply(&App::yaml(lab, &ns, "bad", "render", None, nobody, ""))
        .await?
        .failed("an unknown server")?;
    ensure!(
        bad.contains("nobody") && bad.contains("main"),
        "the refusal does not name what there is: {bad}"
    );
    let typo = "    mooring.dev/license: render\n";
    let typo = lab
        .apply(&App::yaml(lab, &ns, "typo", "render", None, typo, ""))
        .await?;
    ensure!(
        typo.err.contains("mooring.dev/license"),
        "there is no warning of an unknown key: {}",
        typo.err
    );

    for (name, licenses, field) in [
        ("unknown", "rendr", "items[0].product"),
        ("many", "render:3", "items[0].seats"),
    ] {
        let said = lab
            .apply(&App::yaml(lab, &ns, name, licenses, None, "", ""))
            .await?;
        ensure!(
            said.success,
            "the server decides, not the webhook: {}",
            said.err
        );
        ensure!(
            said.err.contains("Warning"),
            "there is no warning at admission: {}",
            said.err
        );
        let event = eventually(
            &format!("an Event on pod {name} says why it is refused"),
            within(40),
            async || {
                let about = format!("regarding.name={name}");
                let path = "jsonpath={range .items[*]}{.reason}: {.note}{'\\n'}{end}";
                let args = [
                    "-n",
                    &ns,
                    "get",
                    "events.v1.events.k8s.io",
                    "--field-selector",
                    &about,
                    "-o",
                    path,
                ];
                let all = lab.kubectl(&args).await?.ok("Events")?;
                Ok(all
                    .lines()
                    .find(|l| l.starts_with("LicenseRefused"))
                    .map(str::to_owned)
                    .ok_or(all.clone()))
            },
        )
        .await?;
        ensure!(
            event.contains(field),
            "the Event does not name {field}: {event}"
        );
        println!("  {event}");
        let mirror = server.leases(lab).await?;
        let row = mirror
            .iter()
            .find(|r| r.spec.holder.name == name)
            .context("it is not in the mirror")?;
        ensure!(state(row) == "Refused", "the mirror shows {:?}", row.status);
    }
    Ok(())
}

/// A license with one byte changed, an expired one, one for another token, a wrong PIN: a condition
/// and an Event each.
pub(super) async fn bad_licenses_and_a_wrong_pin(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "bad_licenses_and_a_wrong_pin").await?;
    let named = |name: &str| Server {
        name: name.into(),
        ..Server::new(&ns, 1)
    };
    let products = [("render", 1)];
    let good = lab
        .vendor
        .license("good", &products, &lab.anchor, "")
        .await?;

    let tampered = named("tampered");
    tampered
        .apply_with(lab, &change_one_byte(&good)?, PIN, &lab.anchor)
        .await?;
    // Nobody issues a license that is over already: this one is, by the time a server reads it.
    let soon = (Timestamp::now() + Duration::from_secs(2)).to_string();
    let day = soon.get(..10).unwrap_or_default().to_owned();
    let expired = named("expired");
    let text = lab
        .vendor
        .license(
            "expired",
            &products,
            &lab.anchor,
            &format!("expires: \"{soon}\"\n"),
        )
        .await?;
    expired.apply_with(lab, &text, PIN, &lab.anchor).await?;
    let elsewhere = Anchor::named(&lab.cli, lab.dir.path(), "another-token").await?;
    let foreign = named("foreign");
    let text = lab
        .vendor
        .license("foreign", &products, &elsewhere, "")
        .await?;
    foreign.apply_with(lab, &text, PIN, &lab.anchor).await?;
    let locked = named("locked");
    locked.apply_with(lab, &good, "000000", &lab.anchor).await?;

    for (server, kind, says) in [
        (&tampered, "LicenseValid", &["signature"][..]),
        (&expired, "LicenseValid", &["expires", day.as_str()][..]),
        (&foreign, "AnchorPresent", &["license"][..]),
        (&locked, "AnchorPresent", &["PIN"][..]),
    ] {
        let c = server.condition(lab, kind, "False").await?;
        let (reason, message) = (c.reason.as_str(), c.message.as_str());
        println!("  {}: {kind}=False {reason}: {message}", server.name);
        for part in says {
            ensure!(
                message.contains(part),
                "{}: the message does not say {part:?}: {message}",
                server.name
            );
        }
        let what = format!("an Event on LicenseServer {} says so", server.name);
        eventually(&what, within(30), async || {
            let all = server.events(lab).await?;
            Ok(all
                .lines()
                .find(|l| l.contains(reason) || l.contains(message))
                .map(str::to_owned)
                .ok_or(all.clone()))
        })
        .await?;
        let unready = server.condition(lab, "Ready", "False").await?;
        ensure!(!unready.message.is_empty(), "Ready=False says nothing");
    }
    one_login_only(lab, &locked).await?;

    // A good license takes the place of the bad one without a restart; a bad one does not take the
    // place of a good one.
    let (_, pod) = tampered.pod(lab).await?;
    tampered.apply_with(lab, &good, PIN, &lab.anchor).await?;
    tampered.condition(lab, "Ready", "True").await?;
    tampered
        .apply_with(lab, &change_one_byte(&good)?, PIN, &lab.anchor)
        .await?;
    tampered.condition(lab, "LicenseValid", "True").await?;
    let app = App::start_with(
        lab,
        &ns,
        "app",
        "render",
        None,
        "    mooring.dev/server: tampered\n",
    )
    .await?;
    app.says("Held", 60).await?;
    ensure!(
        tampered.pod(lab).await?.1 == pod,
        "the server's pod was restarted for a license"
    );
    Ok(())
}

/// The token counts wrong PINs, and after a few it locks: one login, also over a restart of the
/// container.
async fn one_login_only(lab: &Lab, server: &Server) -> Result<()> {
    let count = async || -> Result<f64> {
        let all = server.metrics(lab).await?;
        let lines = all
            .lines()
            .filter(|l| l.starts_with("mooring_anchor_logins_total"));
        Ok(lines
            .filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok())
            .sum())
    };
    let first = count().await?;
    ensure!(first < 1.5, "{first} logins with a wrong PIN");
    let (pod, _) = server.pod(lab).await?;
    // The image has no shell: a container beside it, as the same user, ends the server's process.
    let same_user = lab.dir.path().join("same-user.json");
    std::fs::write(&same_user, r#"{"securityContext": {"runAsUser": 65532}}"#)?;
    let (image, custom) = (
        format!("--image={}", lab.images.app),
        format!("--custom={}", same_user.display()),
    );
    let debug = [
        "-n",
        &server.namespace,
        "debug",
        &pod,
        &image,
        "--target=server",
        "--profile=general",
        &custom,
    ];
    let ends = ["--", "sh", "-c", "kill 1"];
    lab.kubectl(&[&debug[..], &ends[..]].concat())
        .await?
        .ok("ending the server's process")?;
    let again = eventually(
        "the container has restarted and tells its count",
        within(60),
        async || {
            let p = lab
                .kubectl(&[
                    "-n",
                    &server.namespace,
                    "get",
                    "pod",
                    &pod,
                    "-o",
                    "jsonpath={.status.containerStatuses[0].restartCount}",
                ])
                .await?;
            if p.out.trim() == "0" {
                return Ok(Err("it has not restarted".into()));
            }
            Ok(count().await.map_err(|e| e.to_string()))
        },
    )
    .await?;
    ensure!(
        again < 0.5,
        "the restarted container logged in again with the rejected PIN ({again} times)"
    );
    Ok(())
}

/// Changes one byte of what the vendor signed: the customer's first letter.
fn change_one_byte(license: &str) -> Result<String> {
    let mut envelope = OpenLicense::read(license, Trust::Unchecked)?.envelope;
    let at = envelope
        .payload
        .windows(10)
        .position(|w| w == b"A customer")
        .context("no customer")?;
    if let Some(b) = envelope.payload.get_mut(at) {
        *b = b'B';
    }
    Ok(armour(&envelope)?)
}
