//! Reads what a machine says of itself, under the folder where its root is mounted.
//!
//! Only parts that stay in a machine count: disks and network cards on USB are left out, since they
//! could be carried to another, and so is what only looks like hardware (bridges, loop devices).

use super::{Fact, Surroundings};
use crate::{Unreadable, is_gone, text};
use mooring_core::license::HwidItem;
use std::path::{Path, PathBuf};

/// Something that could not be read, though it is there: most need UID 0.
#[derive(Debug)]
pub struct Unread {
    /// What it would have told.
    pub item: HwidItem,
    /// Where, and the system's word.
    pub why: Unreadable,
}

/// What a machine says of itself.
#[derive(Debug)]
pub struct Found {
    /// Sorted, each once.
    pub facts: Vec<Fact>,
    /// What could not be read.
    pub unread: Vec<Unread>,
    /// How many disks are built in and tell no serial number of their own: those of a virtual
    /// machine mostly.
    pub unnumbered_disks: usize,
}

/// All facts, and what is none. Fails only if `root` is no folder.
pub fn read(root: &Path) -> Result<Found, Unreadable> {
    std::fs::read_dir(root).map_err(|e| Unreadable::new(root, e))?;
    let mut r = Reader {
        root: root.to_owned(),
        facts: Vec::new(),
        unread: Vec::new(),
    };
    r.file(HwidItem::ProductUuid, "sys/class/dmi/id/product_uuid");
    r.file(HwidItem::BoardSerial, "sys/class/dmi/id/board_serial");
    let unnumbered_disks = r.disks();
    r.network_cards();
    r.file(HwidItem::MachineId, "etc/machine-id");
    r.facts.sort();
    r.facts.dedup();
    Ok(Found {
        facts: r.facts,
        unread: r.unread,
        unnumbered_disks,
    })
}

/// What bears on how long the facts of the machine last.
pub fn surroundings(root: &Path) -> Surroundings {
    let says = |path: &str| text(&root.join(path)).ok().flatten().unwrap_or_default();
    let kernel = says("proc/sys/kernel/osrelease").to_lowercase();
    let mounted = says("proc/self/mountinfo");
    // The fifth field is where (proc(5)).
    let mut points = mounted.lines().filter_map(|l| l.split(' ').nth(4));
    Surroundings {
        wsl: kernel.contains("microsoft"),
        transient_machine_id: points.any(|p| p == "/etc/machine-id"),
    }
}

struct Reader {
    root: PathBuf,
    facts: Vec<Fact>,
    unread: Vec<Unread>,
}

impl Reader {
    fn file(&mut self, item: HwidItem, path: &str) {
        let path = self.root.join(path);
        self.at(item, &path);
    }

    /// Takes what a file says; returns whether it said anything.
    fn at(&mut self, item: HwidItem, path: &Path) -> bool {
        match text(path) {
            Ok(t) => self.take(item, t.as_deref().unwrap_or_default()),
            Err(why) => {
                self.unread.push(Unread { item, why });
                false
            }
        }
    }

    fn take(&mut self, item: HwidItem, value: &str) -> bool {
        let fact = Fact::new(item, value);
        let is = fact.is_some();
        self.facts.extend(fact);
        is
    }

    /// The entries of a folder of sysfs that are parts of this machine for good.
    fn parts(&mut self, item: HwidItem, folder: &str) -> Vec<PathBuf> {
        let dir = self.root.join(folder);
        match std::fs::read_dir(&dir) {
            Ok(entries) => entries
                .flatten()
                .map(|e| e.path())
                .filter(|p| is_built_in(p))
                .collect(),
            Err(e) => {
                self.failed(item, &dir, e);
                Vec::new()
            }
        }
    }

    /// Takes the disks' serial numbers; tells how many disks say none.
    fn disks(&mut self) -> usize {
        let mut silent = 0;
        for disk in self.parts(HwidItem::DiskSerial, "sys/block") {
            if text(&disk.join("removable")).ok().flatten().as_deref() == Some("1") {
                continue;
            }
            // NVMe and MMC; virtio; SCSI and SATA.
            let said = self.at(HwidItem::DiskSerial, &disk.join("device/serial"))
                || self.at(HwidItem::DiskSerial, &disk.join("serial"));
            if !said && !self.unit_serial(&disk.join("device/vpd_pg80")) {
                silent += 1;
            }
        }
        silent
    }

    /// SCSI's page "unit serial number" (SPC-4, 7.8.15): four bytes of head, the last two of them
    /// the length. Returns whether it said anything.
    fn unit_serial(&mut self, path: &Path) -> bool {
        let page = std::fs::read(path).unwrap_or_else(|e| {
            self.failed(HwidItem::DiskSerial, path, e);
            Vec::new()
        });
        let [_, 0x80, hi, lo, rest @ ..] = page.as_slice() else {
            return false;
        };
        let len = usize::from(*hi) << 8 | usize::from(*lo);
        let serial = rest.get(..len.min(rest.len())).unwrap_or_default();
        self.take(HwidItem::DiskSerial, &String::from_utf8_lossy(serial))
    }

    /// What is not there, or no longer, is no error.
    fn failed(&mut self, item: HwidItem, path: &Path, error: std::io::Error) {
        if !is_gone(&error) {
            let why = Unreadable::new(path, error);
            self.unread.push(Unread { item, why });
        }
    }

    fn network_cards(&mut self) {
        for card in self.parts(HwidItem::Mac, "sys/class/net") {
            let says = |name: &str| text(&card.join(name)).ok().flatten();
            // Ethernet (ARPHRD_ETHER), with a device of its own.
            if says("type").as_deref() != Some("1") || !card.join("device").exists() {
                continue;
            }
            // In a bond all cards have one address; their own stands elsewhere.
            if self.at(HwidItem::Mac, &card.join("bonding_slave/perm_hwaddr")) {
                continue;
            }
            // NET_ADDR_PERM: not one that somebody has set.
            if says("addr_assign_type").is_none_or(|t| t == "0") {
                self.at(HwidItem::Mac, &card.join("address"));
            }
        }
    }
}

/// Whether a device in sysfs stays in its machine: not virtual, not on USB.
fn is_built_in(link: &Path) -> bool {
    // What cannot be resolved went away, or is a test's plain folder.
    let real = link.canonicalize().unwrap_or_else(|_| link.to_owned());
    let mut after_devices = real
        .components()
        .map(|c| c.as_os_str().to_string_lossy())
        .skip_while(|c| c != "devices")
        .skip(1);
    let bus = after_devices.next();
    bus.as_deref() != Some("virtual") && !after_devices.any(|c| is_usb_bus(&c))
}

/// `usb1`, `usb2` …: the kernel's name of a USB bus in a device's path.
fn is_usb_bus(part: &str) -> bool {
    part.strip_prefix("usb")
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests;
