//! Several license files on one token, and two LicenseServers on it.

use crate::lab::{App, Lab, PIN, Server, eventually, within};
use crate::main_job::begin;
use anyhow::{Result, ensure};
use serde_json::json;

/// Two servers with licenses of their own on one token are no second servers, and one of them takes
/// a second file, whose seats add up. But a license whose successor the other serves counts for
/// nothing, until that is over.
pub(super) async fn one_token_has_several_licenses_and_none_is_counted_twice(
    lab: &Lab,
) -> Result<()> {
    let name = "one_token_has_several_licenses_and_none_is_counted_twice";
    let ns = begin(lab, name).await?;
    let first = Server::new(&ns, 1);
    let mut second = Server::new(&ns, 1);
    second.name = "second".into();
    second.products = vec![("denoise".into(), 1)];
    first.ready(lab).await?;
    second.ready(lab).await?;

    add_file(lab, &first).await?;
    eventually("two files give two seats", within(120), async || {
        let status = first.get(lab).await?.status.unwrap_or_default();
        let two = status.seats == Some(2) && status.licenses.len() == 2;
        Ok(two.then_some(()).ok_or_else(|| format!("{status:?}")))
    })
    .await?;
    let server = "    mooring.dev/server: main\n";
    for pod in ["one", "two"] {
        let app = App::start_with(lab, &ns, pod, "render", None, server).await?;
        app.says("Held", 60).await?;
    }
    first.shows(lab, &[("Held", 2)], 30).await?;
    for s in [&first, &second] {
        let conditions = s.conditions(lab).await?;
        let seen = conditions.iter().find(|c| c.type_ == "SecondServerSeen");
        ensure!(seen.is_none(), "{}: {seen:?}", s.name);
    }

    // The other one's license becomes the successor of the first one's.
    let replaced = format!("supersedes: [{ns}-main]\n");
    put(lab, &second, &replaced).await?;
    let what = "the old license gives way to its successor on the same token";
    eventually(what, within(120), async || {
        let conditions = first.conditions(lab).await?;
        let valid = conditions.iter().find(|c| c.type_ == "LicenseValid");
        let said = valid.is_some_and(|c| {
            let names = format!("which LicenseServer {ns}/second serves on this anchor");
            c.reason == "PartlyValid" && c.message.contains(&names)
        });
        Ok(said.then_some(()).ok_or_else(|| format!("{valid:?}")))
    })
    .await?;
    let valid = first.condition(lab, "LicenseValid", "True").await?;
    println!("  {}", valid.message);
    // It ends when the other one is gone.
    lab.kubectl(&format!("-n {ns} delete licenseserver second"))
        .await?
        .ok("deleting the other")?;
    eventually("both files count again", within(120), async || {
        let status = first.get(lab).await?.status.unwrap_or_default();
        let two = status.seats == Some(2) && status.licenses.len() == 2;
        Ok(two.then_some(()).ok_or_else(|| format!("{status:?}")))
    })
    .await?;
    first.forget(lab).await
}

/// Gives the server a second file with a seat more.
async fn add_file(lab: &Lab, server: &Server) -> Result<()> {
    let (ns, name) = (&server.namespace, &server.name);
    let order = format!("{ns}-{name}-more");
    let issued = lab
        .vendor
        .license(&order, &server.products, &lab.anchor.description, "");
    let license = issued.await?;
    let indented = license.trim_end().replace('\n', "\n    ");
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}-more, namespace: {ns}}}\nstringData:\n  license.mooring: |\n    {indented}\n"
    );
    lab.apply(&secret).await?.ok("making the Secret")?;
    let files = json!([
        {"secretName": format!("{name}-license")}, {"secretName": format!("{name}-more")}
    ]);
    let patch = json!({ "spec": { "licenses": files } }).to_string();
    let line = format!("-n {ns} patch licenseserver {name} --type merge -p");
    let patched = lab.kubectl_with(&line, &patch).await?;
    patched.ok("naming two files").map(drop)
}

/// Another license for the same server.
async fn put(lab: &Lab, server: &Server, extra: &str) -> Result<()> {
    let name = format!("{}-{}", server.namespace, server.name);
    let issued = lab
        .vendor
        .license(&name, &server.products, &lab.anchor.description, extra);
    server.apply_with(lab, &issued.await?, PIN).await
}
