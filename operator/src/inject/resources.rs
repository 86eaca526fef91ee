//! What the sidecar may use, so that the pod stays what it was: Guaranteed pods stay Guaranteed,
//! pod-level limits are raised.
//!
//! Source of the classes: Kubernetes' "Pod Quality of Service Classes" (every container, init
//! containers too; only CPU and memory count; zero counts as absent) and KEP-2837 for resources of
//! the whole pod.

use super::quantity::Quantity;
use super::requested::{LEAST_CPU, LEAST_MEMORY, Requested};
use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;
use std::collections::BTreeMap;

/// The resources that count here.
const COUNTED: [&str; 2] = ["cpu", "memory"];

/// What the gate needs to start.
const GATE_CPU: &str = "10m";
const GATE_MEMORY: &str = LEAST_MEMORY;

/// Requests and limits of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    cpu: Amounts,
    memory: Amounts,
}

/// How much of one resource is set aside, and how much there may be.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Amounts {
    request: Quantity,
    limit: Quantity,
}

impl Amounts {
    fn parse(what: &str, (request, limit): (&str, &str)) -> Result<Self, String> {
        let read = |kind: &str, text: &str| {
            let expected = "expected an amount such as 10m or 32Mi";
            Quantity::parse(text).map_err(|e| {
                let (at, found) = (e.at, e.found);
                format!("{what} {kind} {text:?}: character {at}: {found}, {expected}")
            })
        };
        let this = Self {
            request: read("request", request)?,
            limit: read("limit", limit)?,
        };
        if this.request > this.limit || this.limit.is_zero() {
            return Err(format!(
                "{what} request {request:?}, limit {limit:?}: expected request ≤ limit, and a limit above 0"
            ));
        }
        Ok(this)
    }

    fn of(&self, wish: Option<&Quantity>, guaranteed: bool) -> Self {
        let limit = wish.unwrap_or(&self.limit);
        let request = if wish.is_some() || guaranteed {
            limit
        } else {
            &self.request
        };
        Self {
            request: request.clone(),
            limit: limit.clone(),
        }
    }
}

impl Budget {
    /// From texts; says which is no amount, or which request is more than its limit.
    pub fn parse(cpu: (&str, &str), memory: (&str, &str)) -> Result<Self, String> {
        Ok(Self {
            cpu: Amounts::parse("CPU", cpu)?,
            memory: Amounts::parse("memory", memory)?,
        })
    }

    /// The sidecar's in this pod: the annotations are request and limit in one; in a Guaranteed pod
    /// requests are limits.
    pub(super) fn of(&self, requested: &Requested, guaranteed: bool) -> Self {
        Self {
            cpu: self.cpu.of(requested.cpu.as_ref(), guaranteed),
            memory: self.memory.of(requested.memory.as_ref(), guaranteed),
        }
    }

    /// The gate's, in a pod whose sidecar has these. What comes before the application takes what
    /// the application is given anyway (a pod counts for the larger of the two), so the gate never
    /// asks for more than that, unless it could not run: then it would make the pod larger.
    pub(super) fn of_the_gate(
        &self,
        spec: &PodSpec,
        behind: &[&Container],
        guaranteed: bool,
    ) -> Self {
        // Where the pod says it as a whole no container has to.
        let guaranteed = guaranteed && !spec.resources.as_ref().is_some_and(sets_any);
        let within = |of: &Amounts, name, least: &str| {
            let (requests, limits) = together(behind, name);
            let limit = Some(limits).filter(|l| !l.is_zero());
            // `least` is one of this file's constants.
            let least = Quantity::parse(least).unwrap_or_else(|_| Quantity::zero());
            let limit = limit.map_or_else(|| of.limit.clone(), |l| l.max(least));
            let limit = limit.min(of.limit.clone());
            let request = if guaranteed {
                limit.clone()
            } else {
                of.request.clone().min(requests).min(limit.clone())
            };
            Amounts { request, limit }
        };
        Self {
            cpu: within(&self.cpu, "cpu", GATE_CPU),
            memory: within(&self.memory, "memory", GATE_MEMORY),
        }
    }

    /// As the API writes it. On a second pass amounts that others have set stay, unless nothing
    /// could run on them, or a `guaranteed` pod would no longer be one; and other resources (a
    /// LimitRange's default) anyway.
    pub(super) fn requirements(
        &self,
        before: Option<&ResourceRequirements>,
        guaranteed: bool,
    ) -> ResourceRequirements {
        let before = before.cloned().unwrap_or_default();
        if suffices(&before) && (!guaranteed || balanced(Some(&before))) {
            return ResourceRequirements {
                claims: None,
                ..before
            };
        }
        let with = |old: Option<BTreeMap<String, Text>>, cpu: &Quantity, memory: &Quantity| {
            let ours = [("cpu", cpu), ("memory", memory)];
            let ours = ours.map(|(name, q)| (name.to_owned(), Text(q.as_str().to_owned())));
            Some(old.into_iter().flatten().chain(ours).collect())
        };
        ResourceRequirements {
            requests: with(before.requests, &self.cpu.request, &self.memory.request),
            limits: with(before.limits, &self.cpu.limit, &self.memory.limit),
            claims: None,
        }
    }
}

/// Whether amounts are there, and a program of ours runs within them.
fn suffices(r: &ResourceRequirements) -> bool {
    let least = |name: &str, least: &str| {
        let limit = amount(r.limits.as_ref(), name);
        let least = Quantity::parse(least).unwrap_or_else(|_| Quantity::zero());
        limit.is_none_or(|limit| limit >= least)
    };
    sets_any(r) && least("cpu", LEAST_CPU) && least("memory", LEAST_MEMORY)
}

fn amount(of: Option<&BTreeMap<String, Text>>, name: &str) -> Option<Quantity> {
    let q = Quantity::parse(&of?.get(name)?.0).ok()?;
    (!q.is_zero()).then_some(q)
}

/// Whether requests equal limits for CPU and memory; absent requests are the limits, as the API
/// server fills them in.
fn balanced(r: Option<&ResourceRequirements>) -> bool {
    let requests = r.and_then(|r| r.requests.as_ref());
    let limits = r.and_then(|r| r.limits.as_ref());
    COUNTED.iter().all(|name| {
        let limit = amount(limits, name);
        limit.is_some_and(|limit| amount(requests, name).is_none_or(|request| request == limit))
    })
}

/// What these containers ask for and may use, together; an absent request is the limit.
fn together(containers: &[&Container], name: &str) -> (Quantity, Quantity) {
    let zero = || (Quantity::zero(), Quantity::zero());
    containers.iter().fold(zero(), |(requests, limits), c| {
        let r = c.resources.as_ref();
        let limit = amount(r.and_then(|r| r.limits.as_ref()), name);
        let limit = limit.unwrap_or_else(Quantity::zero);
        let request = amount(r.and_then(|r| r.requests.as_ref()), name);
        let request = request.unwrap_or_else(|| limit.clone());
        (requests.plus(&request), limits.plus(&limit))
    })
}

/// Whether resources of a whole pod say anything that counts.
fn sets_any(whole: &ResourceRequirements) -> bool {
    let sets = |name| {
        let (requests, limits) = (whole.requests.as_ref(), whole.limits.as_ref());
        amount(requests, name).is_some() || amount(limits, name).is_some()
    };
    COUNTED.into_iter().any(sets)
}

/// Whether the pod is Guaranteed without our own containers.
pub(super) fn guaranteed<'a>(
    spec: &PodSpec,
    mut others: impl Iterator<Item = &'a Container>,
) -> bool {
    let whole = spec.resources.as_ref();
    if whole.is_some_and(sets_any) {
        return balanced(whole);
    }
    others.all(|c| balanced(c.resources.as_ref()))
}

/// One amount of the whole pod that changes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Raise {
    /// `requests` or `limits`.
    pub(super) kind: &'static str,
    /// `cpu` or `memory`.
    pub(super) name: &'static str,
    pub(super) to: String,
}

/// By what the pod-level amounts change so that the application keeps what it had. `before`: what
/// our own container counted for, if the pod comes a second time.
pub(super) fn raises(
    whole: Option<&ResourceRequirements>,
    before: Option<&ResourceRequirements>,
    now: &ResourceRequirements,
) -> Vec<Raise> {
    let mut all = Vec::new();
    let Some(whole) = whole else { return all };
    type Amounts = Option<BTreeMap<String, Text>>;
    type Kind = fn(&ResourceRequirements) -> &Amounts;
    let kinds: [(&str, Kind); 2] = [("requests", |r| &r.requests), ("limits", |r| &r.limits)];
    for (kind, of) in kinds {
        let counted = |r: Option<&ResourceRequirements>, name| {
            amount(r.and_then(|r| of(r).as_ref()), name).unwrap_or_else(Quantity::zero)
        };
        for name in COUNTED {
            let had = counted(Some(whole), name);
            let to = had
                .minus(&counted(before, name))
                .plus(&counted(Some(now), name));
            if !had.is_zero() && to != had {
                let to = to.as_str().to_owned();
                all.push(Raise { kind, name, to });
            }
        }
    }
    all
}
