//! What became of the logins to a server's tokens, kept over its pods: in the ConfigMap that the
//! next pod mounts, since a pod's own `stateDir` ends with it.

use super::build::LOGINS_FILE;
use crate::connection::Snapshot;
use k8s_openapi::api::core::v1::ConfigMap;
use mooring_core::wire::Logins;

/// What is kept, with what the server has told since. That it tells nothing, as before its first
/// login, takes nothing back.
pub fn logins(kept: Option<&ConfigMap>, snapshot: &Snapshot) -> Logins {
    let mut logins = kept.map(read).unwrap_or_default();
    let told = snapshot.state.iter().flat_map(|s| &s.anchor.logins);
    logins.extend(told.map(|(role, login)| (*role, login.clone())));
    logins
}

/// Whether the server has told what is not kept yet.
pub fn are_new(kept: Option<&ConfigMap>, snapshot: &Snapshot) -> bool {
    kept.is_some_and(|map| read(map) != logins(Some(map), snapshot))
}

/// What somebody else has spoilt is known no more.
fn read(map: &ConfigMap) -> Logins {
    let text = map.data.as_ref().and_then(|d| d.get(LOGINS_FILE));
    let read = text.and_then(|t| serde_json::from_str(t).ok());
    read.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use mooring_core::wire::{AnchorRole, Login, PinVerdict, ServerState};
    use serde_json::json;
    use std::collections::BTreeMap;

    fn login(content: &str) -> Login {
        Login {
            content: Some(content.into()),
            unclear: 0,
            verdict: Some(PinVerdict::Rejected),
            accepted_by: None,
        }
    }

    fn says(logins: &Logins) -> Snapshot {
        let state: ServerState = serde_json::from_value(json!({
            "instance": "00".repeat(16), "version": "1", "licenseValid": true, "licenseReason": "Valid",
            "licenseMessage": "", "settling": false, "renews": true, "leaseForSecs": 30,
            "anchor": { "kind": "pkcs11", "present": false, "reason": "PinRejected", "message": "", "logins": logins }
        }))
        .unwrap();
        Snapshot {
            state: Some(state),
            ..Snapshot::default()
        }
    }

    fn map(text: &str) -> ConfigMap {
        ConfigMap {
            data: Some(BTreeMap::from([(LOGINS_FILE.into(), text.into())])),
            ..ConfigMap::default()
        }
    }

    #[test]
    fn what_a_server_tells_is_kept_and_its_silence_takes_nothing_back() {
        let one = Logins::from([(AnchorRole::Anchor, login("a"))]);
        let none = map("{}");
        assert!(are_new(Some(&none), &says(&one)));
        let kept = map(&serde_json::to_string(&logins(Some(&none), &says(&one))).unwrap());
        assert!(!are_new(Some(&kept), &says(&one)));
        // The next pod, before its first login; then its standby's.
        assert_eq!(logins(Some(&kept), &says(&Logins::new())), one);
        assert_eq!(logins(Some(&kept), &Snapshot::default()), one);
        let standby = Logins::from([(AnchorRole::Standby, login("b"))]);
        assert_eq!(logins(Some(&kept), &says(&standby)).len(), 2);
        // Nothing to keep it in yet, or spoilt.
        assert!(!are_new(None, &says(&one)));
        assert_eq!(logins(Some(&map("x")), &says(&one)), one);
    }
}
