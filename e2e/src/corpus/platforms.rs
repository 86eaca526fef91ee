//! What platforms do to pods: limits, quotas, mirrors, users of their own, images that are always
//! pulled.

use super::admission::{asking, compare_all, dry_run};
use crate::lab::{Helm, Lab, eventually, so, within};
use crate::main_job::begin;
use anyhow::{Result, ensure};
use serde_json::json;

pub(super) async fn each_shape_on_a_plain_cluster(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "each_shape_on_a_plain_cluster").await?;
    compare_all(lab, &ns, &[]).await
}

const LIMITS: &str = "
apiVersion: v1
kind: LimitRange
metadata: {name: limits}
spec:
  limits:
  - type: Container
    min: {cpu: 5m, memory: 4Mi}
    defaultRequest: {cpu: 50m, memory: 32Mi}
    default: {cpu: 200m, memory: 128Mi}
    maxLimitRequestRatio: {cpu: '4', memory: '4'}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: quota}
spec: {hard: {requests.cpu: '100', limits.cpu: '200', requests.memory: 100Gi, limits.memory: 200Gi, pods: '100'}}
";

pub(super) async fn each_shape_with_limits_and_quotas(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "each_shape_with_limits_and_quotas").await?;
    in_namespace(lab, &ns, LIMITS).await?;
    compare_all(lab, &ns, &[]).await
}

/// What stands in docs/troubleshoot.md.
pub(super) async fn what_a_limit_range_or_a_quota_refuses_has_a_way_out(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "what_a_limit_range_or_a_quota_refuses_has_a_way_out").await?;
    let plain = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "plain"}, "spec": {"containers": [{"name": "app", "image": "app"}]}});
    let least = "
apiVersion: v1
kind: LimitRange
metadata: {name: limits}
spec:
  limits:
  - {type: Container, maxLimitRequestRatio: {cpu: '4'}, min: {cpu: 50m, memory: 64Mi}, default: {cpu: 200m, memory: 128Mi}, defaultRequest: {cpu: 100m, memory: 128Mi}}
";
    in_namespace(lab, &ns, least).await?;
    refused(
        lab,
        &ns,
        &asking(&plain, &[]),
        "minimum cpu usage per Container",
    )
    .await?;
    let enough = [
        ("mooring.dev/sidecar-cpu", "50m"),
        ("mooring.dev/sidecar-memory", "64Mi"),
    ];
    admitted(lab, &ns, &asking(&plain, &enough)).await?;
    let deleted = lab.kubectl(format!("-n {ns} delete limitrange limits"));
    deleted.await?.ok("deleting a LimitRange")?;

    let scoped = "
apiVersion: v1
kind: ResourceQuota
metadata: {name: requests}
spec: {hard: {requests.cpu: '4', limits.memory: 4Gi}, scopes: [NotBestEffort]}
";
    in_namespace(lab, &ns, scoped).await?;
    refused(lab, &ns, &asking(&plain, &[]), "must specify").await?;
    let mut says = plain;
    let amounts = json!({"requests": {"cpu": "10m"}, "limits": {"memory": "16Mi"}});
    says["spec"]["containers"][0]["resources"] = amounts;
    admitted(lab, &ns, &asking(&says, &[])).await
}

/// A policy that changes each container's image, and one that looks whether it has.
const MIRROR: &str = r#"
mutations:
- patchType: JSONPatch
  jsonPatch: {expression: "variables.list.map(i, JSONPatch{op: 'replace', path: '/spec/' + i[0] + '/' + i[1] + '/image', value: 'mirror.local/' + i[2]})"}
variables:
- {name: containers, expression: "[0, 1, 2, 3, 4, 5].filter(i, i < size(object.spec.containers) && !object.spec.containers[i].image.startsWith('mirror.local/')).map(i, ['containers', string(i), string(object.spec.containers[i].image)])"}
- {name: init, expression: "[0, 1, 2, 3, 4, 5].filter(i, i < size(object.spec.?initContainers.orValue([])) && !object.spec.initContainers[i].image.startsWith('mirror.local/')).map(i, ['initContainers', string(i), string(object.spec.initContainers[i].image)])"}
- {name: list, expression: "variables.containers + variables.init"}
"#;
const MIRRORED: &str = "object.spec.containers.all(c, c.image.startsWith('mirror.local/')) && object.spec.?initContainers.orValue([]).all(c, c.image.startsWith('mirror.local/'))";

pub(super) async fn each_shape_with_images_out_of_a_mirror(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "each_shape_with_images_out_of_a_mirror").await?;
    let Some(policy) = Policy::make(lab, &ns, "mirror", MIRROR, MIRRORED).await? else {
        return Ok(());
    };
    let compared = compare_all(lab, &ns, &[]).await;
    policy.delete(lab).await?;
    compared
}

/// As OpenShift's constraints do: each container without a user gets one, and labels of SELinux;
/// then it must have them.
const USERS: &str = r#"
mutations:
- patchType: JSONPatch
  jsonPatch: {expression: "variables.bare.map(i, JSONPatch{op: 'add', path: '/spec/' + i[0] + '/' + i[1] + '/securityContext', value: Object.spec.securityContext{}}) + variables.all.map(i, JSONPatch{op: 'add', path: '/spec/' + i[0] + '/' + i[1] + '/securityContext/runAsUser', value: 1000650000}) + variables.all.map(i, JSONPatch{op: 'add', path: '/spec/' + i[0] + '/' + i[1] + '/securityContext/seLinuxOptions', value: Object.spec.securityContext.seLinuxOptions{level: 's0:c25,c20'}})"}
variables:
- {name: containers, expression: "[0, 1, 2, 3, 4, 5].filter(i, i < size(object.spec.containers) && !object.spec.containers[i].?securityContext.runAsUser.hasValue()).map(i, ['containers', string(i)])"}
- {name: init, expression: "[0, 1, 2, 3, 4, 5].filter(i, i < size(object.spec.?initContainers.orValue([])) && !object.spec.initContainers[i].?securityContext.runAsUser.hasValue()).map(i, ['initContainers', string(i)])"}
- {name: all, expression: "variables.containers + variables.init"}
- {name: bare, expression: "variables.all.filter(i, i[0] == 'containers' ? !has(object.spec.containers[int(i[1])].securityContext) : !has(object.spec.initContainers[int(i[1])].securityContext))"}
"#;
const HAVE_USERS: &str = "object.spec.containers.all(c, c.?securityContext.runAsUser.hasValue()) && object.spec.?initContainers.orValue([]).all(c, c.?securityContext.runAsUser.hasValue())";

pub(super) async fn each_shape_with_users_that_the_platform_assigns(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "each_shape_with_users_that_the_platform_assigns").await?;
    let Some(policy) = Policy::make(lab, &ns, "users", USERS, HAVE_USERS).await? else {
        return Ok(());
    };
    let as_told = Helm::upgrade(lab, &["sidecar.runAsUser=null"]).await?;
    as_told.ok("helm upgrade with sidecar.runAsUser=null")?;
    let compared = compare_all(lab, &ns, &[]).await;
    policy.delete(lab).await?;
    Helm::upgrade(lab, &[]).await?.ok("helm upgrade")?;
    compared
}

/// The API server's own plugin: it sets `Always` in each container, and then looks at each.
pub(super) async fn each_shape_where_images_are_always_pulled(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "each_shape_where_images_are_always_pulled").await?;
    let flags = "--enable-admission-plugins=NodeRestriction,AlwaysPullImages";
    restart_api(lab, &[flags]).await?;
    let compared = async {
        let plain = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "plain"},
            "spec": {"containers": [{"name": "app", "image": "app", "imagePullPolicy": "IfNotPresent"}]}});
        let made = dry_run(lab, &ns, &plain).await?;
        let policy = made.map(|p| p["spec"]["containers"][0]["imagePullPolicy"].clone());
        ensure!(
            policy == Ok(json!("Always")),
            "the plugin is not on: {policy:?}"
        );
        compare_all(lab, &ns, &[]).await
    };
    let compared = compared.await;
    restart_api(lab, &[]).await?;
    compared
}

async fn restart_api(lab: &Lab, flags: &[&str]) -> Result<()> {
    lab.program("kill", "apiserver").await?;
    lab.start_program("apiserver", flags).await?;
    // The operator's webhook is asked as soon as it has its LicenseServers again.
    eventually("the API server admits", within(60), async || {
        let o = lab.kubectl("get --raw /readyz").await?;
        so(o.success, || o.err)
    })
    .await
}

async fn in_namespace(lab: &Lab, ns: &str, yaml: &str) -> Result<()> {
    let apply = ["-n", ns, "apply", "-f", "-"];
    let made = crate::lab::run("kubectl", &apply, Some(yaml)).await?;
    made.ok("making a LimitRange or a quota")?;
    // The quota is known to the API server once its controller has counted.
    let get = format!("-n {ns} get resourcequota -o jsonpath={{.items[*].status.hard}}");
    if !yaml.contains("ResourceQuota") {
        return Ok(());
    }
    eventually("the quota is counted", within(30), async || {
        let counted = lab.kubectl(&get).await?.out;
        so(!counted.trim().is_empty(), || counted)
    })
    .await
}

async fn admitted(lab: &Lab, ns: &str, pod: &serde_json::Value) -> Result<()> {
    let made = dry_run(lab, ns, pod).await?;
    made.map(drop).map_err(|e| anyhow::anyhow!("refused: {e}"))
}

/// Once whoever refuses it knows why.
async fn refused(lab: &Lab, ns: &str, pod: &serde_json::Value, words: &str) -> Result<()> {
    let what = format!("a pod is refused, and {words:?} is said");
    eventually(&what, within(20), async || {
        let said = dry_run(lab, ns, pod)
            .await?
            .map_or_else(|e| e, |_| "admitted".into());
        so(said.contains(words), || said)
    })
    .await
}

/// A policy that changes pods of one namespace, and one that looks at them afterwards.
struct Policy {
    name: String,
}

impl Policy {
    /// `None`, and said, where the cluster is too old for it.
    async fn make(
        lab: &Lab,
        ns: &str,
        name: &str,
        changes: &str,
        looks: &str,
    ) -> Result<Option<Self>> {
        let known = lab
            .kubectl("api-resources --api-group=admissionregistration.k8s.io -o name")
            .await?
            .ok("asking what there is")?;
        if !known.contains("mutatingadmissionpolicies") {
            println!("  left out: this Kubernetes has no MutatingAdmissionPolicy");
            return Ok(None);
        }
        let name = format!("{name}.e2e.mooring.dev");
        let rules = "{resourceRules: [{apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [CREATE]}]}";
        let here = format!(
            "{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {ns}}}}}}}"
        );
        let indented = changes.trim().replace('\n', "\n  ");
        let yaml = format!(
            "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingAdmissionPolicy\nmetadata: {{name: {name}}}\nspec:\n  failurePolicy: Fail\n  \
             reinvocationPolicy: IfNeeded\n  matchConstraints: {rules}\n  {indented}\n---\n\
             apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingAdmissionPolicyBinding\nmetadata: {{name: {name}}}\nspec: {{policyName: {name}, matchResources: {here}}}\n---\n\
             apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata: {{name: {name}}}\nspec:\n  failurePolicy: Fail\n  matchConstraints: {rules}\n  \
             validations: [{{expression: \"{looks}\", message: the platform looks again}}]\n---\n\
             apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nmetadata: {{name: {name}}}\nspec: {{policyName: {name}, validationActions: [Deny], matchResources: {here}}}\n"
        );
        lab.apply(&yaml).await?.ok("making policies")?;
        let this = Self { name };
        let effective = this.in_force(lab, ns).await;
        if effective.is_err() {
            this.delete(lab).await?;
        }
        effective.map(|()| Some(this))
    }

    /// Waits until a pod without Mooring is changed by it: the look at it then says nothing.
    async fn in_force(&self, lab: &Lab, ns: &str) -> Result<()> {
        let plain = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "plain"}, "spec": {"containers": [{"name": "app", "image": "app"}]}});
        let what = format!("policy {} is in force", self.name);
        eventually(&what, within(30), async || {
            let made = dry_run(lab, ns, &plain).await?;
            let c = made.map(|p| p["spec"]["containers"][0].clone());
            let changed = c.as_ref().is_ok_and(|c| {
                c["securityContext"]["runAsUser"].is_i64()
                    || c["image"]
                        .as_str()
                        .is_some_and(|i| i.starts_with("mirror.local/"))
            });
            so(changed, || format!("{c:?}"))
        })
        .await
    }

    async fn delete(&self, lab: &Lab) -> Result<()> {
        let kinds = "mutatingadmissionpolicybinding,mutatingadmissionpolicy,validatingadmissionpolicybinding,validatingadmissionpolicy";
        let deleted = lab.kubectl(format!("delete {kinds} {} --ignore-not-found", self.name));
        deleted.await?.ok("deleting policies").map(drop)
    }
}
