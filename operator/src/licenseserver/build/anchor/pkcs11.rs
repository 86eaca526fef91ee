//! A token behind a PKCS#11 module: its PIN, and the device, which goes to the one container that
//! opens it.

use super::needs::Needs;
use crate::licenseserver::build::paths::mounted;
use mooring_api::Pkcs11;
use mooring_config::{AnchorConfig, Pkcs11Config};

pub(super) fn needs<'a>(spec: &'a Pkcs11, folder: &str) -> Needs<'a> {
    let pin = format!("{folder}pin/pin");
    Needs {
        config: AnchorConfig::Pkcs11(Pkcs11Config {
            module: (&spec.module).into(),
            token_label: spec.token_label.clone(),
            pin_file: Some(mounted(&pin)),
        }),
        secret: (&spec.pin_secret.name, &spec.pin_secret.key, pin),
        device: spec.device_resource.as_deref(),
        pcscd: spec.pcscd.as_ref(),
        host: &[],
        user: None,
    }
}
