//! The socket in the application's containers: its folder, read-only, and the variable that names
//! it.

use super::patch::Document;
use super::paths::{is_within, normal};
use super::refusal::Refusal;
use super::sidecar::{SOCKET, SOCKET_DIR, SOCKET_ENV, SOCKET_VOLUME, mount};
use mooring_core::cut::cut;
use serde_json::{Value, json, to_value};

/// Volumes below which the kubelet itself makes what is mounted there, read-only as they are.
const MADE_BY_THE_KUBELET: [&str; 4] = ["configMap", "downwardAPI", "projected", "secret"];

/// Mounts the socket read-only in the containers that get it, and tells them where it is.
pub(super) fn give(doc: &mut Document, recipients: &[String]) -> Result<(), Refusal> {
    for list in ["containers", "initContainers"] {
        for i in 0..doc.array(&["spec", list]).len() {
            let index = i.to_string();
            let path = |field| ["spec", list, index.as_str(), field];
            let name = doc.get(&path("name")).map_or("", |n| text(n)).to_owned();
            if !recipients.contains(&name) {
                continue;
            }
            mount_in(doc, &name, &path("volumeMounts"))?;
            tell(doc, &path("env"))?;
        }
    }
    Ok(())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).map_or("", |v| text(v))
}

fn mount_in(doc: &mut Document, container: &str, list: &[&str]) -> Result<(), Refusal> {
    let ours = to_value(mount(SOCKET_VOLUME, SOCKET_DIR, true))?;
    let mut there = None;
    for (i, m) in doc.array(list).iter().enumerate() {
        let (at, volume) = (normal(field(m, "mountPath")), field(m, "name"));
        if at == SOCKET_DIR && volume == SOCKET_VOLUME && there.is_none() {
            there = Some(i);
        } else if is_within(&at, SOCKET_DIR) {
            return Err(Refusal::SocketPathTaken {
                container: cut(container),
                volume: cut(volume),
                path: SOCKET_DIR,
            });
        } else if is_within(SOCKET_DIR, &at)
            && let Some(why) = unfit_parent(doc, m)
        {
            return Err(Refusal::SocketParent {
                container: cut(container),
                volume: cut(volume),
                at: cut(field(m, "mountPath")),
                path: SOCKET_DIR,
                why,
            });
        }
    }
    match there {
        Some(i) => doc.replace(list, i, ours)?,
        None => doc.insert(list, doc.array(list).len(), ours)?,
    }
    Ok(())
}

/// Why the socket's folder cannot be made in what this mount brings.
fn unfit_parent(doc: &Document, mount: &Value) -> Option<&'static str> {
    let name = field(mount, "name");
    let mut volumes = doc.array(&["spec", "volumes"]).iter();
    let volume = volumes.find(|v| field(v, "name") == name)?.as_object()?;
    let mut sources = volume.iter().filter(|(kind, _)| *kind != "name");
    let (kind, source) = sources.find(|(_, source)| source.is_object())?;
    let is_read_only = |v: &Value| v.get("readOnly") == Some(&Value::Bool(true));
    match kind.as_str() {
        "hostPath" => Some("is a folder of the node (hostPath), where that would be left behind"),
        kind if MADE_BY_THE_KUBELET.contains(&kind) => None,
        "image" => Some("is an image, which is read-only"),
        _ if is_read_only(mount) || is_read_only(source) => Some("is read-only"),
        _ => None,
    }
}

/// In front: Kubernetes expands $(MOORING_SOCKET) only in variables that come later, and of two
/// with one name the last one counts.
fn tell(doc: &mut Document, list: &[&str]) -> Result<(), Refusal> {
    let ours = json!({ "name": SOCKET_ENV, "value": SOCKET });
    let all = doc.array(list).iter().enumerate();
    let there = all.filter(|(_, v)| field(v, "name") == SOCKET_ENV);
    let there: Vec<usize> = there.map(|(i, _)| i).collect();
    let Some((first, more)) = there.split_first() else {
        return Ok(doc.insert(list, 0, ours)?);
    };
    for i in more.iter().rev() {
        doc.remove(list, *i)?;
    }
    Ok(doc.replace(list, *first, ours)?)
}
