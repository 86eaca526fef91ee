//! What a pod says about itself by its `mooring.dev/` annotations (docs/pods.md).

use super::hint::nearest;
use super::quantity::Quantity;
use super::refusal::Refusal;
use mooring_core::policy::Start;
use mooring_core::request::{self, Item};
use std::collections::BTreeMap;

/// All of our keys begin so.
pub const PREFIX: &str = "mooring.dev/";
/// The opt-in.
pub const LICENSES: &str = "mooring.dev/licenses";
/// Which LicenseServer.
pub(super) const SERVER: &str = "mooring.dev/server";
/// What to do when no server can be reached at the start.
pub(super) const START: &str = "mooring.dev/start";
/// Where the pod waits.
pub(super) const WAIT: &str = "mooring.dev/wait";
/// What happens when the lease is lost.
pub(super) const ON_LOSS: &str = "mooring.dev/on-loss";
/// Which containers get the socket.
pub(super) const CONTAINERS: &str = "mooring.dev/containers";
/// The sidecar's memory.
pub(super) const SIDECAR_MEMORY: &str = "mooring.dev/sidecar-memory";
/// The sidecar's CPU.
pub(super) const SIDECAR_CPU: &str = "mooring.dev/sidecar-cpu";
/// Written by the webhook, never trusted.
pub(super) const INJECTED: &str = "mooring.dev/injected";

/// Every key there is.
pub const ALL: [&str; 9] = [
    LICENSES,
    SERVER,
    START,
    WAIT,
    ON_LOSS,
    CONTAINERS,
    SIDECAR_MEMORY,
    SIDECAR_CPU,
    INJECTED,
];

/// Below this a container's start alone is killed for want of memory.
const LEAST_MEMORY: &str = "8Mi";
/// Kubernetes' own least amount of CPU.
const LEAST_CPU: &str = "1m";

/// Where a pod waits for its seats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Scheduled, its containers not started.
    #[default]
    Startup,
    /// Nowhere: the application asks the socket.
    None,
}

/// The name of a LicenseServer as the annotation writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerName {
    /// `None`: the pod's own.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// A container's name in the annotation `containers`, and where it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub name: String,
    /// Its first character, counted from 1.
    pub at: usize,
}

/// A pod's wishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wishes {
    /// The annotation `licenses` as it was written.
    pub licenses: String,
    /// What it asks for.
    pub items: Vec<Item>,
    /// Which server, if it says so.
    pub server: Option<ServerName>,
    /// What to do when no server can be reached.
    pub start: Start,
    /// Where it waits.
    pub wait: Wait,
    /// Which containers get the socket; all without it.
    pub containers: Option<Vec<Named>>,
    /// The sidecar's memory, if it says so.
    pub memory: Option<Quantity>,
    /// The sidecar's CPU, if it says so.
    pub cpu: Option<Quantity>,
}

impl Wishes {
    /// Reads a pod's annotations; `None` if it did not opt in.
    pub fn read(annotations: &BTreeMap<String, String>) -> Result<Option<Self>, Refusal> {
        let get = |key: &str| annotations.get(key).map(String::as_str);
        let Some(licenses) = get(LICENSES) else {
            return Ok(None);
        };
        let items = request::parse(licenses).map_err(|problem| Refusal::Licenses { problem })?;
        let not_yet = |key, value, instead| {
            if get(key) == Some(value) {
                Err(Refusal::NotYet {
                    key,
                    value,
                    instead,
                })
            } else {
                Ok(())
            }
        };
        not_yet(
            WAIT,
            "scheduling",
            "use \"startup\" (the default: the pod is scheduled, its containers wait) or \"none\" (the application asks the socket)",
        )?;
        not_yet(
            ON_LOSS,
            "stop",
            "use \"keep\" (the default: the application reads its state from the socket and decides)",
        )?;
        get(ON_LOSS).map_or(Ok(()), |v| choice(ON_LOSS, v, &[("keep", ())]))?;
        let starts: Vec<_> = Start::ALL.iter().map(|s| (s.as_str(), *s)).collect();
        let start = get(START).map(|v| choice(START, v, &starts));
        let wait =
            get(WAIT).map(|v| choice(WAIT, v, &[("startup", Wait::Startup), ("none", Wait::None)]));
        Ok(Some(Self {
            licenses: licenses.to_owned(),
            items,
            server: get(SERVER).map(server_name).transpose()?,
            start: start.transpose()?.unwrap_or_default(),
            wait: wait.transpose()?.unwrap_or_default(),
            containers: get(CONTAINERS).map(names).transpose()?,
            memory: get(SIDECAR_MEMORY)
                .map(|v| amount(SIDECAR_MEMORY, v, LEAST_MEMORY))
                .transpose()?,
            cpu: get(SIDECAR_CPU)
                .map(|v| amount(SIDECAR_CPU, v, LEAST_CPU))
                .transpose()?,
        }))
    }
}

/// A warning for each of our keys that nobody reads.
pub fn unknown_keys(annotations: &BTreeMap<String, String>) -> Vec<String> {
    let ours = annotations
        .keys()
        .filter(|k| k.starts_with(PREFIX) && !ALL.contains(&k.as_str()));
    ours.map(|key| {
        let short = |k: &'static str| k.strip_prefix(PREFIX).unwrap_or(k);
        let shown: String = key.chars().take(80).collect();
        match nearest(key.strip_prefix(PREFIX).unwrap_or(key), ALL.map(short)) {
            Some(k) => {
                format!("unknown annotation {shown} has no effect: did you mean {PREFIX}{k}?")
            }
            None => format!(
                "unknown annotation {shown} has no effect; Mooring knows: {}",
                ALL.map(short).join(", ")
            ),
        }
    })
    .collect()
}

fn refuse(key: &'static str, at: usize, found: String, expected: impl Into<String>) -> Refusal {
    Refusal::Value {
        key,
        at: at + 1,
        found,
        expected: expected.into(),
    }
}

fn shown(text: &str) -> String {
    if text.is_empty() {
        "nothing".to_owned()
    } else {
        format!("{:?}", text.chars().take(80).collect::<String>())
    }
}

/// One of a few words; a wrong one is answered with the character where it leaves the word it is most like.
fn choice<T: Copy>(key: &'static str, value: &str, known: &[(&str, T)]) -> Result<T, Refusal> {
    if let Some((_, t)) = known.iter().find(|(word, _)| *word == value) {
        return Ok(*t);
    }
    let common = |word: &str| {
        word.chars()
            .zip(value.chars())
            .take_while(|(a, b)| a == b)
            .count()
    };
    let at = known
        .iter()
        .map(|(word, _)| common(word))
        .max()
        .unwrap_or(0);
    let words: Vec<_> = known.iter().map(|(word, _)| format!("{word:?}")).collect();
    let mut expected = words.join(" or ");
    if let Some(meant) = nearest(value, known.iter().map(|(word, _)| *word)) {
        expected = format!("{expected} (did you mean {meant:?}?)");
    }
    Err(refuse(key, at, shown(value), expected))
}

/// A DNS label (RFC 1123): what containers, namespaces and LicenseServers are named by.
fn label(key: &'static str, text: &str, at: usize, expected: &str) -> Result<String, Refusal> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if let Some((i, c)) = text
        .chars()
        .enumerate()
        .find(|(_, c)| !plain(*c) && *c != '-')
    {
        return Err(refuse(key, at + i, format!("{c:?}"), expected));
    }
    if text.is_empty() || text.len() > 63 {
        return Err(refuse(key, at, shown(text), expected));
    }
    if text.starts_with('-') {
        return Err(refuse(key, at, "'-'".to_owned(), expected));
    }
    if text.ends_with('-') {
        return Err(refuse(key, at + text.len() - 1, "'-'".to_owned(), expected));
    }
    Ok(text.to_owned())
}

fn server_name(value: &str) -> Result<ServerName, Refusal> {
    let expected = "a LicenseServer as name or namespace/name (a-z, 0-9 and '-', at most 63 each)";
    match value.split_once('/') {
        None => Ok(ServerName {
            namespace: None,
            name: label(SERVER, value, 0, expected)?,
        }),
        Some((namespace, name)) => Ok(ServerName {
            namespace: Some(label(SERVER, namespace, 0, expected)?),
            name: label(SERVER, name, namespace.chars().count() + 1, expected)?,
        }),
    }
}

fn names(value: &str) -> Result<Vec<Named>, Refusal> {
    let expected = "the names of containers of this pod, with commas between them and no spaces";
    let mut at = 0;
    let mut all = Vec::new();
    for part in value.split(',') {
        all.push(Named {
            name: label(CONTAINERS, part, at, expected)?,
            at: at + 1,
        });
        at += part.chars().count() + 1;
    }
    Ok(all)
}

fn amount(key: &'static str, value: &str, least: &str) -> Result<Quantity, Refusal> {
    let example = if key == SIDECAR_CPU {
        "10m, 100m, 0.5"
    } else {
        "32Mi, 64Mi"
    };
    let expected = format!("an amount of at least {least}, such as {example}");
    let q = Quantity::parse(value).map_err(|e| refuse(key, e.at - 1, e.found, expected.clone()))?;
    // `least` is one of this file's constants.
    if Quantity::parse(least).is_ok_and(|l| q < l) {
        Err(refuse(key, 0, shown(value), expected))
    } else {
        Ok(q)
    }
}
