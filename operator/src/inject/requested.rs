//! What a pod says about itself by its `mooring.dev/` annotations (docs/pods.md).

use super::hint::nearest;
use super::quantity::Quantity;
use super::refusal::Refusal;
use super::server::ServerName;
use mooring_api::names::MAX_SERVERS;
use mooring_core::annotation::{
    ALL, Annotation, CONTAINERS, GATE_AFTER, GROUP, GROUP_SIZE, LICENSES, PLACE, PREFIX, PROJECT,
    SERVER, SIDECAR_CPU, SIDECAR_MEMORY, WAIT,
};
use mooring_core::policy::one_of;
use mooring_core::request::{self, Item, MAX_SEATS};
use std::collections::BTreeMap;

/// Below this a container's start alone is killed for want of memory.
pub(super) const LEAST_MEMORY: &str = "8Mi";
/// Kubernetes' own least amount of CPU.
pub(super) const LEAST_CPU: &str = "1m";

/// Where a pod waits for its seats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Scheduled, its containers not started.
    #[default]
    Startup,
    /// Not scheduled before its seats are reserved; then as with `Startup`.
    Scheduling,
    /// Nowhere: the application asks the socket.
    None,
}

/// A container's name in an annotation, and where it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub name: String,
    /// Its first character, counted from 1.
    pub at: usize,
}

/// What a pod asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requested {
    pub items: Vec<Item>,
    /// Which servers, if it says so, in its order.
    pub servers: Vec<ServerName>,
    /// What the sidecar is told of them, by variable.
    pub told: Vec<(&'static str, String)>,
    pub wait: Wait,
    /// Which init containers come before the sidecar.
    pub gate_after: Vec<Named>,
    /// Which containers get the socket; all without it.
    pub containers: Option<Vec<Named>>,
    /// The sidecar's memory and CPU, if it says so.
    pub memory: Option<Quantity>,
    pub cpu: Option<Quantity>,
}

impl Requested {
    /// Whether its pods' containers wait for the seats.
    pub fn waits(&self) -> bool {
        self.wait != Wait::None
    }

    /// Reads a pod's annotations; `None` if it did not opt in.
    pub fn read(annotations: &BTreeMap<String, String>) -> Result<Option<Self>, Refusal> {
        let get = |key: &str| annotations.get(key).map(String::as_str);
        let Some(licenses) = get(LICENSES.key) else {
            return Ok(None);
        };
        let items = request::parse(licenses).map_err(|problem| Refusal::Licenses { problem })?;
        for annotation in &ALL {
            if let Some(value) = get(annotation.key) {
                word(annotation, value)?;
            }
        }
        let quantity = |key, least| get(key).map(|v| amount(key, v, least)).transpose();
        let wait = match get(WAIT.key) {
            Some("none") => Wait::None,
            Some("scheduling") => Wait::Scheduling,
            _ => Wait::Startup,
        };
        if let Some(name) = get(PROJECT.key) {
            let expected = "a project's name (a-z, 0-9 and '-', at most 63)";
            label(PROJECT.key, name, 0, expected)?;
        }
        check_group((get(GROUP.key), get(GROUP_SIZE.key)), wait, &items)?;
        if let Some(name) = get(PLACE.key) {
            let expected = "a place's name (a-z, 0-9 and '-', at most 63)";
            label(PLACE.key, name, 0, expected)?;
            if wait == Wait::None {
                return Err(Refusal::PlaceNowhere);
            }
        }
        let named = |a: &Annotation| get(a.key).map(|v| names(a.key, v)).transpose();
        let told = ALL.iter().filter_map(|a| {
            let value = get(a.key).or(a.default)?;
            Some((a.env?, value.to_owned()))
        });
        Ok(Some(Self {
            items,
            servers: get(SERVER.key)
                .map(server_names)
                .transpose()?
                .unwrap_or_default(),
            told: told.collect(),
            wait,
            gate_after: named(&GATE_AFTER)?.unwrap_or_default(),
            containers: named(&CONTAINERS)?,
            memory: quantity(SIDECAR_MEMORY.key, LEAST_MEMORY)?,
            cpu: quantity(SIDECAR_CPU.key, LEAST_CPU)?,
        }))
    }
}

/// The fewest and the most pods that a group has.
const GROUP_SIZES: std::ops::RangeInclusive<u32> = 2..=1000;

/// A group has a name and a size, waits before it is scheduled, and asks for no more than a claim
/// may.
fn check_group(
    group: (Option<&str>, Option<&str>),
    wait: Wait,
    items: &[Item],
) -> Result<(), Refusal> {
    let (name, size, key) = match group {
        (None, None) => return Ok(()),
        (Some(name), Some(size)) => (name, size, GROUP_SIZE.key),
        (Some(_), None) => {
            return Err(Refusal::Alone {
                key: GROUP.key,
                other: GROUP_SIZE.key,
            });
        }
        (None, Some(_)) => {
            return Err(Refusal::Alone {
                key: GROUP_SIZE.key,
                other: GROUP.key,
            });
        }
    };
    let expected = "a group's name (a-z, 0-9 and '-', at most 63)";
    label(GROUP.key, name, 0, expected)?;
    let (least, most) = (GROUP_SIZES.start(), GROUP_SIZES.end());
    let sizes = format!("a number of pods from {least} to {most}");
    let n = size.parse::<u32>().ok().filter(|n| GROUP_SIZES.contains(n));
    let plain = |c: char| c.is_ascii_digit();
    let Some(n) = n.filter(|_| size.chars().all(plain)) else {
        let at = size.chars().position(|c| !plain(c)).unwrap_or(0);
        return Err(refuse(key, at, shown(size), sizes));
    };
    let most = |i: &&Item| i.seats.get().checked_mul(n).is_none_or(|s| s > MAX_SEATS);
    if let Some(item) = items.iter().find(most) {
        let expected = format!("at most {MAX_SEATS} seats of {} together", item.product);
        return Err(refuse(key, 0, shown(size), expected));
    }
    match wait {
        Wait::Scheduling => Ok(()),
        Wait::Startup | Wait::None => Err(Refusal::GroupAtStartup),
    }
}

/// A warning for each of our keys that nobody reads.
pub fn unknown_keys(annotations: &BTreeMap<String, String>) -> Vec<String> {
    let known = ALL.map(|a| a.short());
    let warning = |short: &str| {
        let shown: String = short.chars().take(80).collect();
        let more = match nearest(short, known) {
            Some(k) => format!(": did you mean {PREFIX}{k}?"),
            None => format!("; Mooring knows: {}", known.join(", ")),
        };
        format!("unknown annotation {PREFIX}{shown} has no effect{more}")
    };
    let ours = annotations.keys().filter_map(|k| k.strip_prefix(PREFIX));
    let unknown = ours.filter(|short| !known.contains(short));
    unknown.map(warning).collect()
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

/// One of a few words; a wrong one is answered with the character where it leaves the word it is
/// most like.
fn word(annotation: &Annotation, value: &str) -> Result<(), Refusal> {
    let (key, known) = (annotation.key, annotation.words);
    if known.is_empty() || known.contains(&value) {
        return Ok(());
    }
    let common = |word: &&str| {
        let pairs = word.chars().zip(value.chars());
        pairs.take_while(|(a, b)| a == b).count()
    };
    let at = known.iter().map(common).max().unwrap_or(0);
    let mut expected = one_of(known);
    if let Some(meant) = nearest(value, known.iter().copied()) {
        expected = format!("{expected} (did you mean {meant:?}?)");
    }
    Err(refuse(key, at, shown(value), expected))
}

/// A DNS label (RFC 1123): what containers, namespaces and LicenseServers are named by.
fn label(key: &'static str, text: &str, at: usize, expected: &str) -> Result<String, Refusal> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if let Some((i, c)) = text.chars().enumerate().find(|(_, c)| !plain(*c)) {
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

fn server_names(value: &str) -> Result<Vec<ServerName>, Refusal> {
    let mut at = 0;
    let mut all = Vec::new();
    for part in value.split(',') {
        if all.len() == MAX_SERVERS {
            let most = format!("at most {MAX_SERVERS} of them");
            return Err(refuse(
                SERVER.key,
                at,
                "one more LicenseServer".to_owned(),
                most,
            ));
        }
        all.push(server_name(part, at)?);
        at += part.chars().count() + 1;
    }
    Ok(all)
}

/// One of them, which begins at `at`.
fn server_name(value: &str, at: usize) -> Result<ServerName, Refusal> {
    let expected = "a LicenseServer as name or namespace/name (a-z, 0-9 and '-', at most 63 each), several with commas between them and no spaces";
    let label = |text, at| label(SERVER.key, text, at, expected);
    let (namespace, name) = match value.split_once('/') {
        None => (None, label(value, at)?),
        Some((namespace, name)) => {
            let behind = at + namespace.chars().count() + 1;
            (Some(label(namespace, at)?), label(name, behind)?)
        }
    };
    let at = at + 1;
    Ok(ServerName {
        namespace,
        name,
        at,
    })
}

fn names(key: &'static str, value: &str) -> Result<Vec<Named>, Refusal> {
    let expected = "the names of containers of this pod, with commas between them and no spaces";
    let mut at = 0;
    let mut all = Vec::new();
    for part in value.split(',') {
        all.push(Named {
            name: label(key, part, at, expected)?,
            at: at + 1,
        });
        at += part.chars().count() + 1;
    }
    Ok(all)
}

fn amount(key: &'static str, value: &str, least: &str) -> Result<Quantity, Refusal> {
    let example = if key == SIDECAR_CPU.key {
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
