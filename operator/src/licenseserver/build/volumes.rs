//! What the pod's containers read and write.

use super::anchor;
use super::inputs::Inputs;
use super::paths::{CONFIG_FILE, POLICIES_FILE};
use k8s_openapi::api::core::v1::{
    ConfigMapProjection, ConfigMapVolumeSource, EmptyDirVolumeSource, HostPathVolumeSource,
    KeyToPath, ProjectedVolumeSource, SecretProjection, SecretVolumeSource, Volume,
    VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use mooring_api::VendorKeys;

/// Read by owner and group: the server's group is the pod's `fsGroup`.
const MODE: i32 = 0o440;

/// All volumes.
pub(super) fn volumes(i: &Inputs<'_>) -> Vec<Volume> {
    let spec = &i.server.spec;
    let projected = ProjectedVolumeSource {
        default_mode: Some(MODE),
        sources: Some(sources(i)),
    };
    let empty = |name: &str, limit: Option<&str>| Volume {
        name: name.into(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: None,
            size_limit: limit.map(|l| Quantity(l.into())),
        }),
        ..Volume::default()
    };
    let mut volumes = vec![
        Volume {
            name: "config".into(),
            projected: Some(projected),
            ..Volume::default()
        },
        empty("state", None),
        empty("tmp", Some("64Mi")),
    ];
    volumes.extend(spec.vendor_keys.as_ref().map(vendor_keys));
    volumes.extend(anchor::volumes(spec));
    let hosts = spec.template.host_paths.iter().enumerate();
    volumes.extend(hosts.map(|(n, h)| Volume {
        name: format!("host-{n}"),
        host_path: Some(HostPathVolumeSource {
            path: h.path.clone(),
            type_: None,
        }),
        ..Volume::default()
    }));
    volumes
}

/// All that the server reads is one projected volume: it changes as a whole, and its optional parts
/// (license, PIN, key) may come later: the server then says what is missing, where a missing Secret
/// would leave the pod stuck.
fn sources(i: &Inputs<'_>) -> Vec<VolumeProjection> {
    let spec = &i.server.spec;
    let config = ConfigMapProjection {
        name: i.reference.child("config"),
        items: Some(items(&[
            (CONFIG_FILE, CONFIG_FILE),
            (POLICIES_FILE, POLICIES_FILE),
        ])),
        optional: Some(false),
    };
    let tls = [
        ("tls.crt", "tls/tls.crt"),
        ("tls.key", "tls/tls.key"),
        ("ca.crt", "tls/ca.crt"),
    ];
    // Optional as a whole: a key that is not there leaves the other.
    let license = [
        (spec.license.key.as_str(), "license/license.mooring"),
        (
            spec.license.revocations_key.as_str(),
            "license/revocations.mooring",
        ),
    ];
    let mut sources = vec![
        VolumeProjection {
            config_map: Some(config),
            ..VolumeProjection::default()
        },
        secret(&i.reference.child("tls"), &tls, false),
        secret(
            &i.reference.child("identity"),
            &[("key", "identity/key")],
            false,
        ),
        secret(&spec.license.secret_name, &license, true),
    ];
    for needs in anchor::needs(spec).unwrap_or_default() {
        let (name, key, path) = &needs.secret;
        sources.push(secret(name, &[(key, path)], true));
    }
    sources
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
    let config_map = keys
        .config_map_name
        .as_ref()
        .map(|name| ConfigMapVolumeSource {
            name: name.clone(),
            optional: Some(true),
            ..ConfigMapVolumeSource::default()
        });
    let secret = keys
        .secret_name
        .as_ref()
        .filter(|_| config_map.is_none())
        .map(|name| SecretVolumeSource {
            secret_name: Some(name.clone()),
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
