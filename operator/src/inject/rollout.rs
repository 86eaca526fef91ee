//! A Deployment whose update waits for itself: a new pod is made before an old one goes, and waits
//! for a seat that only the old one can give back. Pure.

use k8s_openapi::api::apps::v1::{Deployment, RollingUpdateDeployment};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use mooring_api::LicenseServer;
use mooring_core::request::Item;
use serde::Deserialize as _;
use serde_json::Value;

/// What a Deployment may have above and below its replicas where it does not say.
const SHARE: &str = "25%";

/// A warning, if `workload` is such a Deployment: its pods may all run, one more may not, and none
/// goes before.
pub fn rollout_warning(workload: &Value, items: &[Item], server: &LicenseServer) -> Option<String> {
    // Others have no such field, or are not updated so.
    let is_deployment = workload.get("kind")?.as_str()? == "Deployment";
    if !is_deployment {
        return None;
    }
    let replicas = overlapping(&Deployment::deserialize(workload).ok()?)?;
    let status = server.status.as_ref()?;
    let full = |item: &&Item| {
        let product = status.products.iter();
        let mut product = product.filter(|p| item.product.is(&p.name));
        // In 64 bits, which two numbers of anybody's cannot leave.
        let (each, replicas) = (u64::from(item.seats.get()), u64::from(replicas));
        let one_too_many = each * replicas..each * (replicas + 1);
        product.any(|p| one_too_many.contains(&u64::from(p.seats)))
    };
    let item = items.iter().find(full)?;
    Some(format!(
        "{replicas} pods with {} of {} each take all seats of LicenseServer {}, so an update would wait for ever for the pods that it replaces: \
         set spec.strategy.rollingUpdate to maxSurge: 0, maxUnavailable: 1",
        item.seats,
        item.product,
        server.reference()
    ))
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

    fn server(seats: u32) -> LicenseServer {
        serde_json::from_value(json!({
            "apiVersion": "mooring.dev/v1alpha1", "kind": "LicenseServer", "metadata": {"namespace": "a", "name": "main"},
            "spec": {"licenses": [{"secretName": "l"}], "anchor": {}, "placement": {"nodeSelector": {"a": "b"}}},
            "status": {"products": [{"name": "render", "seats": seats, "used": 0, "waiting": 0}]},
        }))
        .unwrap()
    }

    #[allow(clippy::needless_pass_by_value)]
    fn warned(spec: Value, asks: &str, seats: u32) -> Option<String> {
        let mut workload = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec});
        workload["spec"]["selector"] = json!({});
        workload["spec"]["template"] = json!({});
        rollout_warning(&workload, &request::parse(asks).unwrap(), &server(seats))
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
