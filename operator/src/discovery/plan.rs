//! From reports to labels. Pure.
//!
//! | a node … | its label for the device |
//! |---|---|
//! | reports the device | is set |
//! | reports, without the device | is removed |
//! | is silent, and another reports this very device (its serial is known) | is removed: a device is at one place |
//! | is silent otherwise | stays as it is |
//! | reports it, and so does another, though its serial is known | stays as it is: one of them lies |
//!
//! A label of ours for which no LicenseServer asks is removed.

use super::sightings::{View, Views};
use mooring_api::names::ANCHOR_LABEL_PREFIX;
use mooring_api::{Device, PRESENT};
use std::collections::{BTreeMap, BTreeSet};

/// A label to set or to remove.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    pub node: String,
    pub label: String,
    /// Whether it is to be there.
    pub set: bool,
}

/// A device without a serial stands for each one with its ids.
pub fn is(wanted: &Device, plugged: &Device) -> bool {
    wanted.vendor_id == plugged.vendor_id
        && wanted.product_id == plugged.product_id
        && (wanted.serial.is_none() || wanted.serial == plugged.serial)
}

fn has(view: &View, wanted: &Device) -> bool {
    view.devices.iter().any(|d| is(wanted, d))
}

/// The nodes that report a device now.
pub fn holders<'a>(wanted: &'a Device, views: &'a Views) -> impl Iterator<Item = &'a str> {
    views
        .iter()
        .filter(|(_, v)| v.fresh && has(v, wanted))
        .map(|(n, _)| n.as_str())
}

/// Whether several nodes report a device of which there is one: its serial is known.
pub fn is_disputed(wanted: &Device, views: &Views) -> bool {
    wanted.serial.is_some() && holders(wanted, views).nth(1).is_some()
}

/// What is to be changed. `nodes`: each with its labels.
pub fn plan(
    wanted: &BTreeSet<Device>,
    nodes: &BTreeMap<String, BTreeMap<String, String>>,
    views: &Views,
) -> Vec<Change> {
    let labels: BTreeMap<String, &Device> = wanted.iter().map(|d| (d.label(), d)).collect();
    let mut changes = Vec::new();
    for (node, there) in nodes {
        let mut change = |label: &str, set| {
            changes.push(Change {
                node: node.clone(),
                label: label.to_owned(),
                set,
            });
        };
        for label in there.keys().filter(|l| l.starts_with(ANCHOR_LABEL_PREFIX)) {
            if !labels.contains_key(label) {
                change(label, false);
            }
        }
        let settled = labels.iter().filter(|(_, d)| !is_disputed(d, views));
        for (label, device) in settled {
            let is_set = there.get(label).is_some_and(|v| v == PRESENT);
            let says = views.get(node).filter(|v| v.fresh).map(|v| has(v, device));
            let elsewhere = device.serial.is_some() && holders(device, views).next().is_some();
            let is_right = says.unwrap_or(is_set && !elsewhere);
            // A label with another value is not ours to keep.
            if is_right != is_set || (!is_right && there.contains_key(label)) {
                change(label, is_right);
            }
        }
    }
    changes
}

#[cfg(test)]
mod tests;
