//! What the pod's containers read and write.

use super::anchor;
use super::inputs::Inputs;
use super::paths::{
    CLIENT_KEYS_FILE, CONFIG_FILE, ISSUERS_FILE, POLICIES_FILE, REVOCATIONS_FILE, REVOKED_FILE,
};
use crate::container::{empty_dir, host_path};
use crate::licenseserver::certificate::EARLIER;
use k8s_openapi::api::core::v1::{
    ConfigMapProjection, ConfigMapVolumeSource, KeyToPath, ProjectedVolumeSource, SecretProjection,
    SecretVolumeSource, ServiceAccountTokenProjection, Volume, VolumeProjection,
};
use mooring_api::VendorKeys;

/// Read by owner and group: the server's group is the pod's `fsGroup`.
const MODE: i32 = 0o440;
/// The volume with the server's service account.
pub(super) const SERVICE_ACCOUNT: &str = "service-account";
/// How long its token is good; the kubelet replaces it before.
const TOKEN_SECS: i64 = 3600;
/// The ConfigMap that Kubernetes puts into each namespace: whom clients of the API server trust.
const CLUSTER_ROOTS: &str = "kube-root-ca.crt";

/// All volumes.
pub(super) fn volumes(i: &Inputs<'_>) -> Vec<Volume> {
    let spec = &i.server.spec;
    let config = Volume {
        name: "config".into(),
        projected: Some(ProjectedVolumeSource {
            default_mode: Some(MODE),
            sources: Some(sources(i)),
        }),
        ..Volume::default()
    };
    let mut volumes = vec![
        config,
        service_account(),
        empty_dir("state", false, None),
        empty_dir("tmp", false, Some("64Mi")),
    ];
    volumes.extend(spec.vendor_keys.as_ref().map(vendor_keys));
    volumes.extend(anchor::volumes(spec));
    let hosts = spec.template.host_paths.iter().enumerate();
    volumes.extend(
        hosts.map(|(n, h)| host_path(&format!("host-{n}"), &h.path, Some(h.type_.as_str()))),
    );
    volumes
}

/// The service account as a pod gets it by itself, but for the server's container alone: a token of
/// an hour for the API server, and whom to trust.
fn service_account() -> Volume {
    let token = ServiceAccountTokenProjection {
        path: "token".into(),
        expiration_seconds: Some(TOKEN_SECS),
        audience: None,
    };
    let roots = ConfigMapProjection {
        name: CLUSTER_ROOTS.into(),
        items: Some(items(&[("ca.crt", "ca.crt")])),
        optional: Some(false),
    };
    let sources = vec![
        VolumeProjection {
            service_account_token: Some(token),
            ..VolumeProjection::default()
        },
        VolumeProjection {
            config_map: Some(roots),
            ..VolumeProjection::default()
        },
    ];
    Volume {
        name: SERVICE_ACCOUNT.into(),
        projected: Some(ProjectedVolumeSource {
            default_mode: Some(MODE),
            sources: Some(sources),
        }),
        ..Volume::default()
    }
}

/// All that the server reads is one projected volume: it changes as a whole, and its optional parts
/// (license, PIN, key) may come later: the server then says what is missing, where a missing Secret
/// would leave the pod stuck.
fn sources(i: &Inputs<'_>) -> Vec<VolumeProjection> {
    let spec = &i.server.spec;
    let files = [CONFIG_FILE, POLICIES_FILE].map(|f| (f, f));
    let config = ConfigMapProjection {
        name: i.reference.child("config"),
        items: Some(items(&files)),
        optional: Some(false),
    };
    let tls = [
        ("tls.crt", "tls/tls.crt"),
        ("tls.key", "tls/tls.key"),
        ("ca.crt", "tls/ca.crt"),
    ];
    let identity = [("key", "identity/key")];
    let mut sources = vec![
        VolumeProjection {
            config_map: Some(config),
            ..VolumeProjection::default()
        },
        secret(&i.reference.child("tls"), &tls, false),
        secret(&i.reference.child("identity"), &identity, false),
    ];
    for (i, l) in spec.licenses.iter().enumerate() {
        let file = license_file(i);
        sources.push(secret(&l.secret_name, &[(&l.key, &file)], true));
    }
    let list = spec.revocations();
    sources.extend(list.map(|l| secret(&l.secret_name, &[(&l.key, REVOCATIONS_FILE)], true)));
    for needs in anchor::needs(spec).unwrap_or_default() {
        let (name, key, path) = &needs.secret;
        sources.push(secret(name, &[(key, path)], true));
    }
    if let Some(c) = &spec.clients {
        // Optional as a whole: a key that is not there leaves the other.
        let keys = [
            (c.keys_key.as_str(), CLIENT_KEYS_FILE),
            (c.issuers_key.as_str(), ISSUERS_FILE),
            (c.revoked_key.as_str(), REVOKED_FILE),
        ];
        sources.extend(c.secret_name.as_ref().map(|n| secret(n, &keys, true)));
        let in_map = c.config_map_name.as_ref().map(|name| ConfigMapProjection {
            name: name.clone(),
            items: Some(items(&keys)),
            optional: Some(true),
        });
        sources.extend(in_map.map(|map| VolumeProjection {
            config_map: Some(map),
            ..VolumeProjection::default()
        }));
    }
    // Mostly not there.
    let earlier = [(EARLIER, "tls/earlier.pem")];
    sources.push(secret(&i.reference.child("tls"), &earlier, true));
    sources
}

/// Where the server finds its i-th license file.
pub(super) fn license_file(i: usize) -> String {
    format!("license/{i}.mooring")
}

fn items(pairs: &[(&str, &str)]) -> Vec<KeyToPath> {
    let item = |(key, path): &(&str, &str)| KeyToPath {
        key: (*key).into(),
        path: (*path).into(),
        mode: None,
    };
    pairs.iter().map(item).collect()
}

fn secret(name: &str, pairs: &[(&str, &str)], optional: bool) -> VolumeProjection {
    VolumeProjection {
        secret: Some(SecretProjection {
            name: name.into(),
            items: Some(items(pairs)),
            optional: Some(optional),
        }),
        ..VolumeProjection::default()
    }
}

/// Each key of it is read, whatever its name: a volume of its own.
fn vendor_keys(keys: &VendorKeys) -> Volume {
    let in_map = keys.config_map_name.clone();
    let in_secret = keys.secret_name.clone().filter(|_| in_map.is_none());
    let config_map = in_map.map(|name| ConfigMapVolumeSource {
        name,
        optional: Some(true),
        ..ConfigMapVolumeSource::default()
    });
    let secret = in_secret.map(|name| SecretVolumeSource {
        secret_name: Some(name),
        optional: Some(true),
        ..SecretVolumeSource::default()
    });
    Volume {
        name: "vendor-keys".into(),
        config_map,
        secret,
        ..Volume::default()
    }
}
