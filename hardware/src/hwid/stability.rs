//! How likely it is that a fact is the same at the machine's next start. Pure.

use super::Fact;
use mooring_core::license::HwidItem;

/// What is around the facts, and bears on how long they last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// It is a virtual machine of the Windows Subsystem for Linux.
    pub wsl: bool,
    /// `/etc/machine-id` is mounted over, as systemd does where the file is empty and cannot be
    /// written: the id is of this start alone.
    pub transient_machine_id: bool,
}

/// Whether a fact stays, and why (not), for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stability {
    pub stays: bool,
    pub why: &'static str,
}

/// Judges a fact. What moves would make the machine another one after a reboot.
pub fn stability(fact: &Fact, around: Surroundings) -> Stability {
    let stays = |why| Stability { stays: true, why };
    let moves = |why| Stability { stays: false, why };
    match fact.item {
        HwidItem::ProductUuid => {
            stays("the firmware's: as long as the mainboard, or the virtual machine, is the same")
        }
        HwidItem::BoardSerial => stays("the mainboard's own"),
        HwidItem::DiskSerial => stays("the disk's own: as long as it is in this machine"),
        HwidItem::Mac if around.wsl => {
            moves("a virtual card of WSL2, whose address is another one at each start")
        }
        HwidItem::Mac if fact.value.starts_with("00:15:5d:") => moves(
            "given by Hyper-V, which gives another one when the virtual machine is moved, or starts elsewhere",
        ),
        HwidItem::Mac if is_local(&fact.value) => {
            moves("locally administered: given by software, not by the card's maker")
        }
        HwidItem::Mac => stays("given by the card's maker"),
        HwidItem::MachineId if around.transient_machine_id => moves(
            "of this start alone: /etc/machine-id is empty on disk, or cannot be written; run systemd-machine-id-setup",
        ),
        HwidItem::MachineId => stays("the installed system's: until that is installed anew"),
    }
}

/// Whether an address is locally administered (IEEE 802, 8.4: the second bit of its first octet).
fn is_local(mac: &str) -> bool {
    let first = mac.get(..2).and_then(|o| u8::from_str_radix(o, 16).ok());
    first.is_some_and(|o| o & 2 != 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_fact_is_judged_by_what_gave_it() {
        let plain = Surroundings::default();
        let wsl = Surroundings { wsl: true, ..plain };
        let first_boot = Surroundings {
            transient_machine_id: true,
            ..plain
        };
        let id = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
        for (item, value, around, stays, why) in [
            (
                HwidItem::ProductUuid,
                "4c4c4544-0042-3510-8052-b4c04f4e3132",
                plain,
                true,
                "firmware",
            ),
            (HwidItem::BoardSerial, "BOARD-77", plain, true, "mainboard"),
            (HwidItem::DiskSerial, "S4EV", plain, true, "disk"),
            (HwidItem::Mac, "3c:ec:ef:00:00:01", plain, true, "maker"),
            (HwidItem::Mac, "3c:ec:ef:00:00:01", wsl, false, "WSL2"),
            (HwidItem::Mac, "00:15:5D:01:02:03", plain, false, "Hyper-V"),
            (
                HwidItem::Mac,
                "52:54:00:12:34:57",
                plain,
                false,
                "locally administered",
            ),
            (HwidItem::MachineId, id, plain, true, "installed"),
            (HwidItem::MachineId, id, wsl, true, "installed"),
            (
                HwidItem::MachineId,
                id,
                first_boot,
                false,
                "systemd-machine-id-setup",
            ),
        ] {
            let s = stability(&Fact::new(item, value).unwrap(), around);
            assert_eq!(s.stays, stays, "{item} {value}");
            assert!(s.why.contains(why), "{item} {value}: {}", s.why);
        }
    }
}
