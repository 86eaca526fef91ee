//! Anchors that are no tokens, in the server's pod: a USB device, and the machine itself.

use crate::lab::{Lab, PIN, Ports, SYSFS, Server, eventually, pkcs11, run, variable, within};
use crate::main_job::begin;
use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use mooring_api::{Anchor, HostPath, Hwid, KeyRef, Pcscd, Pkcs11, Template, Usb};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const IDS: (&str, &str) = ("0781", "5567");
const SERIAL: &str = "4C530001";
/// A machine's root, beside the USB ports: what `/` is to a server on real hardware.
const HOST: &str = "/var/lib/anchor/sys/host";

/// A key and its description, made as an administrator does.
async fn describe(lab: &Lab, kind: &str, flags: &[&str]) -> Result<(String, PathBuf)> {
    let key = lab.dir.path().join(format!("{kind}.key"));
    let out = lab.dir.path().join(format!("{kind}.anchor.yaml"));
    let _ = (std::fs::remove_file(&key), std::fs::remove_file(&out));
    let (k, o) = (key.to_string_lossy(), out.to_string_lossy());
    let args = [
        "license",
        "anchor",
        kind,
        "--key-file",
        &k,
        "--generate",
        "--out",
        &o,
    ];
    run(
        &lab.cli.to_string_lossy(),
        &[&args[..], flags].concat(),
        None,
    )
    .await?
    .ok("describing the anchor")?;
    Ok((std::fs::read_to_string(&key)?, out))
}

/// Makes the Secrets and a LicenseServer with such an anchor on the first node.
async fn serve(
    lab: &Lab,
    ns: &str,
    kind: &str,
    key: &str,
    description: &Path,
    env: (&str, &str),
) -> Result<Server> {
    let mut server = Server::new(ns, 1);
    server.name = kind.into();
    let template = Template {
        env: vec![variable(env.0, env.1)],
        host_paths: vec![HostPath {
            path: SYSFS.into(),
            mount_path: SYSFS.into(),
            read_only: true,
        }],
        ..Template::default()
    };
    server.anchored = Some((with_key(kind, &format!("{kind}-key")), template));
    let name = format!("{ns}-{kind}");
    let license = lab
        .vendor
        .license_for(&name, &[("render", 1)], description, "")
        .await?;
    let key = format!("    {}\n", key.trim_end().replace('\n', "\n    "));
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: {kind}-key, namespace: {ns}}}\nstringData:\n  anchor.key: |\n{key}"
    );
    lab.apply(&secret).await?.ok("making the key's Secret")?;
    server.apply_with(lab, &license, PIN, &lab.anchor).await?;
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

async fn pod(lab: &Lab, server: &Server) -> Result<Pod> {
    let pods = Api::<Pod>::namespaced(lab.client.clone(), &server.namespace);
    Ok(pods.get(&format!("{}-0", server.name)).await?)
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
    for (file, says) in [
        ("idVendor", IDS.0),
        ("idProduct", IDS.1),
        ("serial", SERIAL),
    ] {
        std::fs::write(at.join(file), format!("{says}\n"))?;
    }
    let tree = tree.to_string_lossy();
    let flags = [
        "--vendor-id",
        IDS.0,
        "--product-id",
        IDS.1,
        "--serial",
        SERIAL,
        "--sysfs-root",
        &tree,
    ];
    let (key, description) = describe(lab, "usb", &flags).await?;
    let env = ("MOORING_SYSFS_ROOT", SYSFS);
    let server = serve(lab, &ns, "usb", &key, &description, env).await?;
    server.condition(lab, "Ready", "True").await?;
    ports.unplug(lab, "1-3").await?;
    let lost = server.condition(lab, "AnchorPresent", "False").await?;
    let said = &lost.message;
    ensure!(said.contains(IDS.0) && said.contains(SERIAL), "{said}");
    ports.plug(lab, "1-4", IDS, SERIAL).await?;
    server.condition(lab, "AnchorPresent", "True").await?;
    server.condition(lab, "Ready", "True").await?;
    let statuses = pod(lab, &server)
        .await?
        .status
        .and_then(|s| s.container_statuses);
    let restarts: i32 = statuses
        .unwrap_or_default()
        .iter()
        .map(|c| c.restart_count)
        .sum();
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
    let local = lab.dir.path().join("host-tree");
    let mut script = String::new();
    for (path, says) in [
        (
            "sys/class/dmi/id/product_uuid",
            "6c1f7a52-93ab-4a0e-8f3b-2f0a1c55d6e7",
        ),
        ("sys/class/dmi/id/board_serial", "BX-20481-77"),
        ("etc/machine-id", "3f0a9c4e5b7d41c2a8e6d0f19b2c7a55"),
    ] {
        let at = local.join(path);
        if let Some(folder) = at.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&at, format!("{says}\n"))?;
        let _ = write!(
            script,
            "mkdir -p $(dirname {HOST}/{path}) && echo {says} >{HOST}/{path} && "
        );
    }
    ports.run(lab, &(script + "true")).await?;
    let (key, description) =
        describe(lab, "hwid", &["--host-root", &local.to_string_lossy()]).await?;
    let env = ("MOORING_HOST_ROOT", HOST);
    let server = serve(lab, &ns, "hwid", &key, &description, env).await?;
    server.condition(lab, "Ready", "True").await?;
    let spec = pod(lab, &server).await?.spec.unwrap_or_default();
    let user = spec.security_context.and_then(|s| s.run_as_user);
    ensure!(user == Some(0), "the server runs as {user:?}");
    ports
        .run(
            lab,
            &format!("rm -r {HOST}/sys && echo other >{HOST}/etc/machine-id"),
        )
        .await?;
    server
        .condition(lab, "AnchorPresent", "False")
        .await
        .map(drop)
}

/// What docs/dongles.md promises of Pod Security: with a device resource and pcscd, or a USB
/// device, the pod is `restricted`.
pub(super) async fn a_dongles_pod_is_restricted(lab: &Lab) -> Result<()> {
    let ns = begin(lab, "a_dongles_pod_is_restricted").await?;
    let level = "pod-security.kubernetes.io/enforce=restricted";
    lab.kubectl(&["label", "namespace", &ns, level])
        .await?
        .ok("labelling the namespace")?;
    // Nothing is read here; it must be there, or the operator says that it is not and waits.
    let key_secret = KeyRef {
        name: "usb-pin".into(),
        key: "pin".into(),
    };
    let token = Pkcs11 {
        pcscd: Some(Pcscd::default()),
        ..pkcs11("/m.so", "t", "")
    };
    for (name, anchor) in [("usb", Usb { key_secret }.into()), ("card", token.into())] {
        let mut server = Server::new(&ns, 1);
        server.name = name.into();
        server.device_resource = Some("v.example/d".into());
        server.anchored = Some((anchor, Template::default()));
        let license = "not read: the pod alone is looked at";
        server.apply_with(lab, license, PIN, &lab.anchor).await?;
        eventually("its pod is admitted", within(40), async || {
            Ok(pod(lab, &server).await.map(drop).map_err(|e| e.to_string()))
        })
        .await?;
    }
    Ok(())
}
