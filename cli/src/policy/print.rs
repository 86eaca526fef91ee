//! Policies, as text. Pure.

use crate::output::{list, or_dash, problems, table};
use mooring_api::{GroupStatus, PolicyOnServer};
use mooring_core::wire::{PolicyTest, PolicyView};

/// Who is in no group.
pub const NO_GROUP: &str = "(none)";

/// What was tried out on the license servers of a cluster.
#[derive(Debug)]
pub struct Tried {
    pub policy: String,
    pub servers: Vec<PolicyOnServer>,
    /// Conditions that are not as they should be, in words.
    pub wrong: Vec<String>,
}

/// `mooring policy --server https://…`.
pub fn in_force(url: &str, policy: Option<&PolicyView>) -> String {
    let Some(p) = policy else {
        return format!(
            "No policy is in force on {url}, or its groups are not yours to see (an administrator's: `admins` of its configuration).\n"
        );
    };
    let groups: Vec<GroupStatus> = p.groups.iter().map(GroupStatus::from).collect();
    let unknown: Vec<String> = p.unknown_pools.iter().map(ToString::to_string).collect();
    let wrong: Vec<String> = unknown_pools(&unknown).into_iter().collect();
    format!(
        "Policy {} is in force on {url}.\n\n{}{}",
        p.name,
        uses(&groups),
        problems(&wrong)
    )
}

/// Whether there is anything to say of a group: it has seats, or a right of its own.
pub fn says(g: &GroupStatus) -> bool {
    g.owned > 0 || g.used > 0 || g.max.is_some()
}

fn uses(groups: &[GroupStatus]) -> String {
    let row = |g: &GroupStatus| {
        vec![
            g.group.clone().unwrap_or_else(|| NO_GROUP.to_owned()),
            g.pool.clone(),
            g.owned.to_string(),
            g.used.to_string(),
            or_dash(g.max),
        ]
    };
    let rows: Vec<_> = groups.iter().filter(|g| says(g)).map(row).collect();
    if rows.is_empty() {
        return "No group owns or has anything.\n".to_owned();
    }
    table(&["GROUP", "POOL", "OWNED", "USED", "MAX"], &rows)
}

fn unknown_pools(pools: &[String]) -> Option<String> {
    (!pools.is_empty()).then(|| format!("no license has pools of these names: {}", list(pools)))
}

/// `mooring policy test --server https://…`.
pub fn tried_by(url: &str, policy: &str, test: &PolicyTest) -> String {
    let on = PolicyOnServer {
        name: url.to_owned(),
        tried: true,
        groups: test.groups.iter().map(GroupStatus::from).collect(),
        unknown_pools: test.unknown_pools.iter().map(ToString::to_string).collect(),
        would_change: test.changes.iter().map(ToString::to_string).collect(),
        would_change_more: Some(test.more).filter(|n| *n > 0),
        ..PolicyOnServer::default()
    };
    of_server(policy, &on)
}

/// `mooring policy test`.
pub fn tried(t: &Tried) -> String {
    let each = t.servers.iter().map(|s| of_server(&t.policy, s));
    let all: Vec<String> = each.collect();
    all.join("\n") + &problems(&t.wrong)
}

fn of_server(policy: &str, s: &PolicyOnServer) -> String {
    let name = &s.name;
    if !s.tried {
        let why = s.message.as_deref().unwrap_or("nothing was said of it");
        return format!("{name}: {why}\n");
    }
    let mut out = if s.would_change.is_empty() {
        format!("On {name} no claim would stand otherwise under policy {policy}.\n")
    } else {
        let more = s.would_change_more.unwrap_or(0);
        let more = if more > 0 {
            format!("  and {more} more\n")
        } else {
            String::new()
        };
        let lines = s.would_change.join("\n  ");
        format!("On {name} policy {policy} would change, now:\n  {lines}\n{more}")
    };
    out += "\nWhat each group would have then:\n";
    out += &uses(&s.groups);
    let wrong: Vec<String> = unknown_pools(&s.unknown_pools).into_iter().collect();
    out + &problems(&wrong)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    fn test(changes: &serde_json::Value, more: u32) -> PolicyTest {
        serde_json::from_value(json!({
            "changes": changes, "more": more, "unknownPools": ["cfd"],
            "groups": [{ "group": "film", "pool": "render", "owned": 3, "used": 2 }, { "pool": "render", "owned": 0, "max": 1, "used": 0 }]
        }))
        .unwrap()
    }

    #[test]
    fn each_change_is_a_line_and_the_groups_a_table() {
        let change = json!([{
            "lease": "0a".repeat(16), "claim": "extra", "holder": { "kind": "external", "subject": "anna" },
            "items": [{ "product": "render", "seats": 2 }], "now": "holds", "then": "calledBack", "message": "policy shares: …"
        }]);
        assert_eq!(
            tried_by("https://x:1", "shares", &test(&change, 3)),
            "On https://x:1 policy shares would change, now:
  anna claim extra (2 render): holds -> calledBack: policy shares: …
  and 3 more

What each group would have then:
GROUP    POOL     OWNED   USED   MAX
film     render   3       2      -
(none)   render   0       0      1

Problems
  no license has pools of these names: cfd
"
        );
        let none = tried_by("https://x:1", "shares", &test(&json!([]), 0));
        assert!(
            none.starts_with(
                "On https://x:1 no claim would stand otherwise under policy shares.\n"
            )
        );
    }
}
