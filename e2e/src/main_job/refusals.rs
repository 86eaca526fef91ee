//! Bad input: each is refused with an error that names the field and says what to do, where people
//! look.

use super::steps::begin;
use crate::lab::{Anchor, App, Lab, Output, PIN, Server, eventually, so, within};
use anyhow::{Context as _, Result, ensure};
use mooring_core::license::{OpenLicense, Trust, armour};
use mooring_core::time::Timestamp;
use std::time::Duration;

/// A bad annotation, an unknown product, more seats than there are.
pub(super) async fn bad_annotations_and_claims(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "bad_annotations_and_claims").await?;
    let server = Server::new(&ns, 2);
    server.ready(lab).await?;

    let apply = async |name: &str, licenses: &str, annotations: &str| -> Result<Output> {
        let yaml = App::yaml(lab, &ns, name, licenses, None, annotations, "");
        lab.apply(&yaml).await
    };
    let bad = apply("bad", "render:two", "").await?;
    let bad = bad.failed("a bad annotation")?;
    for part in ["mooring.dev/licenses", "character 8", "number of seats"] {
        ensure!(
            bad.contains(part),
            "the refusal does not say {part:?}: {bad}"
        );
    }
    let start = "    mooring.dev/start: sometimes\n";
    let bad = apply("bad", "render", start).await?.failed("a bad start")?;
    ensure!(
        bad.contains("mooring.dev/start") && bad.contains("optimistic"),
        "the refusal does not say what is allowed: {bad}"
    );
    let nobody = "    mooring.dev/server: nobody\n";
    let bad = apply("bad", "render", nobody).await?;
    let bad = bad.failed("an unknown server")?;
    ensure!(
        bad.contains("nobody") && bad.contains("main"),
        "the refusal does not name what there is: {bad}"
    );
    let typo = "    mooring.dev/license: render\n";
    let typo = apply("typo", "render", typo).await?;
    ensure!(
        typo.err.contains("mooring.dev/license"),
        "there is no warning of an unknown key: {}",
        typo.err
    );

    for (name, licenses, field) in [
        ("unknown", "rendr", "items[0].product"),
        ("many", "render:3", "items[0].seats"),
    ] {
        let Output { success, err, .. } = apply(name, licenses, "").await?;
        ensure!(success, "the server decides, not the webhook: {err}");
        ensure!(
            err.contains("Warning"),
            "there is no warning at admission: {err}"
        );
        let what = format!("an Event on pod {name} says why it is refused");
        let event = eventually(&what, within(40), async || {
            let all = lab.events(&ns, &format!("regarding.name={name}")).await?;
            let mut lines = all.lines();
            let refused = lines.find(|l| l.starts_with("LicenseRefused"));
            Ok(refused.map(str::to_owned).ok_or(all.clone()))
        })
        .await?;
        ensure!(
            event.contains(field),
            "the Event does not name {field}: {event}"
        );
        println!("  {event}");
        let mirror = server.leases(lab).await?;
        let row = mirror.iter().find(|r| r.pod == name);
        let row = row.context("it is not in the mirror")?;
        ensure!(row.state == "Refused", "the mirror shows {row:?}");
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
    let issue = async |name: &str, anchor: &Anchor, extra: &str| -> Result<String> {
        let products = [("render".into(), 1)];
        let issued = lab
            .vendor
            .license(name, &products, &anchor.description, extra);
        issued.await
    };
    let good = issue("good", &lab.anchor, "").await?;
    let changed = change_one_byte(&good)?;

    let tampered = named("tampered");
    tampered.apply_with(lab, &changed, PIN).await?;
    // Nobody issues a license that is over already: this one is, by the time a server reads it.
    let soon = (Timestamp::now() + Duration::from_secs(2)).to_string();
    let day = soon.get(..10).unwrap_or_default().to_owned();
    let expired = named("expired");
    let expires = format!("expires: \"{soon}\"\n");
    let text = issue("expired", &lab.anchor, &expires).await?;
    expired.apply_with(lab, &text, PIN).await?;
    let elsewhere = Anchor::make(&lab.cli, lab.dir.path(), "another-token").await?;
    let foreign = named("foreign");
    let text = issue("foreign", &elsewhere, "").await?;
    foreign.apply_with(lab, &text, PIN).await?;
    let locked = named("locked");
    locked.apply_with(lab, &good, "000000").await?;

    for (server, kind, says) in [
        (&tampered, "LicenseValid", &["signature"][..]),
        (&expired, "LicenseValid", &["expires", day.as_str()][..]),
        (&foreign, "AnchorPresent", &["license"][..]),
        (&locked, "AnchorPresent", &["PIN"][..]),
    ] {
        // It is False while it is looked at, too.
        let what = format!("{kind}=False of {} says {says:?}", server.name);
        let c = eventually(&what, within(60), async || {
            let c = server.condition(lab, kind, "False").await?;
            let all = says.iter().all(|part| c.message.contains(part));
            Ok(if all { Ok(c) } else { Err(c.message) })
        })
        .await?;
        let (reason, message) = (c.reason.as_str(), c.message.as_str());
        println!("  {}: {kind}=False {reason}: {message}", server.name);
        let what = format!("an Event on LicenseServer {} says so", server.name);
        eventually(&what, within(30), async || {
            let all = server.events(lab).await?;
            let mut lines = all.lines();
            let says = lines.any(|l| l.contains(reason) || l.contains(message));
            so(says, || all)
        })
        .await?;
        let unready = server.condition(lab, "Ready", "False").await?;
        ensure!(!unready.message.is_empty(), "Ready=False says nothing");
    }
    one_login_only(lab, &locked).await?;

    // A good license takes the place of the bad one without a restart; a bad one does not take the
    // place of a good one.
    let pod = tampered.pod_uid(lab).await?;
    tampered.apply_with(lab, &good, PIN).await?;
    tampered.condition(lab, "Ready", "True").await?;
    tampered.apply_with(lab, &changed, PIN).await?;
    tampered.condition(lab, "LicenseValid", "True").await?;
    let server = "    mooring.dev/server: tampered\n";
    let app = App::start_with(lab, &ns, "app", "render", None, server).await?;
    app.says("Held", 60).await?;
    ensure!(
        tampered.pod_uid(lab).await? == pod,
        "the server's pod was restarted for a license"
    );
    Ok(())
}

/// The token counts wrong PINs, and after a few it locks: one login, also over a restart of the
/// container.
async fn one_login_only(lab: &Lab, server: &Server) -> Result<()> {
    let count = async || server.metric(lab, "mooring_anchor_logins_total", "").await;
    let first = count().await?;
    ensure!(first < 1.5, "{first} logins with a wrong PIN");
    let (ns, pod) = (&server.namespace, server.pod_name());
    // The image has no shell: a container beside it, as the same user, ends the server's process.
    let same_user = lab.dir.path().join("same-user.json");
    std::fs::write(&same_user, r#"{"securityContext": {"runAsUser": 65532}}"#)?;
    let (image, custom) = (&lab.images.app, same_user.display());
    let flags = format!("--image={image} --target=server --profile=general --custom={custom}");
    let debug = format!("-n {ns} debug {pod} {flags} -- sh -c");
    let ended = lab.kubectl_with(&debug, "kill 1").await?;
    ended.ok("ending the server's process")?;
    let path = "jsonpath={.status.containerStatuses[0].restartCount}";
    let restarts = format!("-n {ns} get pod {pod} -o {path}");
    let what = "the container has restarted and tells its count";
    let again = eventually(what, within(60), async || {
        let p = lab.kubectl(&restarts).await?;
        if p.out.trim() == "0" {
            return Ok(Err("it has not restarted".into()));
        }
        Ok(Ok(count().await?))
    })
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
    let mut letters = envelope.payload.windows(10);
    let at = letters.position(|w| w == b"A customer");
    envelope.payload[at.context("no customer")?] = b'B';
    Ok(armour(&envelope)?)
}
