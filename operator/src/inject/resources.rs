//! What the sidecar may use, so that the pod stays what it was: Guaranteed pods stay Guaranteed,
//! pod-level limits are raised.
//!
//! Source of the classes: Kubernetes' "Pod Quality of Service Classes" (every container, init
//! containers too; only CPU and memory count; zero counts as absent) and KEP-2837 for resources of
//! the whole pod.

use super::quantity::Quantity;
use super::requested::Requested;
use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Text;
use std::collections::BTreeMap;

/// The resources that count here.
const COUNTED: [&str; 2] = ["cpu", "memory"];

/// Requests and limits of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// CPU that is set aside.
    pub cpu_request: Quantity,
    /// CPU at most.
    pub cpu_limit: Quantity,
    /// Memory that is set aside.
    pub memory_request: Quantity,
    /// Memory at most.
    pub memory_limit: Quantity,
}

impl Budget {
    /// From texts; says which is no amount, or which request is more than its limit.
    pub fn parse(cpu: (&str, &str), memory: (&str, &str)) -> Result<Self, String> {
        let read = |what: &str, text: &str| {
            let expected = "expected an amount such as 10m or 32Mi";
            Quantity::parse(text).map_err(|e| {
                format!(
                    "{what} {text:?}: character {}: {}, {expected}",
                    e.at, e.found
                )
            })
        };
        let budget = Self {
            cpu_request: read("CPU request", cpu.0)?,
            cpu_limit: read("CPU limit", cpu.1)?,
            memory_request: read("memory request", memory.0)?,
            memory_limit: read("memory limit", memory.1)?,
        };
        for (what, request, limit) in [
            ("CPU", &budget.cpu_request, &budget.cpu_limit),
            ("memory", &budget.memory_request, &budget.memory_limit),
        ] {
            if request > limit || limit.is_zero() {
                return Err(format!(
                    "{what} request {:?}, limit {:?}: expected request ≤ limit, and a limit above 0",
                    request.as_str(),
                    limit.as_str()
                ));
            }
        }
        Ok(budget)
    }

    /// The sidecar's in this pod: the annotations are request and limit in one; in a Guaranteed pod
    /// requests are limits.
    pub(super) fn of(&self, requested: &Requested, guaranteed: bool) -> Self {
        let pair = |wish: Option<&Quantity>, request: &Quantity, limit: &Quantity| match wish {
            Some(w) => (w.clone(), w.clone()),
            None if guaranteed => (limit.clone(), limit.clone()),
            None => (request.clone(), limit.clone()),
        };
        let (cpu_request, cpu_limit) =
            pair(requested.cpu.as_ref(), &self.cpu_request, &self.cpu_limit);
        let (memory_request, memory_limit) = pair(
            requested.memory.as_ref(),
            &self.memory_request,
            &self.memory_limit,
        );
        Self {
            cpu_request,
            cpu_limit,
            memory_request,
            memory_limit,
        }
    }

    /// As the API writes it; other resources that the platform gave our container (a LimitRange's
    /// default) stay.
    pub(super) fn requirements(
        &self,
        before: Option<&ResourceRequirements>,
    ) -> ResourceRequirements {
        let with = |old: Option<&BTreeMap<String, Text>>, cpu: &Quantity, memory: &Quantity| {
            let mut all = old.cloned().unwrap_or_default();
            for (name, q) in [("cpu", cpu), ("memory", memory)] {
                all.insert(name.to_owned(), Text(q.as_str().to_owned()));
            }
            Some(all)
        };
        ResourceRequirements {
            requests: with(
                before.and_then(|b| b.requests.as_ref()),
                &self.cpu_request,
                &self.memory_request,
            ),
            limits: with(
                before.and_then(|b| b.limits.as_ref()),
                &self.cpu_limit,
                &self.memory_limit,
            ),
            claims: None,
        }
    }
}

fn amount(of: Option<&BTreeMap<String, Text>>, name: &str) -> Option<Quantity> {
    let q = Quantity::parse(&of?.get(name)?.0).ok()?;
    (!q.is_zero()).then_some(q)
}

/// Whether requests equal limits for CPU and memory; absent requests are the limits, as the API
/// server fills them in.
fn balanced(r: Option<&ResourceRequirements>) -> bool {
    let (requests, limits) = (
        r.and_then(|r| r.requests.as_ref()),
        r.and_then(|r| r.limits.as_ref()),
    );
    COUNTED.iter().all(
        |name| match (amount(requests, name), amount(limits, name)) {
            (Some(request), Some(limit)) => request == limit,
            (None, Some(_)) => true,
            _ => false,
        },
    )
}

/// Whether the pod is Guaranteed without our own container.
pub(super) fn guaranteed(spec: &PodSpec, is_ours: impl Fn(&Container) -> bool) -> bool {
    let whole = spec.resources.as_ref();
    if COUNTED.iter().any(|n| {
        whole.is_some_and(|r| {
            amount(r.requests.as_ref(), n)
                .or(amount(r.limits.as_ref(), n))
                .is_some()
        })
    }) {
        return balanced(whole);
    }
    let init = spec
        .init_containers
        .iter()
        .flatten()
        .filter(|c| !is_ours(c));
    spec.containers
        .iter()
        .chain(init)
        .all(|c| balanced(c.resources.as_ref()))
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
    let kinds = [
        (
            "requests",
            &whole.requests,
            before.and_then(|b| b.requests.as_ref()),
            now.requests.as_ref(),
        ),
        (
            "limits",
            &whole.limits,
            before.and_then(|b| b.limits.as_ref()),
            now.limits.as_ref(),
        ),
    ];
    for (kind, whole, before, now) in kinds {
        for name in COUNTED {
            let Some(had) = amount(whole.as_ref(), name) else {
                continue;
            };
            let was = amount(before, name).unwrap_or_else(Quantity::zero);
            let to = had
                .minus(&was)
                .plus(&amount(now, name).unwrap_or_else(Quantity::zero));
            if to != had {
                all.push(Raise {
                    kind,
                    name,
                    to: to.as_str().to_owned(),
                });
            }
        }
    }
    all
}
