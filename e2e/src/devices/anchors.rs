//! Anchors that are no tokens, in the server's pod: a USB device, and the machine itself.

use crate::lab::{Lab, PIN, Ports, SYSFS, Server, eventually, pkcs11, run_words, template, within};
use crate::main_job::begin;
use anyhow::{Result, ensure};
use mooring_api::{Anchor, Hwid, KeyRef, Pcscd, Pkcs11, Template, Usb};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const IDS: (&str, &str) = ("0781", "5567");
const SERIAL: &str = "4C530001";
/// A machine's root, beside the USB ports: what `/` is to a server on real hardware.
const HOST: &str = "/var/lib/anchor/sys/host";

/// A key and its description, made as an administrator does.
async fn describe(lab: &Lab, kind: &str, flags: &str) -> Result<(String, PathBuf)> {
    let key = lab.dir.path().join(format!("{kind}.key"));
    let out = lab.dir.path().join(format!("{kind}.anchor.yaml"));
    let _ = (std::fs::remove_file(&key), std::fs::remove_file(&out));
    let (file, to) = (key.display(), out.display());
    let files = format!("--key-file {file} --generate --out {to}");
    let line = format!("license anchor {kind} {files} {flags}");
    let described = run_words(&lab.cli, &line).await?;
    described.ok("describing the anchor")?;
    Ok((std::fs::read_to_string(&key)?, out))
}

/// Makes the Secrets and a LicenseServer with such an anchor on the first node.
async fn serve(
    lab: &Lab,
    ns: &str,
    kind: &str,
    key: &str,
    description: &Path,
    (variable, value): (&str, &str),
) -> Result<Server> {
    let mut server = Server::new(ns, 1);
    server.name = kind.into();
    let template = template((variable, value.into()), SYSFS, true);
    server.anchored = Some((with_key(kind, &format!("{kind}-key")), template));
    let license = server.license(lab, description).await?;
    let key = format!("    {}\n", key.trim_end().replace('\n', "\n    "));
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: {kind}-key, namespace: {ns}}}\nstringData:\n  anchor.key: |\n{key}"
    );
    lab.apply(&secret).await?.ok("making the key's Secret")?;
    server.apply_with(lab, &license, PIN).await?;
    Ok(server)
}

/// A `usb` or `hwid` anchor with its key in this Secret.
fn with_key(kind: &str, secret: &str) -> Anchor {
    let key_secret = KeyRef {
        name: secret.into(),
        key: "anchor.key".into(),
    };
    match kind {
        "usb" => Usb { key_secret }.into(),
        _ => Hwid { key_secret }.into(),
    }
}

/// The device is seen, its loss and its return too, by a pod with no right at the node; no
/// container restarts.
pub(super) async fn a_usb_device_anchors_a_server_in_an_ordinary_pod(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_usb_device_anchors_a_server_in_an_ordinary_pod").await?;
    let ports = Ports::open(lab, &lab.nodes.0).await?;
    ports.plug(lab, "1-3", IDS, SERIAL).await?;
    let tree = lab.dir.path().join("usb-tree");
    let at = tree.join("bus/usb/devices/1-3");
    std::fs::create_dir_all(&at)?;
    let (vendor, product) = IDS;
    for (file, says) in [
        ("idVendor", vendor),
        ("idProduct", product),
        ("serial", SERIAL),
    ] {
        std::fs::write(at.join(file), format!("{says}\n"))?;
    }
    let ids = format!("--vendor-id {vendor} --product-id {product} --serial {SERIAL}");
    let flags = format!("{ids} --sysfs-root {}", tree.display());
    let (key, description) = describe(lab, "usb", &flags).await?;
    let env = ("MOORING_SYSFS_ROOT", SYSFS);
    let server = serve(lab, &ns, "usb", &key, &description, env).await?;
    server.condition(lab, "Ready", "True").await?;
    ports.unplug(lab, "1-3").await?;
    let lost = server.condition(lab, "AnchorPresent", "False").await?;
    let said = &lost.message;
    ensure!(said.contains(vendor) && said.contains(SERIAL), "{said}");
    ports.plug(lab, "1-4", IDS, SERIAL).await?;
    server.condition(lab, "AnchorPresent", "True").await?;
    server.condition(lab, "Ready", "True").await?;
    let status = server.pod(lab).await?.status.unwrap_or_default();
    let containers = status.container_statuses.unwrap_or_default();
    let restarts: i32 = containers.iter().map(|c| c.restart_count).sum();
    ensure!(
        restarts == 0,
        "the server's container restarted {restarts} times"
    );
    Ok(())
}

/// The machine is known again by what the pod sees of the node, as root without capabilities.
pub(super) async fn a_machine_anchors_its_server(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_machine_anchors_its_server").await?;
    let ports = Ports::open(lab, &lab.nodes.0).await?;
    let server = by_its_machine(lab, &ns, &ports).await?;
    server.condition(lab, "Ready", "True").await?;
    let spec = server.pod(lab).await?.spec.unwrap_or_default();
    let user = spec.security_context.and_then(|s| s.run_as_user);
    ensure!(user == Some(0), "the server runs as {user:?}");
    let other = format!("rm -r {HOST}/sys && echo other >{HOST}/etc/machine-id");
    ports.run(lab, &other).await?;
    let lost = server.condition(lab, "AnchorPresent", "False").await;
    lost.map(drop)
}

/// A LicenseServer whose anchor is the first node itself, made and not waited for.
pub(super) async fn by_its_machine(lab: &Lab, ns: &str, ports: &Ports) -> Result<Server> {
    let local = lab.dir.path().join("host-tree");
    let mut script = String::new();
    let uuid = "6c1f7a52-93ab-4a0e-8f3b-2f0a1c55d6e7";
    for (path, says) in [
        ("sys/class/dmi/id/product_uuid", uuid),
        ("sys/class/dmi/id/board_serial", "BX-20481-77"),
        ("etc/machine-id", "3f0a9c4e5b7d41c2a8e6d0f19b2c7a55"),
    ] {
        let at = local.join(path);
        if let Some(folder) = at.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&at, format!("{says}\n"))?;
        let at = format!("{HOST}/{path}");
        let _ = write!(script, "mkdir -p $(dirname {at}) && echo {says} >{at} && ");
    }
    ports.run(lab, &(script + "true")).await?;
    let flags = format!("--host-root {}", local.display());
    let (key, description) = describe(lab, "hwid", &flags).await?;
    let env = ("MOORING_HOST_ROOT", HOST);
    serve(lab, ns, "hwid", &key, &description, env).await
}

/// What docs/dongles.md promises of Pod Security: with a device resource and pcscd, or a USB
/// device, the pod is `restricted`.
pub(super) async fn a_dongles_pod_is_restricted(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_dongles_pod_is_restricted").await?;
    let level = "pod-security.kubernetes.io/enforce=restricted";
    let labelled = lab.kubectl(format!("label namespace {ns} {level}"));
    labelled.await?.ok("labelling the namespace")?;
    // Nothing is read here; it must be there, or the operator says that it is not and waits.
    let key_secret = KeyRef {
        name: "usb-pin".into(),
        key: "pin".into(),
    };
    let token = Pkcs11 {
        pcscd: Some(Pcscd::default()),
        ..pkcs11("/m.so", "t")
    };
    for (name, anchor) in [("usb", Usb { key_secret }.into()), ("card", token.into())] {
        let mut server = Server::new(&ns, 1);
        server.name = name.into();
        server.device_resource = Some("v.example/d".into());
        server.anchored = Some((anchor, Template::default()));
        let license = "not read: the pod alone is looked at";
        server.apply_with(lab, license, PIN).await?;
        eventually("its pod is admitted", within(40), async || {
            Ok(Ok(server.pod(lab).await.map(drop)?))
        })
        .await?;
    }
    Ok(())
}
