#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::needless_pass_by_value)]
use super::*;
use clap::Parser;
use serde_json::{Value, json};

const OWN: [&str; 2] = ["mooring/server:1", "mooring/pcscd:1"];

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    platform: Platform,
}

fn platform(flags: &[&str]) -> Platform {
    let all = std::iter::once("operator").chain(flags.iter().copied());
    Cli::try_parse_from(all).unwrap().platform
}

fn judge(flags: &[&str], change: impl FnOnce(&mut Value)) -> Option<(String, String)> {
    let mut v = json!({
        "apiVersion": "mooring.dev/v1alpha1", "kind": "LicenseServer",
        "metadata": { "name": "main", "namespace": "licensing" },
        "spec": {
            "licenses": [{ "secretName": "l" }], "placement": { "nodeSelector": { "a": "b" } }, "template": {},
            "anchor": { "pkcs11": { "module": "/m", "tokenLabel": "t", "pinSecret": { "name": "p" }, "pcscd": {} } }
        }
    });
    change(&mut v);
    let server = serde_json::from_value(v).unwrap();
    let refused = refusal(&server, &platform(flags), "mooring-system", &OWN)?;
    assert_eq!(refused.reason, "NotAllowed");
    Some((refused.field.to_string(), refused.to_string()))
}

fn field(flags: &[&str], change: impl FnOnce(&mut Value)) -> Option<String> {
    judge(flags, change).map(|(field, _)| field)
}

fn paths(list: Value) -> impl FnOnce(&mut Value) {
    move |v| v["spec"]["template"]["hostPaths"] = list
}

#[test]
fn an_ordinary_one_asks_for_nothing_and_may_name_the_charts_own_images() {
    assert_eq!(field(&[], |_| ()), None);
    let own = field(&[], |v| {
        v["spec"]["template"]["image"] = json!(OWN[0]);
        v["spec"]["anchor"]["pkcs11"]["pcscd"]["image"] = json!(OWN[1]);
    });
    assert_eq!(own, None);
}

#[test]
fn the_operators_namespace_and_those_of_kubernetes_take_none() {
    for namespace in ["mooring-system", "kube-system", "kube-public", "kube-x"] {
        let refused = field(&[], |v| v["metadata"]["namespace"] = json!(namespace));
        assert_eq!(
            refused.as_deref(),
            Some("metadata.namespace"),
            "{namespace}"
        );
        let listed = format!("--server-namespace={namespace}");
        let listed = field(&[&listed], |v| {
            v["metadata"]["namespace"] = json!(namespace);
        });
        assert!(listed.is_some(), "{namespace}: a list does not open it");
    }
    assert_eq!(field(&["--server-namespace=licensing"], |_| ()), None);
    let (_, said) = judge(&["--server-namespace=other"], |_| ()).unwrap();
    assert!(
        said.contains("other") && said.contains("licenseServers.namespaces"),
        "{said}"
    );
}

#[test]
fn an_image_that_the_platform_does_not_list_is_refused_in_each_field() {
    let evil = json!("registry.example/attacker");
    let in_template = |v: &mut Value| v["spec"]["template"]["image"] = evil.clone();
    assert_eq!(
        field(&[], in_template).as_deref(),
        Some("spec.template.image")
    );
    let pcscd = |of: &'static str| {
        let evil = evil.clone();
        move |v: &mut Value| {
            v["spec"][of] = v["spec"]["anchor"].clone();
            v["spec"][of]["pkcs11"]["pcscd"]["image"] = evil;
        }
    };
    for of in ["anchor", "standby"] {
        let expected = format!("spec.{of}.pkcs11.pcscd.image");
        assert_eq!(field(&[], pcscd(of)), Some(expected));
    }
    for flag in [
        "--allowed-image=registry.example/attacker",
        "--allowed-image=registry.example/*",
    ] {
        assert_eq!(field(&[flag], in_template), None, "{flag}");
    }
    for flag in [
        "--allowed-image=registry.example/attack",
        "--allowed-image=registry.example/attacker/*",
    ] {
        let (_, said) = judge(&[flag], in_template).unwrap();
        assert!(
            said.contains("licenseServers.allowedImages") && said.contains(OWN[0]),
            "{said}"
        );
    }
}

#[test]
fn a_star_stands_only_behind_the_end_of_a_part() {
    for flag in ["registry.example*", "*", "", "a*b/*"] {
        assert!(flag.parse::<ImageRule>().is_err(), "{flag}");
    }
    for flag in [
        "registry.example/*",
        "registry.example/server:*",
        "registry.example/server@*",
    ] {
        assert!(flag.parse::<ImageRule>().is_ok(), "{flag}");
    }
}

#[test]
fn a_host_path_is_allowed_with_all_below_it_and_nothing_else_is() {
    let one = |path: &str| json!([{ "path": path, "mountPath": "/a" }]);
    let flags = ["--allowed-host-path=/var/lib/anchor/"];
    for path in ["/var/lib/anchor", "/var/lib/anchor/", "/var/lib/anchor/one"] {
        assert_eq!(field(&flags, paths(one(path))), None, "{path}");
        let without = field(&[], paths(one(path)));
        assert_eq!(
            without.as_deref(),
            Some("spec.template.hostPaths[0].path"),
            "{path}"
        );
    }
    for path in [
        "/",
        "/var/lib",
        "/var/lib/anchors",
        "/var/lib/anchor/../secret",
        "/var/lib/anchor/..",
        "/var/lib/anchor//x",
        "/var/lib/anchor/./x",
        "//var/lib/anchor",
    ] {
        assert!(field(&flags, paths(one(path))).is_some(), "{path}");
    }
    assert_eq!(field(&["--allowed-host-path=/"], paths(one("/etc"))), None);
    for flag in ["var", "/a/../b", "/a//b", ""] {
        assert!(flag.parse::<HostPathRule>().is_err(), "{flag}");
    }
}

#[test]
fn what_may_only_be_read_is_not_mounted_to_write() {
    let flags = ["--allowed-host-path=/run/pcscd:ro"];
    let mount = |read_only: bool| json!([{ "path": "/run/pcscd", "mountPath": "/p", "readOnly": read_only }]);
    assert_eq!(field(&flags, paths(mount(true))), None);
    let (_, said) = judge(&flags, paths(mount(false))).unwrap();
    assert!(said.contains("/run/pcscd (readOnly)"), "{said}");
    let both = json!([{ "path": "/run/pcscd", "mountPath": "/p", "readOnly": true }, { "path": "/etc", "mountPath": "/e" }]);
    assert_eq!(
        field(&flags, paths(both)).as_deref(),
        Some("spec.template.hostPaths[1].path")
    );
}

#[test]
fn a_certificate_has_no_name_but_the_installations_and_never_a_services() {
    let asked = |flags: &[&str], name: &str| {
        let name = json!({ "names": [name] });
        judge(flags, |v| v["spec"]["tls"] = name)
    };
    let (field, said) = asked(&[], "license.example.com").unwrap();
    assert_eq!(field, "spec.tls.names[0]");
    assert!(said.contains("licenseServers.allowedNames"), "{said}");
    let flags = ["--allowed-name=*.example.com", "--allowed-name=192.0.2.7"];
    for name in ["license.example.com", "a.b.example.com", "192.0.2.7"] {
        assert_eq!(asked(&flags, name), None, "{name}");
    }
    for name in [
        "example.com",
        "badexample.com",
        "*.example.com",
        "License.example.com",
        "192.0.2.8",
        "localhost",
    ] {
        assert!(asked(&flags, name).is_some(), "{name}");
    }
    // Whoever has such a certificate could be any license server, or the webhook itself.
    for name in [
        "mooring-webhook.mooring-system.svc",
        "x.svc.example.com",
        "x.y.cluster.local",
    ] {
        let flag = format!("--allowed-name={name}");
        assert!(Cli::try_parse_from(["operator", &flag]).is_err(), "{name}");
        assert!(
            asked(&["--allowed-name=*.example.com"], name).is_some(),
            "{name}"
        );
    }
}
