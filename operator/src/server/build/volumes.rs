//! What the pod's containers read and write.

use super::Inputs;
use super::anchor;
use super::config::{ANCHOR_FOLDERS, ANCHOR_KEY_FILE, CONFIG_FILE, PIN_FILE, POLICIES_FILE};
use k8s_openapi::api::core::v1::{
    ConfigMapProjection, ConfigMapVolumeSource, EmptyDirVolumeSource, HostPathVolumeSource,
    KeyToPath, ProjectedVolumeSource, SecretProjection, SecretVolumeSource, Volume,
    VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use mooring_api::{AnchorKind, VendorKeys};

/// Read by owner and group: the server's group is the pod's `fsGroup`.
const MODE: i32 = 0o440;

/// All that the server reads is one projected volume: it changes as a whole, and its optional parts (license, PIN,
/// key) may come later: the server then says what is missing, where a missing Secret would leave the pod stuck.
pub(super) fn volumes(i: &Inputs<'_>) -> Vec<Volume> {
    let spec = &i.server.spec;
    let item = |key: &str, path: &str| KeyToPath {
        key: key.into(),
        path: path.into(),
        mode: None,
    };
    let items =
        |pairs: &[(&str, &str)]| Some(pairs.iter().map(|(k, p)| item(k, p)).collect::<Vec<_>>());
    let secret = |name: &str, pairs: &[(&str, &str)], optional: bool| VolumeProjection {
        secret: Some(SecretProjection {
            name: name.into(),
            items: items(pairs),
            optional: Some(optional),
        }),
        ..VolumeProjection::default()
    };
    let config = ConfigMapProjection {
        name: i.reference.child("config"),
        items: items(&[(CONFIG_FILE, CONFIG_FILE), (POLICIES_FILE, POLICIES_FILE)]),
        optional: Some(false),
    };
    let tls = &[
        ("tls.crt", "tls/tls.crt"),
        ("tls.key", "tls/tls.key"),
        ("ca.crt", "tls/ca.crt"),
    ];
    let mut sources = vec![
        VolumeProjection {
            config_map: Some(config),
            ..VolumeProjection::default()
        },
        secret(&i.reference.child("tls"), tls, false),
        secret(
            &i.reference.child("identity"),
            &[("key", "identity/key")],
            false,
        ),
        secret(
            &spec.license.secret_name,
            // Optional as a whole: a key that is not there leaves the other.
            &[
                (&spec.license.key, "license/license.mooring"),
                (&spec.license.revocations_key, "license/revocations.mooring"),
            ],
            true,
        ),
    ];
    for (anchor, folder) in spec.anchors().zip(ANCHOR_FOLDERS) {
        if let Some(p) = &anchor.pkcs11 {
            let (pin, at) = (&p.pin_secret, format!("{folder}{PIN_FILE}"));
            sources.push(secret(&pin.name, &[(&pin.key, &at)], true));
        }
        if let Some(k) = anchor.kind().as_ref().and_then(AnchorKind::key_secret) {
            let at = format!("{folder}{ANCHOR_KEY_FILE}");
            sources.push(secret(&k.name, &[(&k.key, &at)], true));
        }
    }
    let state = EmptyDirVolumeSource::default();
    let tmp = EmptyDirVolumeSource {
        medium: None,
        size_limit: Some(Quantity("64Mi".into())),
    };
    let projected = ProjectedVolumeSource {
        default_mode: Some(MODE),
        sources: Some(sources),
    };
    let mut volumes = vec![
        Volume {
            name: "config".into(),
            projected: Some(projected),
            ..Volume::default()
        },
        Volume {
            name: "state".into(),
            empty_dir: Some(state),
            ..Volume::default()
        },
        Volume {
            name: "tmp".into(),
            empty_dir: Some(tmp),
            ..Volume::default()
        },
    ];
    volumes.extend(spec.vendor_keys.as_ref().map(vendor_keys));
    volumes.extend(anchor::volumes(spec));
    volumes.extend(
        spec.template
            .host_paths
            .iter()
            .enumerate()
            .map(|(n, h)| Volume {
                name: format!("host-{n}"),
                host_path: Some(HostPathVolumeSource {
                    path: h.path.clone(),
                    type_: None,
                }),
                ..Volume::default()
            }),
    );
    volumes
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
