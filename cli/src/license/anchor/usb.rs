//! `mooring license anchor usb`: a USB device that must be plugged in, and a key in a file.

use super::description::{Description, Destination};
use super::key_file;
use anyhow::{Context as _, bail};
use mooring_core::license::{AnchorKind, UsbDevice, is_placeholder};
use mooring_hardware::usb::{self, Plugged};
use std::path::PathBuf;

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
    #[command(flatten)]
    destination: Destination,
}

fn parse_id(s: &str) -> Result<String, String> {
    let id = s.trim_start_matches("0x").to_lowercase();
    UsbDevice::is_id(&id)
        .then_some(id)
        .ok_or_else(|| "expected four hexadecimal digits, such as 096e (lsusb shows them)".into())
}

pub(super) fn run(args: &UsbArgs) -> anyhow::Result<()> {
    args.destination.must_be_new()?;
    let all = usb::devices(&args.sysfs_root).context("--sysfs-root")?;
    let (plugged, device) = choose(&all, args)?;
    let key = key_file::find(&args.key)?;
    let (name, port) = (&plugged.name, &plugged.port);
    let notes = [
        format!("USB device {device}, {name:?}, at port {port}"),
        key_file::note(&key, &args.key),
    ];
    let label = args.label.clone();
    let label = label.unwrap_or_else(|| format!("{name} {}", device.serial).trim().to_owned());
    let description = Description {
        label: Some(label),
        usb: Some(device),
        ..Description::of(AnchorKind::Usb, key)
    };
    args.destination.print(&description, &notes)
}

/// The one device that fits the flags.
fn choose<'a>(all: &'a [Plugged], args: &UsbArgs) -> anyhow::Result<(&'a Plugged, UsbDevice)> {
    let is = |wanted: &Option<String>, found: Option<&String>| {
        wanted.is_none() || wanted.as_ref() == found
    };
    let fits = |p: &&Plugged| {
        is(&args.vendor_id, Some(&p.vendor_id))
            && is(&args.product_id, Some(&p.product_id))
            && is(&args.serial, p.serial.as_ref())
    };
    let found: Vec<&Plugged> = all.iter().filter(fits).collect();
    match found[..] {
        [one] => {
            let device = one.device().with_context(|| {
                let (vendor, product, name) = (&one.vendor_id, &one.product_id, &one.name);
                format!(
                    "USB device {vendor}:{product} ({name}) has no serial number, so it cannot be told from any other like it; expected a device with one"
                )
            })?;
            if is_placeholder(&device.serial) {
                bail!(
                    "USB device {device} ({}): its serial number is a placeholder, which others like it have, too; expected a device with one of its own",
                    one.name
                );
            }
            Ok((one, device))
        }
        [] => bail!(
            "no USB device fits --vendor-id, --product-id and --serial; there is {}",
            words(all)
        ),
        [first, ref others @ ..]
            if first.serial.is_some() && others.iter().all(|o| o.device() == first.device()) =>
        {
            bail!(
                "{} USB devices say the same of themselves, so a license cannot tell them apart; expected one with a serial number of its own: {}",
                found.len(),
                words(found)
            )
        }
        _ => bail!(
            "several USB devices fit; choose one with --vendor-id, --product-id and --serial: {}",
            words(found)
        ),
    }
}

fn words<'a>(devices: impl IntoIterator<Item = &'a Plugged>) -> String {
    let one = |p: &Plugged| {
        let serial = p.serial.as_ref().map(|s| format!("serial {s:?}"));
        let serial = serial.unwrap_or_else(|| "no serial number".into());
        let (vendor, product) = (&p.vendor_id, &p.product_id);
        format!(
            "\n  {vendor}:{product} {serial} {} (port {})",
            p.name, p.port
        )
    };
    let words: String = devices.into_iter().map(one).collect();
    if words.is_empty() {
        return "none at all; is it plugged in?".into();
    }
    words
}
