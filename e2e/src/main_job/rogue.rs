//! Pods that do what they should not: refused or without effect, counted, nobody else harmed.

use super::steps::{begin, notices_nothing, renews};
use crate::lab::{App, Lab, Server, eventually, run, so, within, words};
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
        let get = async |what: &str, field: &str| {
            let get = format!("-n {ns} get {what} -o");
            lab.kubectl_with(&get, field).await?.ok("looking")
        };
        let service = format!("service {}", server.name);
        let ip = get(&service, "jsonpath={.spec.clusterIP}").await?;
        let port = "jsonpath={.spec.ports[?(@.name=='https')].port}";
        let port = get(&service, port).await?;
        let roots = "go-template={{index .data \"ca.crt\" | base64decode}}";
        let roots = get(&format!("secret {}-tls", server.name), roots).await?;
        let yaml = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: rogue, namespace: {namespace}}}\nspec:\n  containers:\n  - name: app\n    image: {}\n    \
             command: [sh, -c, 'sleep 3600']\n    securityContext: {{runAsUser: 1000}}\n    volumeMounts: [{{name: token, mountPath: /var/run/rogue}}]\n  volumes:\n  \
             - name: token\n    projected: {{sources: [{{serviceAccountToken: {{audience: mooring.dev/{ns}, path: token, expirationSeconds: 600}}}}]}}\n",
            lab.images.app
        );
        lab.apply(&yaml).await?.ok("starting a rogue pod")?;
        lab.awaits(namespace, "pod/rogue").await?;
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
        let exec = format!(
            "-n {} exec -i rogue -- /mooring-e2e-app rogue",
            self.namespace
        );
        let mut args = words(&exec);
        args.extend(self.arguments.iter().map(String::as_str));
        args.extend(what);
        let out = run("kubectl", &args, Some(input.unwrap_or_default()))
            .await?
            .ok("the rogue pod")?;
        let lines = out.lines().filter_map(|l| serde_json::from_str(l).ok());
        let answers = lines.map(|l: Value| l["answer"].clone());
        let answers: Vec<Value> = answers.filter(Value::is_object).collect();
        ensure!(!answers.is_empty(), "the rogue pod was not answered: {out}");
        Ok(answers)
    }

    async fn one(&self, what: &[&str]) -> Result<Value> {
        Ok(self.does(what, None).await?.remove(0))
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

/// How many problems of this type the server has counted: some.
async fn is_counted(lab: &Lab, server: &Server, kind: &str) -> Result<()> {
    let counted = server.metric(lab, "mooring_problems_total", kind).await?;
    ensure!(counted >= 1.0, "{kind} was not counted");
    Ok(())
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
    let what = "a pod of a namespace that is not allowed";
    let refused = lab.apply(&yaml).await?.failed(what)?;
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
    let detail = a["detail"].as_str().unwrap_or_default();
    ensure!(
        detail.contains("allowedNamespaces"),
        "the refusal does not name the field: {a}"
    );
    is_counted(lab, &server, "not-entitled").await?;

    // Allowed by the field that the refusal names, without a restart.
    server.allowed.from = NamespacesFrom::All;
    server.apply(lab).await?;
    let what = "the namespace is allowed once the field says so";
    eventually(what, within(60), async || {
        let a = rogue.one(&["claim", "render", "mine"]).await?;
        so(a["status"] == 200, || a.to_string())
    })
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
    let lease = rows.into_iter().find(|r| r.pod == "victim");
    let lease = lease.context("no lease")?.lease;
    let rogue = Rogue::start(lab, &ns, &server).await?;

    // A priority in the body has no effect: it stands behind who came first.
    let priority = r#"{"priority": 1000000}"#;
    let claim = ["claim", "scarce", "first", "--with", priority];
    let a = rogue.one(&claim).await?;
    ensure!(
        a["status"] == 202 && a["body"]["place"] == 2,
        "with a priority in the body: {a}"
    );

    // Sixteen claims are one holder's most.
    let all = rogue.does(&["flood", "render", "16"], None).await?;
    let ok = all.iter().filter(|a| a["status"] == 200).count();
    let over = all.iter().filter(|a| a["type"] == "too-many-claims");
    let over = over.count();
    ensure!(
        (ok, over) == (15, 1),
        "of 16 more claims {ok} were granted, {over} refused: {all:?}"
    );

    // Another pod's lease, without its secret.
    let uid = victim.pod(lab).await?.metadata.uid.unwrap_or_default();
    let gone = format!(r#"{{"holders":["{uid}"]}}"#);
    let none = r#"{"allowedNamespaces":[]}"#;
    for (what, kind) in [
        (&["renew", &lease][..], "unauthenticated"),
        (&["release", "pod", "--lease", &lease], "unauthenticated"),
        (&["token", &lease], "unauthenticated"),
        // The operator's calls.
        (
            &["call", "POST", "/v1/holders/gone", &gone],
            "operator-only",
        ),
        (&["call", "PUT", "/v1/policies", none], "operator-only"),
    ] {
        rogue.is_refused(what, kind).await?;
    }

    // Another pod's lease token, as its application can read it, presented as one's own.
    let curl = "curl -s --unix-socket $MOORING_SOCKET http://mooring/v1/token";
    let bundle = victim.shell(lab, curl).await?.ok("the victim's token")?;
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

    notices_nothing(&victim)?;
    renews(&victim, 2).await?;
    let rows = server.leases(lab).await?;
    let find = |pod: &str| rows.iter().find(|r| r.pod == pod);
    let (held, waiting) = (find("victim"), find("waits"));
    ensure!(
        held.is_some_and(|r| r.state == "Held" && r.lease == lease),
        "the victim's lease is {held:?}"
    );
    ensure!(
        waiting.is_some_and(|r| r.state == "Waiting" && r.place == Some(1)),
        "the waiting pod is {waiting:?}"
    );
    for kind in ["too-many-claims", "unauthenticated", "operator-only"] {
        is_counted(lab, &server, kind).await?;
    }
    victim.delete(lab).await?;
    let next = waits.says("Held", 30).await;
    next.context("the honest one is next, whatever the rogue pod did")
}
