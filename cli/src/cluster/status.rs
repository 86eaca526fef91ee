//! `mooring status`: servers in a table, products under it, then problems with what to do. Pure.

use super::api::Listed;
use super::operator::{self, Word};
use crate::age;
use crate::output::{self, list_or_dash, or_dash, table};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use kube::core::{NotUsed, Object};
use mooring_api::status::{
    AS_PLANNED, CLOCK_SKEW, DEVICE_FOUND, NAME_TAKEN, NO_CONTACT, NODE_FOUND, NOT_STARTED,
    PODS_TRUST_EARLIER_CA, POLICY_DRY_RUN, POLICY_IN_FORCE, READY, SECOND_SERVER_SEEN, SERVING,
    SETTLING,
};
use mooring_api::{LicenseServerStatus, ProductStatus};
use mooring_core::reason::{AnchorReason, LicenseReason};
use mooring_core::time::{MAX_LEASE, Timestamp, settling};

/// A LicenseServer as far as it is shown; one that was just made has no status.
pub type ServerObject = Object<NotUsed, LicenseServerStatus>;

/// Whether it serves.
pub fn is_ready(s: &ServerObject) -> bool {
    condition(s, READY).is_some_and(|c| c.status == "True")
}

fn condition<'a>(s: &'a ServerObject, kind: &str) -> Option<&'a Condition> {
    s.status.as_ref()?.condition(kind)
}

/// A license that ends within this many days is worth a word.
const SOON_DAYS: i64 = 30;

pub fn text(servers: &[ServerObject], found: &Listed, now: Timestamp, wide: bool) -> String {
    if servers.is_empty() {
        let said: Vec<String> = operator::said(&found.operator, now).into_iter().collect();
        return found.nothing("") + &output::problems(&said);
    }
    let all = found.namespace.is_none();
    let of_servers = servers.iter().flat_map(|s| {
        let told = problems(s, &found.operator_namespace, now).into_iter();
        told.map(move |p| format!("{}: {}", name(s, all), p.text))
    });
    let problems: Vec<String> = operator::said(&found.operator, now)
        .into_iter()
        .chain(of_servers)
        .collect();
    overview(servers, all, wide, now) + &products(servers, all) + &output::problems(&problems)
}

fn name(s: &ServerObject, all: bool) -> String {
    if all {
        format!("{}/{}", s.namespace().unwrap_or_default(), s.name_any())
    } else {
        s.name_any()
    }
}

fn overview(servers: &[ServerObject], all: bool, wide: bool, now: Timestamp) -> String {
    let mut header = vec![
        "SERVER", "NODE", "ANCHOR", "READY", "USED", "SEATS", "WAITING", "AGE",
    ];
    if wide {
        header.extend(["SERVES", "LICENSE", "ENDPOINT", "VERSION"]);
    }
    let row = |s: &ServerObject| {
        let st = s.status.clone().unwrap_or_default();
        let made = s.metadata.creation_timestamp.as_ref().map(|t| t.0);
        let mut row = vec![
            name(s, all),
            or_dash(st.node.as_ref()),
            or_dash(st.anchor.as_ref()),
            ready(s),
            or_dash(st.used),
            or_dash(st.seats),
            or_dash(st.waiting),
            age::since(made, now),
        ];
        if wide {
            row.extend([
                or_dash(st.serving.as_ref().map(|s| s.side)),
                list_or_dash(&st.licenses),
                or_dash(st.endpoint.as_ref()),
                or_dash(st.version.as_ref()),
            ]);
        }
        row
    };
    table(&header, &servers.iter().map(row).collect::<Vec<_>>())
}

fn ready(s: &ServerObject) -> String {
    match condition(s, READY) {
        None => "-".into(),
        Some(c) if c.status == "True" => "True".into(),
        Some(c) if c.reason.is_empty() => c.status.clone(),
        Some(c) => format!("{} ({})", c.status, c.reason),
    }
}

fn products(servers: &[ServerObject], all: bool) -> String {
    let row = |s, p: &ProductStatus| {
        vec![
            name(s, all),
            p.name.clone(),
            p.used.to_string(),
            p.seats.to_string(),
            p.waiting.to_string(),
            p.expires.clone().unwrap_or_else(|| "never".to_owned()),
        ]
    };
    let rows: Vec<Vec<String>> = servers
        .iter()
        .flat_map(|s| of_products(s).iter().map(move |p| row(s, p)))
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let header = ["SERVER", "PRODUCT", "USED", "SEATS", "WAITING", "EXPIRES"];
    let more = |s: &ServerObject| {
        let all = s.status.as_ref()?.products_in_all?;
        let shown = of_products(s).len();
        Some(format!(
            "{} has {all} products, of which these are the first {shown}\n",
            name(s, true)
        ))
    };
    let more: String = servers.iter().filter_map(more).collect();
    format!("\n{}{more}", table(&header, &rows))
}

fn of_products(s: &ServerObject) -> &[ProductStatus] {
    s.status.as_ref().map_or(&[], |s| &s.products)
}

/// Conditions that are well when they are not true.
const BAD_IF_TRUE: &[&str] = &[
    SETTLING,
    SECOND_SERVER_SEEN,
    CLOCK_SKEW,
    NAME_TAKEN,
    PODS_TRUST_EARLIER_CA,
];
/// Reasons that say no more than that the server cannot be asked; `Ready` says why.
const FOLLOWS: &[&str] = &[NO_CONTACT, NOT_STARTED];
/// Reasons of conditions that are true, and of which nothing is to be said.
const WELL: &[&str] = &[
    SERVING,
    AS_PLANNED,
    POLICY_IN_FORCE,
    POLICY_DRY_RUN,
    AnchorReason::Present.name(),
    LicenseReason::Valid.name(),
    NODE_FOUND,
    DEVICE_FOUND,
];

/// Something that is not as it should be.
pub(super) struct Problem {
    pub(super) text: String,
    /// Somebody has to do something now.
    pub(super) pressing: bool,
}

fn pressing(text: impl Into<String>) -> Problem {
    Problem {
        text: text.into(),
        pressing: true,
    }
}

fn note(text: impl Into<String>) -> Problem {
    Problem {
        text: text.into(),
        pressing: false,
    }
}

/// Whether nothing is to be done now: neither about a server nor about the operator.
pub fn is_well(servers: &[ServerObject], found: &Listed, now: Timestamp) -> bool {
    let away = matches!(operator::word(&found.operator, now), Word::Away(_));
    !away
        && servers.iter().all(|s| {
            !problems(s, &found.operator_namespace, now)
                .iter()
                .any(|p| p.pressing)
        })
}

/// What is wrong with one server: why it does not serve, then what else is not as it should be, but
/// for what only follows from it.
pub(super) fn problems(s: &ServerObject, operator_namespace: &str, now: Timestamp) -> Vec<Problem> {
    let mut out = Vec::new();
    let Some(ready) = condition(s, READY) else {
        return vec![pressing(format!(
            "it has no status yet. If that lasts, look at the operator: kubectl -n {operator_namespace} logs deploy/mooring-operator"
        ))];
    };
    if ready.status != "True" {
        out.push(pressing(words(ready, now)));
    }
    let conditions = s.status.iter().flat_map(|s| &s.conditions);
    out.extend(
        conditions
            .filter(|c| !is_as_it_should_be(c, ready))
            .map(|c| pressing(words(c, now))),
    );
    if let Some(c) = condition(s, SETTLING).filter(|c| c.status == "True") {
        let since = age::since(Some(c.last_transition_time.0), now);
        let lease = s.status.as_ref().and_then(|s| s.lease_duration_in_force);
        let most = lease.map_or(MAX_LEASE, |s| s.0);
        let most = age::span(i64::try_from(settling(Some(most)).as_secs()).unwrap_or(0));
        out.push(pressing(format!(
            "settling for {since}: it takes earlier leases in first and grants nothing new. It ends by itself, {most} after the start at the latest"
        )));
    }
    out.extend(over(s).map(pressing));
    if let Some(then) = s.status.as_ref().and_then(|s| s.as_of.as_ref()) {
        out.push(note(format!(
            "its numbers are as of {then}, when it was heard last"
        )));
    }
    let observed = s.status.as_ref().and_then(|s| s.observed_generation);
    if observed.is_some_and(|seen| s.metadata.generation.is_some_and(|is| seen < is)) {
        out.push(note(
            "the operator has not taken in the last change of its spec yet.",
        ));
    }
    out.extend(ends(s, now).map(note));
    out
}

fn is_as_it_should_be(c: &Condition, ready: &Condition) -> bool {
    if c.type_ == READY || c.type_ == SETTLING || FOLLOWS.contains(&c.reason.as_str()) {
        return true;
    }
    let should = if BAD_IF_TRUE.contains(&c.type_.as_str()) {
        "False"
    } else {
        "True"
    };
    let said = ready.status != "True" && c.message == ready.message;
    let remark = c.status == "True" && should == "True" && !WELL.contains(&c.reason.as_str());
    said || (c.status == should && !remark)
}

/// Products of which more seats are out than there are.
fn over(s: &ServerObject) -> impl Iterator<Item = String> {
    let over = of_products(s).iter().filter(|p| p.used > p.seats);
    over.map(|p| {
        let (used, seats, name) = (p.used, p.seats, &p.name);
        format!("{used} of {seats} seats of {name} are out: the license had more before. Nobody is thrown out; new claims wait until enough came back")
    })
}

/// A license that ends soon.
fn ends(s: &ServerObject, now: Timestamp) -> Option<String> {
    let expires = |p: &ProductStatus| p.expires.as_ref()?.parse::<Timestamp>().ok();
    let t = of_products(s).iter().filter_map(expires).min()?;
    let seconds = t.as_second() - now.as_second();
    let ask = "Ask the vendor for a new one and put it into the license's Secret";
    let left = age::span(seconds);
    if t <= now {
        return Some(format!("its license ended {t}. {ask}."));
    }
    (seconds < SOON_DAYS * 86_400)
        .then(|| format!("its license ends {t}, in {left}. {ask}: no restart is needed."))
}

fn words(c: &Condition, now: Timestamp) -> String {
    let since = age::since(Some(c.last_transition_time.0), now);
    let said = if c.message.is_empty() {
        String::new()
    } else {
        format!(": {}", c.message)
    };
    let reason = Some(c.reason.as_str()).filter(|r| !r.is_empty());
    let reason = reason.unwrap_or("no reason");
    format!("{} is {} ({reason}, for {since}){said}", c.type_, c.status)
}
