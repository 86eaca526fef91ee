//! What is written down of owners' claims when an operator ends, for the next one: what the license
//! server gave for them. That matters where the license server starts anew in the same minutes
//! (both may be on a node that is drained): else what nobody has taken yet would be lost with them.

use super::memory::OwnersMemory;
use mooring_core::ledger::OWNER_SILENCE;
use mooring_core::time::{Now, Timestamp};
use mooring_core::wire::OwnerClaim;
use serde::{Deserialize, Serialize};

/// The longest text for one license server: a ConfigMap has a megabyte.
const MOST: usize = 256 * 1024;

#[derive(Debug, Serialize, Deserialize)]
struct Saved {
    written: Timestamp,
    claims: Vec<OwnerClaim>,
}

/// The claims of a license server as text; `None` if there is nothing to be kept.
pub fn saved(memory: &OwnersMemory, now: Now) -> Option<String> {
    let mut claims = memory.to_be_kept(now.boot);
    loop {
        if claims.is_empty() {
            return None;
        }
        let all = Saved {
            written: now.wall,
            claims,
        };
        let text = serde_json::to_string(&all).ok()?;
        if text.len() <= MOST {
            return Some(text);
        }
        claims = all.claims;
        claims.truncate(claims.len() / 2);
    }
}

/// What another operator wrote, as long as its claims may stand.
pub fn restored(text: &str, now: Timestamp) -> Vec<OwnerClaim> {
    let Ok(Saved { written, claims }) = serde_json::from_str(text) else {
        return Vec::new();
    };
    let age = now.duration_since(written).unsigned_abs();
    if age > OWNER_SILENCE {
        return Vec::new();
    }
    let older = |mut c: OwnerClaim| {
        c.sent_ago = c.sent_ago.map(|ago| ago + age);
        c
    };
    claims.into_iter().map(older).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use mooring_core::time::BootTime;
    use serde_json::json;
    use std::time::Duration;

    fn claim(name: &str) -> OwnerClaim {
        serde_json::from_value(json!({
            "owner": {
                "kind": "owner", "namespace": "a", "owner": name, "uid": name,
                "serviceAccount": "s",
            },
            "claim": "owner", "items": [{ "product": "render" }],
            "receipt": "cmVjZWlwdA", "sentAgoMs": 1000,
        }))
        .unwrap()
    }

    fn now(secs: i64, boot: u64) -> Now {
        Now {
            wall: Timestamp::from_second(secs).unwrap(),
            boot: BootTime::from_millis(boot * 1000),
        }
    }

    #[test]
    fn what_was_given_is_shown_by_the_next_operator_and_has_grown_older() {
        let mut memory = OwnersMemory::default();
        memory.restore(vec![claim("Group/g")], BootTime::from_millis(100_000));
        let text = saved(&memory, now(1000, 110)).unwrap();
        let then = restored(&text, Timestamp::from_second(1030).unwrap());
        assert_eq!(then.len(), 1);
        assert_eq!(then[0].sent_ago, Some(Duration::from_secs(41)));
        let mut next = OwnersMemory::default();
        next.restore(then, BootTime::from_millis(5_000_000));
        let shown = next.all(BootTime::from_millis(5_001_000));
        assert_eq!(shown[0].sent_ago, Some(Duration::from_secs(42)));
        assert!(shown[0].receipt.is_some());
        let late = restored(&text, Timestamp::from_second(1301).unwrap());
        assert!(late.is_empty(), "the server has freed them");
        assert!(restored("{", Timestamp::UNIX_EPOCH).is_empty());
        assert_eq!(saved(&OwnersMemory::default(), now(0, 0)), None);
    }

    #[test]
    fn the_text_has_a_bound() {
        let mut memory = OwnersMemory::default();
        let many = (0..5000).map(|n| claim(&format!("Group/{n}")));
        memory.restore(many.collect(), BootTime::from_millis(100_000));
        let text = saved(&memory, now(1000, 110)).unwrap();
        assert!(
            text.len() <= MOST && text.len() > MOST / 4,
            "{}",
            text.len()
        );
    }
}
