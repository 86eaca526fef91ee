//! What the facts mean, and what to do. Pure.

use super::facts::{Facts, Probe, Told};
use crate::age;
use crate::cluster::operator::{self, Word};
use crate::cluster::status::{self, ServerObject};
use kube::ResourceExt as _;
use mooring_api::ca::CaPhase;
use mooring_api::names::VERSION;
use mooring_core::time::Timestamp;
use serde::Serialize;

/// The least that the chart installs on.
const KUBERNETES: (u32, u32) = (1, 34);
/// How far this machine's clock may be from the API server's: licenses are judged by days.
const CLOCK_SECS: u64 = 300;
/// A certificate that ends within this many days is renewed by now.
const RENEWED_DAYS: i64 = 7;
/// The API server waits ten seconds for the webhook, and pods are made by the hundred.
const SLOW_MS: u128 = 1000;

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Outcome {
    Ok,
    /// It works, and somebody should look at it.
    Warning,
    Fails,
    /// Nobody can say: it may not be read.
    Unknown,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Finding {
    /// What it is of.
    pub(super) group: &'static str,
    pub(super) outcome: Outcome,
    /// What was seen.
    pub(super) said: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
    /// Where that is written: a page, and its heading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) page: Option<&'static str>,
}

struct Group(&'static str, Vec<Finding>);

impl Group {
    fn add(&mut self, outcome: Outcome, said: impl Into<String>) -> &mut Finding {
        let at = self.1.len();
        self.1.push(Finding {
            group: self.0,
            outcome,
            said: said.into(),
            hint: None,
            page: None,
        });
        &mut self.1[at]
    }

    fn unknown(&mut self, what: &str, why: &str) {
        self.add(Outcome::Unknown, format!("{what}: not looked at: {why}"));
    }
}

impl Finding {
    fn todo(&mut self, hint: impl Into<String>, page: &'static str) {
        (self.hint, self.page) = (Some(hint.into()), Some(page));
    }
}

/// All findings, in the order in which one thing needs the other.
pub(super) fn judge(f: &Facts) -> Vec<Finding> {
    let mut all = Vec::new();
    for (name, look) in GROUPS {
        let mut group = Group(name, Vec::new());
        look(f, &mut group);
        all.append(&mut group.1);
    }
    all
}

/// Looks at one kind of things.
type Look = fn(&Facts, &mut Group);

/// What is looked at, one after the other.
const GROUPS: &[(&str, Look)] = &[
    ("cluster", cluster),
    ("custom resources", crds),
    ("operator", operator_runs),
    ("webhook", webhook),
    ("certificates", certificates),
    ("license servers", servers),
    ("pods", pods),
];

fn cluster(f: &Facts, out: &mut Group) {
    match &f.kubernetes {
        Told::Is(v) if *v >= KUBERNETES => {
            out.add(Outcome::Ok, format!("Kubernetes {}.{}", v.0, v.1));
        }
        Told::Is(v) => {
            let (least, most) = KUBERNETES;
            out.add(Outcome::Fails, format!("Kubernetes {}.{}", v.0, v.1))
                .todo(
                    format!("Mooring needs {least}.{most} or later"),
                    "docs/install.md",
                );
        }
        Told::None => out.unknown("Kubernetes' version", "the API server does not say it"),
        Told::NotRead(why) => out.unknown("Kubernetes' version", why),
    }
    let (here, Some(there)) = f.clocks else {
        return out.unknown("clocks", "the API server does not say what time it is");
    };
    let apart = here.as_second().abs_diff(there.as_second());
    if apart <= CLOCK_SECS {
        out.add(Outcome::Ok, "this machine's clock is the API server's");
    } else {
        let apart = age::span(i64::try_from(apart).unwrap_or(i64::MAX));
        let said = format!("this machine's clock and the API server's are {apart} apart");
        out.add(Outcome::Warning, said).todo(
            "set the one that is wrong; license servers judge dates by their nodes' clocks",
            "docs/operate.md#clocks",
        );
    }
}

fn crds(f: &Facts, out: &mut Group) {
    for (name, crd) in &f.crds {
        match crd {
            Told::Is(c) if c.established && c.served.iter().any(|v| v == VERSION) => {
                out.add(Outcome::Ok, format!("{name} ({})", c.served.join(", ")));
            }
            Told::Is(c) if c.established => {
                let served = c.served.join(", ");
                out.add(
                    Outcome::Fails,
                    format!("{name} has {served}, and not {VERSION}"),
                )
                .todo(
                    "helm upgrade brings them with the chart",
                    "docs/install.md#upgrade-and-uninstall",
                );
            }
            Told::Is(_) => {
                out.add(Outcome::Fails, format!("{name} is not established"))
                    .todo(
                        format!(
                            "kubectl describe crd {name} says what the API server has against it"
                        ),
                        "docs/install.md",
                    );
            }
            Told::None => {
                out.add(Outcome::Fails, format!("{name} is not there"))
                    .todo(
                        "Mooring is not installed in this cluster: helm install brings it",
                        "docs/install.md",
                    );
            }
            Told::NotRead(why) => out.unknown(name, why),
        }
    }
}

fn operator_runs(f: &Facts, out: &mut Group) {
    let namespace = &f.operator_namespace;
    match &f.deployment {
        Told::Is(d) => {
            let said = format!("{} of {} replicas are ready", d.ready, d.wanted);
            let outcome = match d.ready {
                0 => Outcome::Fails,
                ready if ready < d.wanted => Outcome::Warning,
                _ => Outcome::Ok,
            };
            let found = out.add(outcome, said);
            if outcome != Outcome::Ok {
                found.todo(
                    format!("kubectl -n {namespace} describe pods"),
                    "docs/operate.md#what-happens-when-",
                );
            }
            if let Some(version) = d.version.as_ref().filter(|v| *v != f.version) {
                let said = format!(
                    "it is of version {version}, and this program of {}",
                    f.version
                );
                out.add(Outcome::Warning, said).todo(
                    "the last four minor versions understand each other; take the program of the chart's version",
                    "docs/protocol.md#versions-that-differ",
                );
            }
        }
        Told::None => {
            let said = format!("there is no Deployment mooring-operator in namespace {namespace}");
            out.add(Outcome::Fails, said).todo(
                "name its namespace (--operator-namespace), or install Mooring",
                "docs/install.md",
            );
        }
        Told::NotRead(why) => out.unknown("its Deployment", why),
    }
    match operator::word(&f.operator, f.clocks.1.unwrap_or(f.clocks.0)) {
        Word::Reports => {
            out.add(Outcome::Ok, "one of them reports");
        }
        Word::Away(said) => {
            out.add(Outcome::Fails, said).todo(
                format!("kubectl -n {namespace} logs deploy/mooring-operator"),
                "docs/operate.md#during-an-outage",
            );
        }
        Word::Unknown(said) => {
            out.add(Outcome::Unknown, said);
        }
    }
    match &f.rights {
        Told::Is(rights) => {
            let lacks: Vec<&str> = rights
                .iter()
                .filter(|(_, may)| !may)
                .map(|(r, _)| &**r)
                .collect();
            if lacks.is_empty() {
                out.add(Outcome::Ok, "its account may do what it has to");
            } else {
                let said = format!("its account may not: {}", lacks.join("; "));
                out.add(Outcome::Fails, said).todo(
                    "the chart's ClusterRole mooring-operator or its binding was changed: helm upgrade puts it back",
                    "docs/security.md",
                );
            }
        }
        Told::None => {}
        Told::NotRead(why) => out.unknown("what its account may do", why),
    }
}

fn webhook(f: &Facts, out: &mut Group) {
    match &f.webhook {
        Told::Is(_) => {
            out.add(Outcome::Ok, "the API server knows it");
        }
        Told::None => {
            out.add(
                Outcome::Fails,
                "there is no MutatingWebhookConfiguration injector.mooring.dev",
            )
            .todo(
                "annotated pods get no sidecar; helm upgrade puts it back",
                "docs/install.md",
            );
            return;
        }
        Told::NotRead(why) => out.unknown("its configuration", why),
    }
    match &f.probe {
        Probe::Refused { took, .. } => {
            let said = format!(
                "it refuses an annotation that breaks the grammar, within {} ms",
                took.as_millis()
            );
            if took.as_millis() <= SLOW_MS {
                out.add(Outcome::Ok, said);
            } else {
                out.add(Outcome::Warning, said).todo(
                    "each annotated pod waits so long: is the operator short of processor time, or far from the API server?",
                    "docs/troubleshoot.md",
                );
            }
        }
        Probe::Admitted => {
            out.add(
                Outcome::Fails,
                "a pod with an annotation that breaks the grammar was let in: it was not asked",
            )
            .todo(
                "does its namespaceSelector leave this namespace out? try another one with -n",
                "docs/troubleshoot.md",
            );
        }
        Probe::Unreachable { said, took } => {
            let said = format!(
                "the API server does not reach it ({} ms): {said}",
                took.as_millis()
            );
            out.add(Outcome::Fails, said).todo(
                "annotated pods cannot be created: does the operator run, and may the API server connect to its port 9443?",
                "docs/troubleshoot.md",
            );
        }
        Probe::NotTried(why) => out.unknown("whether it answers", why),
    }
}

fn certificates(f: &Facts, out: &mut Group) {
    let now = f.clocks.1.unwrap_or(f.clocks.0);
    if let Told::Is(w) = &f.webhook {
        match &w.trusts_until {
            Ok(ends) if ends.iter().any(|t| *t > now) => {
                let last = ends
                    .iter()
                    .max()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                out.add(
                    Outcome::Ok,
                    format!("the API server trusts the webhook's CA until {last}"),
                );
            }
            Ok(_) => {
                out.add(
                    Outcome::Fails,
                    "the API server trusts no certificate that is still valid for the webhook",
                )
                .todo(
                    "the operator writes its CA there when it starts: look at its log",
                    "docs/operate.md#the-operators-ca",
                );
            }
            Err(why) => {
                out.add(
                    Outcome::Fails,
                    format!("the webhook's caBundle cannot be read: {why}"),
                )
                .todo(
                    "the operator writes it anew when it starts",
                    "docs/operate.md#the-operators-ca",
                );
            }
        }
    }
    match &f.ca {
        Told::Is(ca) => {
            let until = ca.not_after.parse::<Timestamp>().ok();
            let left = until.map_or(0, |t| (t.as_second() - now.as_second()) / 86_400);
            let said = format!("{}, until {}: {}", ca.name, ca.not_after, ca.message);
            let outcome = match (left, ca.phase) {
                (..=0, _) => Outcome::Fails,
                (1..=RENEWED_DAYS, _) | (_, CaPhase::Pending) => Outcome::Warning,
                _ => Outcome::Ok,
            };
            let found = out.add(outcome, said);
            if outcome != Outcome::Ok {
                found.todo(
                    "kubectl mooring ca status names who it waits for",
                    "docs/operate.md#the-operators-ca",
                );
            }
        }
        Told::None => {
            out.add(
                Outcome::Fails,
                "there is no Secret mooring-ca, or the operator has not said anything of it",
            )
            .todo(
                "the operator makes it when it starts; keep a backup of it",
                "docs/operate.md#the-operators-ca",
            );
        }
        Told::NotRead(why) => out.unknown("the operator's CA", why),
    }
}

fn servers(f: &Facts, out: &mut Group) {
    let servers = match &f.servers {
        Told::Is(all) if !all.is_empty() => all,
        Told::Is(_) | Told::None => {
            out.add(Outcome::Warning, "there is none").todo(
                "make a LicenseServer: pods that ask for a license are refused until then",
                "docs/install.md",
            );
            return;
        }
        Told::NotRead(why) => return out.unknown("license servers", why),
    };
    let now = f.clocks.1.unwrap_or(f.clocks.0);
    for s in servers {
        let name = format!("{}/{}", s.namespace().unwrap_or_default(), s.name_any());
        let problems = status::problems(s, &f.operator_namespace, now);
        if problems.is_empty() {
            out.add(Outcome::Ok, format!("{name} serves{}", version(s)));
        }
        for p in problems {
            let outcome = match p.pressing {
                true if status::is_ready(s) => Outcome::Warning,
                true => Outcome::Fails,
                false => Outcome::Warning,
            };
            out.add(outcome, format!("{name}: {}", p.text)).page =
                Some("docs/troubleshoot.md#my-license-server-is-not-ready");
        }
    }
}

fn version(s: &ServerObject) -> String {
    let version = s.status.as_ref().and_then(|s| s.version.as_ref());
    version.map_or_else(String::new, |v| format!(" (version {v})"))
}

fn pods(f: &Facts, out: &mut Group) {
    if f.bare.is_empty() {
        out.add(
            Outcome::Ok,
            "none asks for a license without having a sidecar",
        );
        return;
    }
    let some: Vec<&str> = f.bare.iter().take(5).map(String::as_str).collect();
    let more = match f.bare.len() - some.len() {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let said = format!(
        "they ask for licenses, and run without a sidecar and a seat: {}{more}",
        some.join(", ")
    );
    out.add(Outcome::Warning, said).todo(
        "they were made while Mooring was not installed: make them anew",
        "docs/install.md#upgrade-and-uninstall",
    );
}

#[cfg(test)]
mod tests;
