//! `status` and `leases` against an API server that gives prepared answers.

use super::common::{Desk, Outcome};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

/// Where the operator's Lease is; it was renewed just now.
const OPERATOR: &str =
    "/apis/coordination.k8s.io/v1/namespaces/mooring-system/leases/mooring-operator";

fn lease_of_the_operator() -> Value {
    lease_renewed(jiff::Timestamp::now())
}

fn lease_renewed(at: jiff::Timestamp) -> Value {
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "mooring-operator", "namespace": "mooring-system"},
        "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": at.to_string()}})
}

/// Answers requests by path and query, one connection each, until the test ends.
struct ApiServer {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    /// What was sent, with the path that it was sent to.
    sent: Arc<Mutex<Vec<(String, Value)>>>,
}

impl ApiServer {
    fn new(answer: impl Fn(&str) -> (u16, Value) + Send + 'static) -> Self {
        Self::ahead(0, answer)
    }

    /// Its clock is so many hours ahead of the caller's.
    fn ahead(hours: i64, answer: impl Fn(&str) -> (u16, Value) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let bodies = sent.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let lines = reader.by_ref().lines();
                let head: Vec<String> = lines
                    .map(Result::unwrap)
                    .take_while(|l| !l.is_empty())
                    .collect();
                let path = head[0].split(' ').nth(1).unwrap().to_owned();
                let length = head.iter().find_map(|l| {
                    let length = l.to_lowercase();
                    length.strip_prefix("content-length: ")?.parse().ok()
                });
                if let Some(length) = length {
                    let mut body = vec![0; length];
                    reader.read_exact(&mut body).unwrap();
                    let body = serde_json::from_slice(&body).unwrap();
                    bodies.lock().unwrap().push((path.clone(), body));
                }
                let (code, body) = if path == OPERATOR {
                    (200, lease_of_the_operator())
                } else {
                    seen.lock().unwrap().push(path.clone());
                    answer(&path)
                };
                let body = body.to_string();
                let now = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours);
                let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
                let date = printer.timestamp_to_rfc9110_string(&now).unwrap();
                write!(
                    stream,
                    "HTTP/1.1 {code} X\r\ndate: {date}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
                .unwrap();
            }
        });
        Self { url, asked, sent }
    }
}

/// Runs a command against a server at `url`.
fn ask(desk: &Desk, url: &str, args: &[&str]) -> Outcome {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "studio"}}],
    });
    desk.write("kubeconfig", &config.to_string());
    desk.run(args, "", &[("KUBECONFIG", "kubeconfig")])
}

fn failure(code: u16, reason: &str, message: &str) -> (u16, Value) {
    (
        code,
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code, "message": message}),
    )
}

fn list(kind: &str, next: &str, items: &[Value]) -> (u16, Value) {
    (
        200,
        json!({"kind": format!("{kind}List"), "apiVersion": "mooring.dev/v1alpha1",
        "metadata": {"resourceVersion": "1", "continue": next}, "items": items}),
    )
}

fn lease(pod: &str, state: &str, place: Option<u32>) -> Value {
    let mut status = json!({"products": "render:2", "state": state, "since": "2026-06-01T12:00:00Z", "node": "node-b",
        "claims": [{"name": "pod", "lease": "ab", "products": "render:2", "state": state, "since": "2026-06-01T12:00:00Z"}]});
    if let Some(p) = place {
        status["place"] = p.into();
    }
    json!({
        "metadata": {"name": format!("{pod}-12345678"), "namespace": "studio", "uid": pod,
            "creationTimestamp": "2026-06-01T12:00:00Z", "managedFields": [{"manager": "mooring-operator"}]},
        "spec": {"server": {"namespace": "licensing", "name": "main"}, "holder": {"kind": "Pod", "name": pod, "uid": pod}},
        "status": status,
    })
}

fn server(ready: &str, anchor: Option<&str>) -> Value {
    let mut conditions = vec![
        json!({"type": "Ready", "status": ready, "reason": "R", "message": "said", "lastTransitionTime": "2026-06-01T12:00:00Z"}),
    ];
    if let Some(message) = anchor {
        conditions.push(json!({"type": "AnchorPresent", "status": "False", "reason": "WrongPin", "message": message,
            "lastTransitionTime": "2026-06-01T12:00:00Z"}));
    }
    json!({
        "metadata": {"name": "main", "namespace": "studio", "uid": "u-main", "generation": 1, "creationTimestamp": "2026-06-01T12:00:00Z"},
        "spec": {},
        "status": {"conditions": conditions, "node": "node-a", "anchor": "Present", "used": 4, "seats": 10, "waiting": 1,
            "observedGeneration": 1,
            "products": [{"name": "render", "seats": 10, "used": 4, "waiting": 1, "expires": "2090-01-01T00:00:00Z"}]},
    })
}

#[test]
fn leases_show_holders_first_then_the_line_in_its_order() {
    let desk = Desk::new();
    let api = ApiServer::new(|_| {
        list(
            "LicenseLease",
            "",
            &[
                lease("c", "Waiting", Some(2)),
                lease("a", "Held", None),
                lease("d", "Waiting", Some(1)),
                lease("b", "Held", None),
            ],
        )
    });
    let out = ask(&desk, &api.url, &["leases"]).good().stdout;
    let holders: Vec<&str> = out
        .lines()
        .skip(1)
        .take(4)
        .map(|l| l.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(holders, ["a", "b", "d", "c"], "{out}");
    assert!(out.starts_with("HOLDER "), "{out}");
    assert!(out.contains("2 Held, 2 Waiting"), "{out}");
    assert!(
        api.asked.lock().unwrap()[0]
            .starts_with("/apis/mooring.dev/v1alpha1/namespaces/studio/licenseleases?")
    );

    let out = ask(
        &desk,
        &api.url,
        &["leases", "-A", "--state", "waiting", "-o", "wide"],
    )
    .good()
    .stdout;
    assert!(
        out.starts_with("NAMESPACE ") && !out.contains("Held") && out.contains("d-12345678"),
        "{out}"
    );
    let asked = api.asked.lock().unwrap().clone();
    let everywhere = "/apis/mooring.dev/v1alpha1/licenseleases?";
    assert!(asked.iter().any(|p| p.starts_with(everywhere)), "{asked:?}");

    let out = ask(&desk, &api.url, &["leases", "--server", "other", "-n", "x"])
        .good()
        .stdout;
    assert_eq!(
        out,
        "No leases of license server other in namespace \"x\" (-A looks in all).\n"
    );

    let json: Value = serde_json::from_str(
        &ask(&desk, &api.url, &["leases", "-o", "json"])
            .good()
            .stdout,
    )
    .unwrap();
    assert_eq!(json["items"][0]["metadata"]["name"], "a-12345678");
    assert_eq!(json["items"][0]["kind"], "LicenseLease");
    assert!(json["items"][0]["metadata"].get("managedFields").is_none());
    let yaml = ask(
        &desk,
        &api.url,
        &["leases", "-o", "yaml", "--server", "licensing/main"],
    )
    .good()
    .stdout;
    assert!(yaml.contains("apiVersion: mooring.dev/v1alpha1"), "{yaml}");
}

#[test]
fn a_long_list_comes_in_pages() {
    let desk = Desk::new();
    let api = ApiServer::new(|path| {
        if path.contains("continue=") {
            list("LicenseLease", "", &[lease("b", "Held", None)])
        } else {
            list("LicenseLease", "next", &[lease("a", "Held", None)])
        }
    });
    let out = ask(&desk, &api.url, &["leases"]).good().stdout;
    assert!(out.contains("2 Held"), "{out}");
}

#[test]
fn pods_that_ask_for_licenses_and_have_no_sidecar_are_named() {
    let desk = Desk::new();
    let pod = |name: &str, key: &str| json!({"metadata": {"name": name, "namespace": "studio", "annotations": {key: "render"}}});
    let api = ApiServer::new(move |path| {
        if path.starts_with("/api/v1/namespaces/studio/pods?") {
            assert!(
                path.contains("labelSelector=%21mooring.dev%2Finjected"),
                "{path}"
            );
            let pods = [pod("bare", "mooring.dev/licenses"), pod("plain", "other")];
            return list("PartialObjectMetadata", "", &pods);
        }
        list("LicenseLease", "", &[])
    });
    let out = ask(&desk, &api.url, &["leases"]).good().stdout;
    assert!(
        out.contains("studio/bare: asks for a license and has no sidecar")
            && !out.contains("plain"),
        "{out}"
    );
    // Who may not list pods sees the leases all the same, and who asks for some of them only these.
    let api = ApiServer::new(|path| {
        if path.contains("/pods?") {
            return failure(403, "Forbidden", "not yours");
        }
        list("LicenseLease", "", &[lease("a", "Held", None)])
    });
    let out = ask(&desk, &api.url, &["leases"]).good().stdout;
    assert!(out.contains("1 Held") && !out.contains("sidecar"), "{out}");
    ask(&desk, &api.url, &["leases", "--state", "held"]).good();
    let asked = api.asked.lock().unwrap();
    let pods = asked.iter().filter(|p| p.contains("/pods?"));
    assert_eq!(pods.count(), 1, "{asked:?}");
}

#[test]
fn leases_in_trouble_say_what_to_do() {
    let desk = Desk::new();
    let mut refused = lease("r", "Refused", None);
    refused["status"]["message"] = "product \"rendr\" is not in the license".into();
    let answer = [
        lease("u", "Unknown", None),
        refused,
        lease("x", "Sideways", None),
    ];
    let api = ApiServer::new(move |_| list("LicenseLease", "", &answer));
    let out = ask(&desk, &api.url, &["leases"]).good().stdout;
    assert!(
        out.contains("u: Unknown: licensing/main, which serves, does not hear from it")
            && out.contains("-c mooring"),
        "{out}"
    );
    assert!(out.contains("r: Refused: product \"rendr\""), "{out}");
    assert!(
        out.contains("2 Unknown"),
        "a state of a later version: {out}"
    );
}

#[test]
fn status_shows_servers_products_and_problems() {
    let desk = Desk::new();
    let api = ApiServer::new(|_| list("LicenseServer", "", &[server("True", None)]));
    let out = ask(&desk, &api.url, &["status"]).good().stdout;
    for says in [
        "SERVER   NODE",
        "main     node-a   Present",
        "PRODUCT",
        "render",
        "2090-01-01T00:00:00Z",
    ] {
        assert!(out.contains(says), "{says}: {out}");
    }
    assert!(!out.contains("Problems"), "{out}");
    ask(&desk, &api.url, &["status", "main"]).good();
    let e = ask(&desk, &api.url, &["status", "mian"]).bad().stderr;
    assert!(e.contains("mian") && e.contains("status -A"), "{e}");

    let api = ApiServer::new(|_| {
        list(
            "LicenseServer",
            "",
            &[server("False", Some("wrong PIN: change the Secret pin"))],
        )
    });
    let out = ask(&desk, &api.url, &["status", "-A"]).bad();
    assert!(
        out.stdout
            .contains("studio/main: AnchorPresent is False (WrongPin, for "),
        "{}",
        out.stdout
    );
    assert!(
        out.stdout.contains("change the Secret pin"),
        "{}",
        out.stdout
    );
    assert!(
        out.stderr.contains("not every license server is ready"),
        "{}",
        out.stderr
    );
}

fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-06-01T12:00:00Z"})
}

/// What `status` says of a server with these conditions, whether it is well by its exit code.
fn says(conditions: &[Value], change: impl FnOnce(&mut Value)) -> (bool, String) {
    let desk = Desk::new();
    let mut object = server("True", None);
    object["status"]["conditions"] = conditions.into();
    change(&mut object);
    let api = ApiServer::new(move |_| list("LicenseServer", "", std::slice::from_ref(&object)));
    let out = ask(&desk, &api.url, &["status"]);
    (out.code == Some(0), out.stdout)
}

#[test]
fn status_says_the_cause_first_and_leaves_out_what_only_follows() {
    let cause = "Secret studio/nopin is not there: create it with key pin";
    let unknown = |kind| {
        condition(
            kind,
            "Unknown",
            "NotStarted",
            "the server has not been started yet",
        )
    };
    let (well, out) = says(
        &[
            condition("Ready", "False", "ReferenceMissing", cause),
            unknown("AnchorPresent"),
            unknown("LicenseValid"),
            unknown("Settling"),
            condition("Placed", "True", "NodeFound", "on node node-a"),
        ],
        |s| s["status"]["asOf"] = "2026-06-01T11:59:50Z".into(),
    );
    let problems: Vec<&str> = out
        .split("Problems\n")
        .nth(1)
        .unwrap()
        .trim()
        .lines()
        .collect();
    assert!(!well);
    assert!(
        problems[0].starts_with("main: Ready is False (ReferenceMissing, for ")
            && problems[0].ends_with(cause),
        "{out}"
    );
    assert!(
        problems[1].contains("its numbers are as of 2026-06-01T11:59:50Z"),
        "{out}"
    );
    assert_eq!(problems.len(), 2, "{out}");
}

#[test]
fn status_tells_problems_of_a_server_that_serves_and_fails() {
    let ready = || condition("Ready", "True", "Serving", "grants leases");
    for (other, words) in [
        (
            condition(
                "LicenseValid",
                "True",
                "NewLicenseRefused",
                "is it cut off?",
            ),
            "LicenseValid is True (NewLicenseRefused, for ",
        ),
        (
            condition("SecondServerSeen", "True", "SameAnchor", "stop one of them"),
            "SecondServerSeen is True (SameAnchor, for ",
        ),
        (
            condition("AnchorPresent", "True", "StandbyInUse", "repair the first"),
            "AnchorPresent is True (StandbyInUse, for ",
        ),
        (
            condition("NameTaken", "True", "NotOurs", "another owns it"),
            "NameTaken is True (NotOurs, for ",
        ),
        (
            condition("PodsTrustEarlierCa", "True", "PodsCutOff", "make them anew"),
            "PodsTrustEarlierCa is True (PodsCutOff, for ",
        ),
    ] {
        let (well, out) = says(&[ready(), other], |_| ());
        assert!(!well && out.contains(words), "{words}: {out}");
    }
    let over = ["NameTaken", "PodsTrustEarlierCa", "SecondServerSeen"]
        .map(|kind| condition(kind, "False", "Over", "all is well"));
    let [name, ca, second] = over;
    let (well, out) = says(&[ready(), name, ca, second], |_| ());
    assert!(well && !out.contains("all is well"), "{out}");
    let (well, out) = says(&[ready()], |s| {
        s["status"]["products"][0]["used"] = 11.into();
    });
    assert!(
        !well && out.contains("11 of 10 seats of render are out"),
        "{out}"
    );
    let soon = says(&[ready()], |s| {
        s["status"]["products"][0]["expires"] = (jiff::Timestamp::now()
            + jiff::SignedDuration::from_hours(48))
        .to_string()
        .into();
    });
    assert!(
        soon.0 && soon.1.contains("its license ends"),
        "worth a word, and nothing is wrong yet: {}",
        soon.1
    );
}

#[test]
fn an_operator_that_is_away_is_told_wherever_its_words_are_shown() {
    let desk = Desk::new();
    let api = ApiServer::new(|path| {
        if path.contains("coordination.k8s.io") {
            return failure(404, "NotFound", "no such Lease");
        }
        list("LicenseServer", "", &[server("True", None)])
    });
    let elsewhere = ["status", "--operator-namespace", "elsewhere"];
    let out = ask(&desk, &api.url, &elsewhere).bad();
    assert!(
        out.stdout
            .contains("there is no Lease elsewhere/mooring-operator"),
        "{}",
        out.stdout
    );
    let api = ApiServer::new(|path| {
        if path.contains("coordination.k8s.io") {
            return failure(403, "Forbidden", "not yours");
        }
        list("LicenseLease", "", &[])
    });
    let leases = ["leases", "--operator-namespace", "elsewhere"];
    let out = ask(&desk, &api.url, &leases).good().stdout;
    assert!(
        out.contains("No leases") && out.contains("whether it runs is not known"),
        "{out}"
    );
}

#[test]
fn the_operator_is_judged_by_the_api_servers_clock_and_not_by_the_callers() {
    let desk = Desk::new();
    let status = |silent_for: i64| {
        let api = ApiServer::ahead(1, move |path| {
            if path.contains("coordination.k8s.io") {
                let there = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
                let silence = jiff::SignedDuration::from_secs(silent_for);
                return (200, lease_renewed(there - silence));
            }
            list("LicenseServer", "", &[server("True", None)])
        });
        let args = ["status", "--operator-namespace", "elsewhere"];
        ask(&desk, &api.url, &args)
    };
    status(2).good();
    let out = status(600).bad().stdout;
    assert!(out.contains("has not reported for 10m"), "{out}");
    assert!(out.contains("annotated pods may not be created"), "{out}");
    let out = status(-600).good().stdout;
    assert!(out.contains("whether it runs is not known"), "{out}");
}

#[test]
fn what_was_asked_for_and_not_found_is_named_and_why_the_exit_code_is_1() {
    let desk = Desk::new();
    let api = ApiServer::new(|path| {
        if path.contains("coordination.k8s.io") {
            return failure(404, "NotFound", "no such Lease");
        }
        list("LicenseLease", "", &[lease("job-1", "Held", None)])
    });
    let args = ["leases", "--state", "Waiting", "--server", "licensing/main"];
    let out = ask(&desk, &api.url, &args).good().stdout;
    assert!(
        out.contains("No leases in state Waiting of license server licensing/main in namespace"),
        "{out}"
    );
    let none = ApiServer::new(|path| {
        if path.contains("coordination.k8s.io") {
            return failure(404, "NotFound", "no such Lease");
        }
        list("LicenseServer", "", &[])
    });
    let args = ["status", "--operator-namespace", "elsewhere"];
    let out = ask(&desk, &none.url, &args).bad().stdout;
    assert!(
        out.contains("No license servers") && out.contains("there is no Lease elsewhere/"),
        "{out}"
    );
}

#[test]
fn an_object_without_status_is_no_reason_to_fail() {
    let desk = Desk::new();
    let bare = json!({"metadata": {"name": "new", "namespace": "studio", "uid": "n"}, "spec": {}});
    let api = ApiServer::new(move |_| list("LicenseServer", "", std::slice::from_ref(&bare)));
    let out = ask(&desk, &api.url, &["status"]).bad();
    assert!(
        out.stdout.contains("new: it has no status yet"),
        "{}",
        out.stdout
    );
}

#[test]
fn errors_say_what_to_do() {
    let desk = Desk::new();
    for (code, reason, says) in [
        (404, "NotFound", "helm install mooring"),
        (403, "Forbidden", "mooring-viewer"),
        (401, "Unauthorized", "log in again"),
        (500, "InternalError", "etcd is on fire"),
    ] {
        let api = ApiServer::new(move |_| failure(code, reason, "etcd is on fire"));
        for command in ["status", "leases"] {
            let e = ask(&desk, &api.url, &[command, "-A"]).bad().stderr;
            assert!(e.contains(says), "{e}");
        }
    }
    let e = ask(&desk, "http://127.0.0.1:1", &["status"]).bad().stderr;
    assert!(
        e.contains("127.0.0.1:1") && e.contains("cannot be reached") && e.contains("refused"),
        "{e}"
    );
    let e = desk.run(&["status"], "", &[]).bad().stderr;
    assert!(e.contains("KUBECONFIG"), "{e}");
    let e = desk
        .run(&["status", "--kubeconfig", "nowhere"], "", &[])
        .bad()
        .stderr;
    assert!(e.contains("--kubeconfig nowhere"), "{e}");
    let e = ask(
        &desk,
        "http://127.0.0.1:1",
        &["status", "--context", "prod"],
    )
    .bad()
    .stderr;
    assert!(e.contains("--context") && e.contains("prod"), "{e}");
}

#[test]
fn an_error_never_quotes_the_file_it_could_not_read() {
    let desk = Desk::new();
    let secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQ";
    for text in [
        format!("-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----\n"),
        format!("apiVersion: v1\nusers:\n- name: u\n  user: {{token: [{secret}\n"),
        format!("apiVersion: v1\nusers:\n- name: u\n  user: {secret}\n"),
    ] {
        desk.write("broken", &text);
        let flag = desk.run(&["status", "--kubeconfig", "broken"], "", &[]);
        let env = desk.run(&["status"], "", &[("KUBECONFIG", "broken")]);
        let context = desk.run(
            &["status", "--context", "c"],
            "",
            &[("KUBECONFIG", "broken")],
        );
        for e in [flag, env, context] {
            let e = e.bad().stderr;
            assert!(!e.contains(secret), "{e}");
        }
    }
}

#[test]
fn kubectl_finds_it_as_a_plugin() {
    let desk = Desk::new();
    let plugin = env!("CARGO_BIN_EXE_kubectl-mooring");
    let help = desk
        .program(plugin, &["status", "--help"], "", &[])
        .good()
        .stdout;
    assert!(help.contains("Usage: kubectl mooring status"), "{help}");
}

const LEASES: &str = "/apis/mooring.dev/v1alpha1/namespaces/studio/licenseleases";
const ME: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

/// An API server with these leases, which are so from the first patch on: `after`.
fn with_leases(before: Vec<Value>, after: &[Value]) -> ApiServer {
    let after = after.to_vec();
    let patched = Mutex::new(false);
    ApiServer::new(move |path| {
        let path = path.split('?').next().unwrap();
        if path == ME {
            let user = json!({"username": "ann", "groups": []});
            return (
                201,
                json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {}, "status": {"userInfo": user}}),
            );
        }
        if path == LEASES {
            return list("LicenseLease", "", &before);
        }
        let name = path.strip_prefix(LEASES).unwrap().trim_start_matches('/');
        // The first that asks for one by name is the patch.
        let is_patch = !std::mem::replace(&mut *patched.lock().unwrap(), true);
        let from = if is_patch { &before } else { &after };
        match from.iter().find(|l| l["metadata"]["name"] == name) {
            Some(l) => (200, l.clone()),
            None => failure(404, "NotFound", "gone"),
        }
    })
}

fn revoked(pod: &str) -> Value {
    let mut l = lease(pod, "Revoked", None);
    l["status"]["until"] = json!("2026-06-01T12:01:00Z");
    l
}

#[test]
fn a_pod_is_revoked_by_its_lease_with_who_says_so_and_lifted_again() {
    let desk = Desk::new();
    let api = with_leases(vec![lease("job-1", "Held", None)], &[revoked("job-1")]);
    let ok = ask(&desk, &api.url, &["revoke", "job-1", "--reason", "hangs"]).good();
    assert_eq!(
        ok.stderr.trim(),
        "Revoked: studio/job-1. Its application loses its license within a third of a lease; its seats are free at 2026-06-01T12:01:00Z at the latest"
    );
    let sent = api.sent.lock().unwrap();
    let (path, body) = sent.iter().find(|(p, _)| p.starts_with(LEASES)).unwrap();
    assert!(path.contains("/job-1-12345678?"), "{path}");
    assert_eq!(
        body["spec"],
        json!({"revoked": {"reason": "hangs", "until": null, "by": "ann"}})
    );
    assert_eq!(body["metadata"]["uid"], "job-1", "that one and no other");

    let mut stands = revoked("job-1");
    stands["spec"]["revoked"] = json!({"reason": "hangs"});
    let api = with_leases(vec![stands], &[lease("job-1", "Waiting", Some(1))]);
    let ok = ask(&desk, &api.url, &["revoke", "job-1-12345678", "--lift"]).good();
    assert!(
        ok.stderr.starts_with("Lifted: studio/job-1"),
        "{}",
        ok.stderr
    );
    let sent = api.sent.lock().unwrap();
    assert_eq!(sent[0].1["spec"], json!({"revoked": null}));
}

#[test]
fn what_cannot_be_revoked_is_named() {
    let desk = Desk::new();
    let two = vec![lease("job-1", "Held", None), lease("job-2", "Held", None)];
    let api = with_leases(two.clone(), &[]);
    let no = |args: &[&str]| ask(&desk, &api.url, args).bad().stderr;
    let e = no(&["revoke", "job-3"]);
    assert!(
        e.contains("\"job-3\" in namespace \"studio\"") && e.contains("mooring leases -n studio"),
        "{e}"
    );
    let e = no(&["revoke", "job-1", "--lift"]);
    assert!(e.contains("studio/job-1 is not revoked"), "{e}");
    let e = no(&["revoke", "job-1", "--until", "2020-01-01"]);
    assert!(
        e.contains("--until 2020-01-01") && e.contains("has passed"),
        "{e}"
    );
    let e = no(&["revoke", "job-1", "-n", "studio", "--server", "https://a:1"]);
    assert!(e.contains("--namespace goes with a cluster"), "{e}");
    let e = no(&["revoke", "job-1", "--server", "https://a:1"]);
    assert!(e.contains("LEASE \"job-1\""), "{e}");
    let e = no(&["release", "job-1", "--claim", "extra"]);
    assert!(e.contains("nothing to take back"), "{e}");
    assert!(api.sent.lock().unwrap().is_empty(), "nothing was written");

    let api = ApiServer::new(|_| failure(403, "Forbidden", "user bob cannot"));
    let e = ask(&desk, &api.url, &["release", "job-1"]).bad().stderr;
    assert!(
        e.contains("you may not patch licenseleases.mooring.dev")
            && e.contains("mooring-licenselease-editor"),
        "{e}"
    );
}

#[test]
fn one_lease_is_released_by_its_id_and_what_ended_is_left_out() {
    let desk = Desk::new();
    let (a, b) = ("0a".repeat(16), "0b".repeat(16));
    let two = |state: &str| {
        let mut l = lease("job-1", "Held", None);
        let claim = |name: &str, id: &str, state: &str| json!({"name": name, "lease": id, "products": "render", "state": state, "since": "2026-06-01T12:00:00Z", "until": "2026-06-01T12:01:00Z"});
        l["status"]["claims"] = json!([claim("pod", &a, "Held"), claim("extra", &b, state)]);
        l["spec"]["release"] = json!(["0c".repeat(16)]);
        l
    };
    let api = with_leases(vec![two("Held")], &[two("Silent")]);
    let e = ask(&desk, &api.url, &["release", "job-1"]).bad().stderr;
    assert!(e.contains("--claim with one of pod, extra"), "{e}");
    for args in [
        &["release", "job-1", "--claim", "extra"][..],
        &["release", &b],
    ] {
        let api = with_leases(vec![two("Held")], &[two("Silent")]);
        let ok = ask(&desk, &api.url, args).good().stderr;
        assert!(
            ok.contains(&format!("Taken back: lease {b} of studio/job-1"))
                && ok.contains("at 2026-06-01T12:01:00Z at the latest"),
            "{ok}"
        );
        let sent = api.sent.lock().unwrap();
        assert_eq!(sent[0].1["spec"], json!({"release": [b]}));
    }
}
