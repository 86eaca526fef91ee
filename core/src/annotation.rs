//! Every annotation of a pod that Mooring reads or writes, in one table.
//!
//! The webhook reads pods and writes the sidecar's environment by it, the sidecar names its flags'
//! variables by it; the table in docs/pods.md and the chart's list of keys are made from it.

#[derive(Debug)]
pub struct Annotation {
    /// Its key, with the prefix.
    pub key: &'static str,
    /// The variable by which the sidecar learns its value. `None`: the value is the webhook's
    /// alone.
    pub env: Option<&'static str>,
    /// What the variable is where the annotation is not there.
    pub default: Option<&'static str>,
    /// The words that it may be. None: it has a grammar of its own.
    pub words: &'static [&'static str],
    /// What it means, in Markdown. `None`: nobody writes it by hand.
    pub doc: Option<&'static str>,
}

pub const PREFIX: &str = "mooring.dev/";

/// What stands between the entries of a list of the sidecar's, of which each is one server's.
pub const ENTRY_END: char = ';';
/// The most license servers that a claim stands in line at: each is asked, and renewed with, anew.
pub const MAX_SERVERS: usize = 8;

const PLAIN: Annotation = Annotation {
    key: PREFIX,
    env: None,
    default: None,
    words: &[],
    doc: None,
};

/// The opt-in.
pub const LICENSES: Annotation = Annotation {
    key: "mooring.dev/licenses",
    env: Some("MOORING_LICENSES"),
    doc: Some(
        "what is asked for: products, each with an optional `@version` and `:seats`, separated by commas. All of it or nothing. A product is named as in the license, in whatever case",
    ),
    ..PLAIN
};

/// Which LicenseServers. What the sidecar is told are the servers' addresses, which the webhook
/// looks up.
pub const SERVER: Annotation = Annotation {
    key: "mooring.dev/server",
    doc: Some(
        "the LicenseServers, each `name` or `namespace/name`, separated by commas, 8 at most: the pod stands in the [lines of all](#several-license-servers). Without it those that have the products; else the chart's default, or the only one in the pod's namespace",
    ),
    ..PLAIN
};

/// What to do at the start with no server in reach.
pub const START: Annotation = Annotation {
    key: "mooring.dev/start",
    env: Some("MOORING_START"),
    default: Some("optimistic"),
    words: crate::policy::Start::WORDS,
    doc: Some(
        "`optimistic` (default): start if the server is silent for 15 s, wait if it answers, whatever it says; the license may forbid that, or ask for a voucher of the vendor's. `licensed`: wait for a lease",
    ),
};

/// Where the pod waits.
pub const WAIT: Annotation = Annotation {
    key: "mooring.dev/wait",
    words: &["startup", "none", "scheduling"],
    doc: Some(
        "`startup` (default): the pod is scheduled, its containers wait. `scheduling`: it is not even scheduled before its seats are [reserved](#waiting-before-scheduling), and takes no node. `none`: its containers start at once, and the application asks the socket itself",
    ),
    ..PLAIN
};

/// Which pods get their seats together, or none.
pub const GROUP: Annotation = Annotation {
    key: "mooring.dev/group",
    doc: Some(
        "with `wait: scheduling`: the name of a [group](#groups) of pods of this namespace that get their seats together, or none of them any",
    ),
    ..PLAIN
};

pub const GROUP_SIZE: Annotation = Annotation {
    key: "mooring.dev/group-size",
    doc: Some("how many pods the group has, 2 to 1000; the same on all of them"),
    ..PLAIN
};

/// Under which name a pod waits in line, for the one that comes in its stead.
pub const PLACE: Annotation = Annotation {
    key: "mooring.dev/place",
    doc: Some(
        "the name of a [place in line](#a-place-that-outlives-its-pod) of this namespace: when a pod goes that waits, its place is kept for three minutes for the next pod of that name",
    ),
    ..PLAIN
};

/// What must come before the gate.
pub const GATE_AFTER: Annotation = Annotation {
    key: "mooring.dev/gate-after",
    doc: Some(
        "init containers that run before the seat is asked for, separated by commas: the sidecar and the gate go behind the last of them",
    ),
    ..PLAIN
};

pub const CONTAINERS: Annotation = Annotation {
    key: "mooring.dev/containers",
    doc: Some("which containers get the socket, separated by commas; all without it"),
    ..PLAIN
};

pub const ON_LOSS: Annotation = Annotation {
    key: "mooring.dev/on-loss",
    words: crate::policy::OnLoss::WORDS,
    doc: Some(
        "`keep` (default): the application decides. `stop`: the pod is [evicted](#when-the-license-is-lost) when its license is lost",
    ),
    ..PLAIN
};

/// What its seats are used for.
pub const PROJECT: Annotation = Annotation {
    key: "mooring.dev/project",
    env: Some("MOORING_PROJECT"),
    doc: Some(
        "what its seats are used for, for metrics, the audit log and reports: 1 to 63 of a-z, 0-9 and `-`. A [policy](policies.md#projects) goes by it only where the namespace allows that",
    ),
    ..PLAIN
};

/// Of a namespace: the projects that its pods may name to a policy, with commas between them.
pub const PROJECTS: &str = "mooring.dev/projects";

pub const SIDECAR_MEMORY: Annotation = Annotation {
    key: "mooring.dev/sidecar-memory",
    doc: Some("request and limit of the sidecar's memory, such as `32Mi`"),
    ..PLAIN
};

pub const SIDECAR_CPU: Annotation = Annotation {
    key: "mooring.dev/sidecar-cpu",
    doc: Some("request and limit of the sidecar's CPU, such as `10m`"),
    ..PLAIN
};

/// How much the sidecar logs.
pub const LOG_LEVEL: Annotation = Annotation {
    key: "mooring.dev/log-level",
    env: Some("MOORING_LOG"),
    words: &["error", "warn", "info", "debug", "trace"],
    doc: Some(
        "what the sidecar logs: `error`, `warn`, `info`, `debug` or `trace`. Without it the chart's `sidecar.log`",
    ),
    ..PLAIN
};

/// Written by Kueue on the pods of a Workload that has its seats, for people: its name. Never
/// trusted.
pub const RESERVATION: Annotation = Annotation {
    key: "mooring.dev/reservation",
    ..PLAIN
};

/// Written by the webhook, never trusted.
pub const INJECTED: Annotation = Annotation {
    key: "mooring.dev/injected",
    ..PLAIN
};

pub const ALL: [Annotation; 16] = [
    LICENSES,
    SERVER,
    START,
    WAIT,
    GROUP,
    GROUP_SIZE,
    PLACE,
    GATE_AFTER,
    CONTAINERS,
    ON_LOSS,
    PROJECT,
    SIDECAR_MEMORY,
    SIDECAR_CPU,
    LOG_LEVEL,
    RESERVATION,
    INJECTED,
];

impl Annotation {
    /// The variable by which the sidecar learns its value, for those that it learns.
    pub const fn variable(&self) -> &'static str {
        match self.env {
            Some(name) => name,
            None => "",
        }
    }

    /// The key without the prefix that all have.
    pub fn short(&self) -> &'static str {
        self.key.strip_prefix(PREFIX).unwrap_or(self.key)
    }
}

impl std::fmt::Display for Annotation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_stands_once_and_each_default_is_a_word() {
        for (i, a) in ALL.iter().enumerate() {
            assert!(a.key.starts_with(PREFIX) && a.short().len() > 1, "{a:?}");
            assert!(ALL[i + 1..].iter().all(|b| b.key != a.key), "{a:?}");
            assert!(
                a.default.is_none_or(|d| a.words.contains(&d)),
                "{a:?}: the default is none of the words"
            );
        }
    }
}
