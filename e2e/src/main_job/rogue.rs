//! Pods that do what they should not: refused or without effect, counted, nobody else harmed.

use super::steps::{begin, states};
use crate::lab::{App, Lab, Server, eventually, lease_row, run, within};
use anyhow::{Context as _, Result, ensure};
use mooring_api::NamespacesFrom;
use serde_json::Value;

/// A pod without annotation that mounts a token for a license server itself.
struct Rogue {
    namespace: String,
    arguments: Vec<String>,
}

impl Rogue {
    async fn start(lab: &Lab, namespace: &str, server: &Server) -> Result<Self> {
        let ns = &server.namespace;
        let get = async |what: &[&str]| {
            lab.kubectl(&[&["-n", ns], what].concat())
                .await?
                .ok("looking")
        };
        let ip = get(&[
            "get",
            "service",
            &server.name,
            "-o",
            "jsonpath={.spec.clusterIP}",
        ])
        .await?;
        let port = get(&[
            "get",
            "service",
            &server.name,
            "-o",
            "jsonpath={.spec.ports[?(@.name=='https')].port}",
        ])
        .await?;
        let tls = format!("{}-tls", server.name);
        let roots = get(&[
            "get",
            "secret",
            &tls,
            "-o",
            "go-template={{index .data \"ca.crt\" | base64decode}}",
        ])
        .await?;
        let yaml = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: rogue, namespace: {namespace}}}\nspec:\n  containers:\n  - name: app\n    image: {}\n    \
             command: [sh, -c, 'sleep 3600']\n    securityContext: {{runAsUser: 1000}}\n    volumeMounts: [{{name: token, mountPath: /var/run/rogue}}]\n  volumes:\n  \
             - name: token\n    projected: {{sources: [{{serviceAccountToken: {{audience: mooring.dev/{ns}, path: token, expirationSeconds: 600}}}}]}}\n",
            lab.images.app
        );
        lab.apply(&yaml).await?.ok("starting a rogue pod")?;
        let wait = [
            "-n",
            namespace,
            "wait",
            "--for=condition=Ready",
            "pod/rogue",
            "--timeout=60s",
        ];
        lab.kubectl(&wait).await?.ok("waiting for the rogue pod")?;
        let arguments = vec![
            "--server".into(),
            format!("https://{}.{ns}.svc:{port}", server.name),
            "--addresses".into(),
            format!("{ip}:{port}"),
            // One word: the text begins with dashes.
            format!("--roots={roots}"),
            "--token-file".into(),
            "/var/run/rogue/token".into(),
        ];
        Ok(Self {
            namespace: namespace.into(),
            arguments,
        })
    }

    /// Does something, and returns the answers.
    async fn does(&self, what: &[&str], input: Option<&str>) -> Result<Vec<Value>> {
        let mut args = vec![
            "-n",
            &self.namespace,
            "exec",
            "-i",
            "rogue",
            "--",
            "/mooring-e2e-app",
            "rogue",
        ];
        args.extend(self.arguments.iter().map(String::as_str));
        args.extend(what);
        let out = run("kubectl", &args, Some(input.unwrap_or_default()))
            .await?
            .ok("the rogue pod")?;
        let lines = out
            .lines()
            .filter_map(|l| serde_json::from_str::<Value>(l).ok());
        let answers: Vec<Value> = lines
            .map(|l| l["answer"].clone())
            .filter(Value::is_object)
            .collect();
        ensure!(!answers.is_empty(), "the rogue pod was not answered: {out}");
        Ok(answers)
    }

    async fn one(&self, what: &[&str]) -> Result<Value> {
        self.does(what, None)
            .await?
            .into_iter()
            .next()
            .context("no answer")
    }

    /// One answer, whose problem must be of this type.
    async fn is_refused(&self, what: &[&str], kind: &str) -> Result<()> {
        let a = self.one(what).await?;
        // Renewals are answered each for itself.
        let inner = a["body"]["results"][0]["problem"]["type"]
            .as_str()
            .and_then(|t| t.rsplit('/').next());
        let found = a["type"].as_str().or(inner).unwrap_or("none").to_owned();
        ensure!(
            found == kind,
            "{what:?} was answered {found}, not {kind}: {a}"
        );
        Ok(())
    }
}

/// The sum of a metric's lines with this text in their labels.
fn metric(all: &str, name: &str, label: &str) -> f64 {
    let lines = all
        .lines()
        .filter(|l| l.starts_with(name) && l.contains(label));
    lines
        .filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// Refused at admission, and by the license server at the claim.
pub(super) async fn a_namespace_that_is_not_allowed(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_namespace_that_is_not_allowed").await?;
    let guests = format!("{ns}-guests");
    lab.namespace(&guests).await?;
    let mut server = Server::new(&ns, 2);
    server.ready(lab).await?;

    let annotation = format!("    mooring.dev/server: {ns}/main\n");
    let yaml = App::yaml(lab, &guests, "guest", "render", None, &annotation, "");
    let refused = lab
        .apply(&yaml)
        .await?
        .failed("a pod of a namespace that is not allowed")?;
    ensure!(
        refused.contains("allowedNamespaces"),
        "the refusal does not name the field: {refused}"
    );
    println!("  {}", refused.trim());

    let rogue = Rogue::start(lab, &guests, &server).await?;
    let a = rogue.one(&["claim", "render", "mine"]).await?;
    ensure!(
        a["type"] == "not-entitled" && a["status"] == 403,
        "a claim past the webhook was answered: {a}"
    );
    ensure!(
        a["detail"]
            .as_str()
            .is_some_and(|d| d.contains("allowedNamespaces")),
        "the refusal does not name the field: {a}"
    );
    let counted = metric(
        &server.metrics(lab).await?,
        "mooring_problems_total",
        "not-entitled",
    );
    ensure!(counted >= 1.0, "the refusal was not counted");

    // Allowed by the field that the refusal names, without a restart.
    server.allowed.from = NamespacesFrom::All;
    server.apply(lab).await?;
    eventually(
        "the namespace is allowed once the field says so",
        within(60),
        async || {
            let a = rogue.one(&["claim", "render", "mine"]).await?;
            Ok(if a["status"] == 200 {
                Ok(())
            } else {
                Err(a.to_string())
            })
        },
    )
    .await?;
    lab.drop_namespace(&guests).await;
    Ok(())
}

/// A 17th claim, another pod's claim, another's token without its secret, a priority in the body,
/// the operator's calls.
pub(super) async fn a_rogue_pod(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_rogue_pod").await?;
    let mut server = Server::new(&ns, 40);
    server.products.push(("scarce".into(), 1));
    server.ready(lab).await?;
    let victim = App::start(lab, &ns, "victim", "render,scarce", Some(&lab.nodes.1)).await?;
    victim.says("Held", 60).await?;
    let waits = App::start(lab, &ns, "waits", "scarce", Some(&lab.nodes.0)).await?;
    let rows = server
        .shows(lab, &[("Held", 1), ("Waiting", 1)], 60)
        .await?;
    let lease = rows
        .iter()
        .map(lease_row)
        .find(|r| r.0 == "victim")
        .context("no lease")?
        .3;
    let rogue = Rogue::start(lab, &ns, &server).await?;

    // A priority in the body has no effect: it stands behind who came first.
    let a = rogue
        .one(&[
            "claim",
            "scarce",
            "first",
            "--with",
            r#"{"priority": 1000000}"#,
        ])
        .await?;
    ensure!(
        a["status"] == 202 && a["body"]["place"] == 2,
        "with a priority in the body: {a}"
    );

    // Sixteen claims are one holder's most.
    let all = rogue.does(&["flood", "render", "16"], None).await?;
    let ok = all.iter().filter(|a| a["status"] == 200).count();
    let over: Vec<&Value> = all
        .iter()
        .filter(|a| a["type"] == "too-many-claims")
        .collect();
    ensure!(
        (ok, over.len()) == (15, 1),
        "of 16 more claims {ok} were granted, {} refused: {all:?}",
        over.len()
    );

    // Another pod's lease, without its secret.
    rogue
        .is_refused(&["renew", &lease], "unauthenticated")
        .await?;
    rogue
        .is_refused(&["release", "pod", "--lease", &lease], "unauthenticated")
        .await?;
    rogue
        .is_refused(&["token", &lease], "unauthenticated")
        .await?;
    let uid = victim.pod(lab).await?.metadata.uid.unwrap_or_default();
    rogue
        .is_refused(
            &[
                "call",
                "POST",
                "/v1/holders/gone",
                &format!(r#"{{"holders":["{uid}"]}}"#),
            ],
            "operator-only",
        )
        .await?;
    rogue
        .is_refused(
            &["call", "PUT", "/v1/policies", r#"{"allowedNamespaces":[]}"#],
            "operator-only",
        )
        .await?;

    // Another pod's lease token, as its application can read it, presented as one's own.
    let bundle = victim
        .shell(
            lab,
            "curl -s --unix-socket $MOORING_SOCKET http://mooring/v1/token",
        )
        .await?
        .ok("the victim's token")?;
    for how in [
        &["present", "render,scarce", "stolen", "-"][..],
        &["present", "render,scarce", "stolen", "-", "--with-secret"][..],
    ] {
        let a = rogue.does(how, Some(&bundle)).await?.remove(0);
        let got = a["body"]["lease"].as_str();
        ensure!(
            a["status"] != 200 && got != Some(lease.as_str()),
            "{how:?} was answered: {a}"
        );
    }

    ensure!(
        states(&victim).iter().all(|s| s == "Held"),
        "the victim noticed: {:?}",
        states(&victim)
    );
    super::steps::renews(&victim, 2).await?;
    let rows = server.leases(lab).await?;
    let find = |pod: &str| rows.iter().map(lease_row).find(|r| r.0 == pod);
    ensure!(
        find("victim").is_some_and(|r| r.1 == "Held" && r.3 == lease),
        "the victim's lease is {:?}",
        find("victim")
    );
    ensure!(
        find("waits").is_some_and(|r| r.1 == "Waiting" && r.2 == Some(1)),
        "the waiting pod is {:?}",
        find("waits")
    );
    let metrics = server.metrics(lab).await?;
    for kind in ["too-many-claims", "unauthenticated", "operator-only"] {
        ensure!(
            metric(&metrics, "mooring_problems_total", kind) >= 1.0,
            "{kind} was not counted"
        );
    }
    victim.delete(lab).await?;
    waits
        .says("Held", 30)
        .await
        .context("the honest one is next, whatever the rogue pod did")
}
