//! A Deployment whose update waits for itself: a new pod is made before an old one goes, and waits
//! for a seat that only the old one can give back. Pure.

use k8s_openapi::api::apps::v1::{Deployment, RollingUpdateDeployment};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use mooring_api::{LicenseServer, LicenseServerStatus};
use mooring_core::request::Item;
use serde::Deserialize as _;
use serde_json::Value;
use std::sync::Arc;

/// What a Deployment may have above and below its replicas where it does not say.
const SHARE: &str = "25%";

/// A warning, if `workload` is such a Deployment: its pods may all run at its license servers, one
/// more may not, and none goes before.
pub fn rollout_warning(
    workload: &Value,
    items: &[Item],
    servers: &[Arc<LicenseServer>],
) -> Option<String> {
    // Others have no such field, or are not updated so.
    let is_deployment = workload.get("kind")?.as_str()? == "Deployment";
    if !is_deployment {
        return None;
    }
    let replicas = overlapping(&Deployment::deserialize(workload).ok()?)?;
    let full = |item: &&Item| {
        let pods = servers.iter().map(|s| pods_at(s.status.as_ref()?, item));
        // Of a server that says nothing nobody knows how many it lets in.
        pods.sum::<Option<u64>>() == Some(u64::from(replicas))
    };
    let item = items.iter().find(full)?;
    let names: Vec<String> = servers.iter().map(|s| s.reference().to_string()).collect();
    Some(format!(
        "{replicas} pods with {} of {} each take all seats of LicenseServer {}, so an update would wait for ever for the pods that it replaces: \
         set spec.strategy.rollingUpdate to maxSurge: 0, maxUnavailable: 1",
        item.seats,
        item.product,
        names.join(" and ")
    ))
}

/// How many pods that ask for this have their seats at a license server, none of them elsewhere.
fn pods_at(status: &LicenseServerStatus, item: &Item) -> Option<u64> {
    let mut products = status.products.iter();
    let product = products.find(|p| item.product.is(&p.name))?;
    Some(u64::from(product.seats / item.seats.get()))
}

/// How many pods there are while one more is made, and none goes before that is ready; `None`:
/// this Deployment is updated otherwise.
fn overlapping(deployment: &Deployment) -> Option<u32> {
    let spec = deployment.spec.as_ref()?;
    let replicas = u32::try_from(spec.replicas.unwrap_or(1)).ok()?;
    let strategy = spec.strategy.clone().unwrap_or_default();
    if replicas == 0 || strategy.type_.as_deref() == Some("Recreate") {
        return None;
    }
    let RollingUpdateDeployment {
        max_surge,
        max_unavailable,
    } = strategy.rolling_update.unwrap_or_default();
    let above = hundredths(max_surge, replicas)?.div_ceil(100);
    let below = hundredths(max_unavailable, replicas)? / 100;
    (above > 0 && below == 0).then_some(replicas)
}

/// A number or a share of the replicas, times a hundred; `None`: neither.
fn hundredths(value: Option<IntOrString>, replicas: u32) -> Option<u32> {
    match value.unwrap_or_else(|| IntOrString::String(SHARE.to_owned())) {
        IntOrString::Int(n) => u32::try_from(n).ok()?.checked_mul(100),
        IntOrString::String(s) => s
            .strip_suffix('%')?
            .parse::<u32>()
            .ok()?
            .checked_mul(replicas),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use mooring_core::request;
    use serde_json::json;

    fn server(name: &str, seats: u32) -> Arc<LicenseServer> {
        serde_json::from_value(json!({
            "apiVersion": "mooring.dev/v1alpha1", "kind": "LicenseServer", "metadata": {"namespace": "a", "name": name},
            "spec": {"licenses": [{"secretName": "l"}], "anchor": {}, "placement": {"nodeSelector": {"a": "b"}}},
            "status": {"products": [{"name": "render", "seats": seats, "used": 0, "waiting": 0}]},
        }))
        .unwrap()
    }

    #[allow(clippy::needless_pass_by_value)]
    fn warned(spec: Value, asks: &str, seats: u32) -> Option<String> {
        warned_at(spec, asks, &[server("main", seats)])
    }

    #[allow(clippy::needless_pass_by_value)]
    fn warned_at(spec: Value, asks: &str, servers: &[Arc<LicenseServer>]) -> Option<String> {
        let mut workload = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec});
        workload["spec"]["selector"] = json!({});
        workload["spec"]["template"] = json!({});
        rollout_warning(&workload, &request::parse(asks).unwrap(), servers)
    }

    #[test]
    fn the_seats_of_a_pool_count_together_and_no_pod_has_some_of_each() {
        let three = || json!({"replicas": 3});
        let pool = |a, b| [server("a", a), server("b", b)];
        let said = warned_at(three(), "render:2", &pool(3, 5)).unwrap();
        assert!(said.contains("LicenseServer a/a and a/b"), "{said}");
        assert_eq!(warned_at(three(), "render:2", &pool(4, 4)), None, "room");
        assert!(warned_at(three(), "render:2", &pool(0, 6)).is_some());
        let mut silent = LicenseServer::clone(&server("c", 1));
        silent.status = None;
        let unknown = [server("a", 6), Arc::new(silent)];
        assert_eq!(warned_at(three(), "render:2", &unknown), None);
    }

    #[test]
    fn an_update_at_full_seats_is_warned_of_and_one_that_finds_room_is_not() {
        let three = || json!({"replicas": 3});
        let said = warned(three(), "render", 3).unwrap();
        assert!(said.contains("maxSurge: 0") && said.len() <= 256, "{said}");
        assert!(
            warned(three(), "render:2", 7).is_some(),
            "one seat is no pod"
        );
        assert_eq!(warned(three(), "render", 4), None, "there is room");
        assert_eq!(warned(three(), "render", 2), None, "not all of them run");
        assert_eq!(warned(three(), "other", 3), None);
        // 25 % of four is one pod that goes first.
        assert_eq!(warned(json!({"replicas": 4}), "render", 4), None);
        let rolling = |surge: Value, unavailable: Value| json!({"replicas": 3, "strategy": {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}});
        assert_eq!(warned(rolling(json!(0), json!(1)), "render", 3), None);
        assert_eq!(
            warned(rolling(json!("50%"), json!("34%")), "render", 3),
            None
        );
        assert!(warned(rolling(json!("1%"), json!("33%")), "render", 3).is_some());
        let most = json!({"replicas": i32::MAX});
        assert_eq!(warned(most, "render:1000000", 3), None, "and no panic");
        let recreate = json!({"replicas": 3, "strategy": {"type": "Recreate"}});
        assert_eq!(warned(recreate, "render", 3), None);
    }
}
