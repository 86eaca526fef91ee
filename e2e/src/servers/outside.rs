//! Outside and inside: pods that hold seats of a server outside of the cluster, and a machine
//! outside that holds one of the cluster's.

use super::site::{MACHINE, SUBJECTS, Workshop, address, knows_pods, program, start};
use crate::lab::{App, Helm, Lab, PIN, Server, eventually, run, so, within};
use crate::main_job::{begin, count_seats, holds};
use crate::outage::{event, lease, mooring, shown, socket};
use anyhow::{Context as _, Result, ensure};
use std::path::Path;

/// A server on the machine `outside`, with a token of its own, whose issuer the operator is:
/// claims, the line, the mirror, a cut, who is revoked, and what a stolen key is worth.
pub(super) async fn pods_hold_seats_of_a_server_outside_of_the_cluster(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "pods_hold_seats_of_a_server_outside_of_the_cluster").await?;
    let site = Workshop::prepare(lab, "site", 2).await?;
    site.lists_the_cluster(lab, 3).await?;
    let _running = site.start(lab).await?;
    knows_pods(lab, true).await?;
    let done = follow(lab, &ns, &site).await;
    // Whatever has failed: the machine is on the network for whoever comes next.
    lab.node("join", MACHINE).await?;
    knows_pods(lab, false).await?;
    done
}

async fn follow(lab: &Lab, ns: &str, site: &Workshop) -> Result<()> {
    site.apply(lab, ns).await?;
    let server = Server::new(ns, 2);
    server.condition(lab, "Ready", "True").await?;
    let what = "LicenseServer says what its server has";
    eventually(what, within(30), async || {
        let status = server.get(lab).await?.status.unwrap_or_default();
        let has = status
            .products
            .iter()
            .any(|p| p.name == "render" && p.seats == 2);
        so(has && status.endpoint == Some(site.url()), || {
            format!("{status:?}")
        })
    })
    .await?;
    nothing_is_made(lab, ns).await?;
    stays_outside(lab, ns).await?;

    let one = holds(lab, ns, "one", Some(&lab.nodes.0)).await?;
    let two = holds(lab, ns, "two", Some(&lab.nodes.1)).await?;
    let three = App::start(lab, ns, "three", "render", Some(&lab.nodes.1)).await?;
    server
        .shows(lab, &[("Held", 2), ("Waiting", 1)], 60)
        .await?;
    event(lab, &three, "LicenseWaiting", &["render"]).await?;
    ensure!(!three.started(lab).await?, "three runs without a seat");
    for pod in [&one, &two, &three] {
        its_token_is_its_own(lab, pod).await?;
    }
    let seen = site.mooring(lab, "leases").await?.ok("mooring leases")?;
    let ours = format!("{SUBJECTS}{ns}/");
    ensure!(listed(&seen, &ours) == 3, "the server lists:\n{seen}");
    println!("  the server outside lists 3 subjects that begin with {SUBJECTS}{ns}/");
    stolen(lab, site).await?;

    let four = App::start(lab, ns, "four", "render", Some(&lab.nodes.0)).await?;
    says_in_its_log(lab, &four, &["issuer e2e have 3 claims"]).await?;
    four.delete(lab).await?;

    cut(lab, &server, &[&one, &two], &three).await?;

    // Who is revoked here is revoked there, and who has ended has ended there.
    let line = format!("revoke one -n {ns} --reason astray");
    mooring(lab, &line).await?.ok("mooring revoke")?;
    one.says("Lost", 15).await?;
    socket(lab, &one, &["revoked", "astray"]).await?;
    three.says("Held", 40).await?;
    shown(lab, &one, "Revoked", &["astray"]).await?;
    two.delete(lab).await?;
    let what = "the Secret with two's token goes with the pod";
    eventually(what, within(60), async || {
        let owners = token_owners(lab, ns).await?;
        so(!owners.contains("two"), || owners)
    })
    .await?;
    let all = [(&one, 1), (&two, 1), (&three, 1)];
    let most = count_seats(&all, 2)?;
    println!(
        "  at most {} of 2 seats were held, by {:?}",
        most.seats, most.who
    );
    Ok(())
}

/// How many claims `mooring leases` lists of such subjects; below the table it names those in
/// trouble again.
fn listed(seen: &str, subjects: &str) -> usize {
    let row = |l: &&str| l.starts_with(subjects) && l.contains("(external)");
    seen.lines().filter(row).count()
}

/// The machine is cut off: its holders run on under their grace, and are told why; nobody gets a
/// seat. Back, all is as it was.
async fn cut(lab: &Lab, server: &Server, held: &[&App], waits: &App) -> Result<()> {
    lab.node("cut", MACHINE).await?;
    for app in held {
        app.says("Grace", 60).await?;
        socket(lab, app, &["Grace"]).await?;
        says_in_its_log(lab, app, &["answer"]).await?;
    }
    let not = server.condition(lab, "Ready", "False").await?;
    ensure!(not.reason == "NotConnected", "{not:?}");
    println!("  cut off: {}: {}", not.reason, not.message);
    for app in held {
        shown(lab, app, "Grace", &["does not answer"]).await?;
    }
    let (ns, name) = (&waits.namespace, &waits.name);
    let line = lease(lab, ns, name)
        .await?
        .context("its LicenseLease went")?;
    ensure!(
        line.state.as_str() == "Waiting",
        "{name} is {:?}",
        line.state
    );
    ensure!(!waits.started(lab).await?, "{name} runs without a seat");

    lab.node("join", MACHINE).await?;
    server.condition(lab, "Ready", "True").await?;
    for app in held {
        app.says("Held", 60).await?;
        shown(lab, app, "Held", &[]).await?;
    }
    ensure!(!waits.started(lab).await?, "{name} runs without a seat");
    Ok(())
}

/// What the API server says to who mixes both kinds.
async fn stays_outside(lab: &Lab, ns: &str) -> Result<()> {
    let patch = format!("-n {ns} patch licenseserver main --type=merge -p");
    for (change, says) in [
        (
            r#"{"spec": {"licenses": [{"secretName": "l"}]}}"#,
            "expected none of licenses",
        ),
        (
            r#"{"spec": {"external": null}}"#,
            "expected licenses, anchor and placement",
        ),
        (
            r#"{"spec": {"external": {"address": "license.example.com"}}}"#,
            "spec.external.address",
        ),
        (
            r#"{"spec": {"external": {"issuer": {"subjects": "pod"}}}}"#,
            "spec.external.issuer.subjects",
        ),
    ] {
        let e = lab
            .kubectl_with(&patch, change)
            .await?
            .failed("a bad change")?;
        ensure!(e.contains(says), "{change}: expected {says:?} in {e}");
    }
    Ok(())
}

/// What belongs to a license server within the cluster.
async fn nothing_is_made(lab: &Lab, ns: &str) -> Result<()> {
    let kinds = "statefulset,service,persistentvolumeclaim,networkpolicy,role,rolebinding,pod";
    let made = lab.kubectl(format!("-n {ns} get {kinds} -o name")).await?;
    let made = made.ok("what was made")?;
    ensure!(made.trim().is_empty(), "the operator has made:\n{made}");
    Ok(())
}

/// The owners of all client tokens of a namespace, by name and UID.
async fn token_owners(lab: &Lab, ns: &str) -> Result<String> {
    let get = format!("-n {ns} get secrets --field-selector type=mooring.dev/client-token -o");
    let path = "jsonpath={range .items[*].metadata}{.name} {.ownerReferences[*].kind} {.ownerReferences[*].name} {.ownerReferences[*].uid}{'\\n'}{end}";
    lab.kubectl_with(&get, path).await?.ok("the pods' tokens")
}

/// A pod has one Secret, which belongs to it and is named in it.
async fn its_token_is_its_own(lab: &Lab, pod: &App) -> Result<()> {
    let owners = token_owners(lab, &pod.namespace).await?;
    let uid = pod.pod(lab).await?.metadata.uid.unwrap_or_default();
    let own = format!(" Pod {} {uid}", pod.name);
    let found = owners.lines().filter(|l| l.ends_with(&own)).count();
    ensure!(
        found == 1,
        "{} has {found} tokens of these:\n{owners}",
        pod.name
    );
    Ok(())
}

/// Whoever has the operator's key is an administrator of this cluster's subjects and nobody else.
async fn stolen(lab: &Lab, site: &Workshop) -> Result<()> {
    let issue = async |subject: &str, out: &str| {
        let (key, out) = (site.file("issuer.key"), site.file(out));
        let line =
            format!("client issue --key {key} --server site --subject {subject} --out {out}");
        run(&lab.cli.to_string_lossy(), &crate::lab::words(&line), None)
            .await?
            .ok("a token by the operator's key")
    };
    issue("ops", "stolen.token").await?;
    let refused = site.mooring_as(lab, "leases", "stolen.token").await?;
    let refused = refused.failed("an administrator's token by the operator's key")?;
    ensure!(refused.contains("issuer e2e"), "it is told: {refused}");
    println!(
        "  the operator's key as an administrator: {}",
        refused.trim()
    );
    issue(SUBJECTS, "itself.token").await?;
    let seen = site.mooring_as(lab, "leases", "itself.token").await?;
    let seen = seen.ok("the issuer's own leases")?;
    ensure!(listed(&seen, SUBJECTS) == 3, "the issuer sees:\n{seen}");
    Ok(())
}

/// Waits until a pod's sidecar has logged all of these in one line.
async fn says_in_its_log(lab: &Lab, app: &App, says: &[&str]) -> Result<()> {
    let what = format!("the sidecar of {} logs {says:?}", app.name);
    let line = format!("-n {} logs {} -c mooring", app.namespace, app.name);
    let found = eventually(&what, within(60), async || {
        let log = lab.kubectl(&line).await?;
        let has = |l: &&str| says.iter().all(|s| l.contains(s));
        let found = log.out.lines().rfind(has).map(str::to_owned);
        Ok(found.ok_or(log.out + &log.err))
    })
    .await?;
    println!("  the sidecar of {}: {found}", app.name);
    Ok(())
}

/// The machine `outside` holds a seat by a node's port, a certificate for that node's address and
/// a client token from `kubectl mooring client issue`; a pod waits behind it. Cut off, its seat is
/// the pod's, and it runs on until it must end.
pub(super) async fn a_machine_outside_holds_a_seat_of_the_clusters_server(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_machine_outside_holds_a_seat_of_the_clusters_server").await?;
    let tool = lab.root.join("e2e/cluster/node");
    let ip = format!("ip {}", lab.nodes.0);
    let node = crate::lab::run_words(&tool, &ip)
        .await?
        .ok("a node's address")?;
    let node = node.trim();
    let names = format!("licenseServers.allowedNames={{{node}}}");
    Helm::upgrade(lab, &[&names]).await?.ok("helm upgrade")?;
    let done = hold(lab, &ns, node).await;
    lab.node("join", MACHINE).await?;
    Helm::upgrade(lab, &[]).await?.ok("helm upgrade")?;
    done
}

async fn hold(lab: &Lab, ns: &str, node: &str) -> Result<()> {
    let dir = lab.dir.path().join("client");
    std::fs::create_dir_all(&dir)?;
    let file = |name: &str| dir.join(name).display().to_string();
    let key = kubectl_mooring(lab, &format!("client keygen --out {}", file("client.key"))).await?;
    let issue = format!(
        "client issue --key {} --server main --subject workstation-7 --out {}",
        file("client.key"),
        file("token")
    );
    kubectl_mooring(lab, &issue).await?;
    let map = serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "clients", "namespace": ns},
        "data": {"client-keys": key, "revoked": ""},
    });
    lab.apply(&map.to_string()).await?.ok("the clients' keys")?;
    let server = Server::new(ns, 1);
    let license = server.license(lab, &lab.anchor.description).await?;
    server.apply_with(lab, &license, PIN).await?;
    let more = serde_json::json!({"spec": {
        "service": {"type": "NodePort"}, "clients": {"configMapName": "clients"}, "tls": {"names": [node]},
    }});
    let patch = format!("-n {ns} patch licenseserver main --type=merge -p");
    lab.kubectl_with(&patch, &more.to_string())
        .await?
        .ok("clients")?;
    server.condition(lab, "Ready", "True").await?;
    let path = "jsonpath={.spec.ports[0].nodePort}";
    let port = lab.kubectl(format!("-n {ns} get service main -o {path}"));
    let url = format!("https://{node}:{}", port.await?.ok("the port")?.trim());
    let get = format!("-n {ns} get secret main-tls -o jsonpath={{.data.ca\\.crt}}");
    let ca = lab.kubectl(get).await?.ok("the CA")?;
    let pem = run("base64", &["-d"], Some(&ca)).await?;
    std::fs::write(file("ca.crt"), pem.ok("the CA")?)?;

    let _agent = start(
        lab,
        "agent",
        &format!(
            "{} agent --server {url} --roots {} --token-file {} --licenses render --start licensed --socket {} --state-dir {}",
            program(lab, "mooring-sidecar"),
            file("ca.crt"),
            file("token"),
            file("sock"),
            file("state"),
        ),
    )?;
    let sock = dir.join("sock");
    told(&sock, "Held", 120).await?;
    let pod = App::start(lab, ns, "pod", "render", Some(&lab.nodes.1)).await?;
    server
        .shows(lab, &[("Held", 1), ("Waiting", 1)], 60)
        .await?;
    let rows = lab.kubectl(format!("-n {ns} get licenseleases")).await?;
    let rows = rows.ok("the mirrors")?;
    let mut of_machine = rows.lines().filter(|l| l.contains("workstation-7"));
    ensure!(
        of_machine.any(|l| l.contains("Held")),
        "the mirrors:\n{rows}"
    );
    println!("{rows}");

    lab.node("cut", MACHINE).await?;
    told(&sock, "Grace", 60).await?;
    pod.says("Held", 90).await?;
    server.shows(lab, &[("Held", 1)], 60).await?;
    // The grace is 10 min; what it was told of a seat that is another's by now is 15 min at most.
    lab.node("join", MACHINE).await?;
    told(&sock, "Contested", 60).await?;
    pod.delete(lab).await?;
    told(&sock, "Held", 60).await?;
    let from = address(lab).await?;
    println!("  {from} held, ran on when it was cut off, stood in line, and holds again");
    count_seats(&[(&pod, 1)], 1).map(drop)
}

/// As people call it: the tool is kubectl's plugin.
async fn kubectl_mooring(lab: &Lab, line: &str) -> Result<String> {
    let plugins = lab.cli.parent().unwrap_or(Path::new("."));
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("PATH={}:{path}", plugins.display());
    let mut args = vec![path.as_str(), "kubectl", "mooring"];
    args.extend(crate::lab::words(line));
    run("env", &args, None).await?.ok("kubectl mooring")
}

/// Waits until the machine's agent says this state on its socket, which is a file of this machine.
async fn told(sock: &Path, state: &str, secs: u64) -> Result<()> {
    let what = format!("the agent outside says {state}");
    let sock = sock.display().to_string();
    let args = ["-s", "--unix-socket", &sock, "http://mooring/v1/status"];
    eventually(&what, within(secs), async || {
        let o = run("curl", &args, None).await?;
        let status: serde_json::Value = serde_json::from_str(&o.out).unwrap_or_default();
        so(status["state"] == state, || o.out + &o.err)
    })
    .await
}
