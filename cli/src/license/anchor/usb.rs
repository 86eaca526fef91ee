//! `mooring license anchor usb`: a USB device that must be plugged in, and a key in a file.

use super::description::{Description, print};
use super::key_file;
use crate::license::file;
use crate::output::Data;
use anyhow::{Context as _, bail};
use mooring_core::license::{AnchorKind, UsbDevice};
use mooring_hardware::usb::{self, Plugged};
use std::path::PathBuf;

/// Flags.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The device is found by what it says of itself; its serial number must be its own. The key beside it is software: copied
together with a device that says the same, it serves elsewhere. Take a token that signs (pkcs11) where that matters.

Examples:
  mooring license anchor usb --key-file anchor.key --generate --vendor-id 096e --product-id 0006 --out anchor.yaml
  mooring license anchor usb --key-file anchor.key --vendor-id 096e --product-id 0006 --serial A1B2C3 > anchor.yaml"
)]
pub struct UsbArgs {
    #[command(flatten)]
    key: key_file::KeyArgs,
    /// The device's vendor id: four hexadecimal digits
    #[arg(long, value_name = "HEX", value_parser = parse_id)]
    vendor_id: Option<String>,
    /// The device's product id: four hexadecimal digits
    #[arg(long, value_name = "HEX", value_parser = parse_id)]
    product_id: Option<String>,
    /// The device's serial number, if several are alike
    #[arg(long, value_name = "SERIAL")]
    serial: Option<String>,
    /// Where sysfs is mounted
    #[arg(long, value_name = "DIR", env = "MOORING_SYSFS_ROOT", default_value = usb::SYSFS)]
    sysfs_root: PathBuf,
    /// Words for people in the license, such as a place or an inventory number [default: what the
    /// device calls itself]
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// The form of the description
    #[arg(short, long, value_enum, default_value = "yaml")]
    output: Data,
    /// Write it to a file instead of standard output; never overwritten
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn parse_id(s: &str) -> Result<String, String> {
    let id = s.trim_start_matches("0x").to_lowercase();
    UsbDevice::is_id(&id)
        .then_some(id)
        .ok_or_else(|| "expected four hexadecimal digits, such as 096e (lsusb shows them)".into())
}

/// Describes the anchor.
pub(super) fn run(args: &UsbArgs) -> anyhow::Result<()> {
    if let Some(path) = &args.out {
        file::must_be_new(path).context("--out")?;
    }
    let all = usb::devices(&args.sysfs_root).context("--sysfs-root")?;
    let (plugged, device) = choose(&all, args)?;
    let key = key_file::find(&args.key)?;
    let notes = [
        format!(
            "USB device {device}, {:?}, at port {}",
            plugged.name, plugged.port
        ),
        key_file::note(&key, &args.key),
    ];
    let label = args.label.clone().unwrap_or_else(|| {
        format!("{} {}", plugged.name, device.serial)
            .trim()
            .to_owned()
    });
    let description = Description {
        label: Some(label),
        usb: Some(device),
        ..Description::software(AnchorKind::Usb, key)
    };
    print(&description, &notes, args.output, args.out.as_deref())
}

/// The one device that fits the flags.
fn choose(all: &[Plugged], args: &UsbArgs) -> anyhow::Result<(Plugged, UsbDevice)> {
    let is = |wanted: &Option<String>, found: Option<&String>| {
        wanted.is_none() || wanted.as_ref() == found
    };
    let fits = |p: &&Plugged| {
        is(&args.vendor_id, Some(&p.vendor_id))
            && is(&args.product_id, Some(&p.product_id))
            && is(&args.serial, p.serial.as_ref())
    };
    let found: Vec<&Plugged> = all.iter().filter(fits).collect();
    match found.as_slice() {
        [one] => match one.device() {
            Some(d) => Ok(((*one).clone(), d)),
            None => bail!(
                "USB device {}:{} ({}) has no serial number, so it cannot be told from any other like it; expected a device with one",
                one.vendor_id,
                one.product_id,
                one.name
            ),
        },
        [] => bail!(
            "no USB device fits --vendor-id, --product-id and --serial; there is {}",
            list(&all.iter().collect::<Vec<_>>())
        ),
        several => bail!(
            "several USB devices fit; choose one with --vendor-id, --product-id and --serial: {}",
            list(several)
        ),
    }
}

fn list(devices: &[&Plugged]) -> String {
    let one = |p: &&Plugged| {
        let serial = p
            .serial
            .as_ref()
            .map_or_else(|| "no serial number".into(), |s| format!("serial {s:?}"));
        format!(
            "\n  {}:{} {serial} {} (port {})",
            p.vendor_id, p.product_id, p.name, p.port
        )
    };
    if devices.is_empty() {
        "none at all; is it plugged in?".into()
    } else {
        devices.iter().map(one).collect()
    }
}
