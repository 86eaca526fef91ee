//! What LicenseServers may ask of the platform: whoever installs Mooring decides, and not whoever
//! writes a LicenseServer. Pure; a ValidatingAdmissionPolicy of the chart says the same earlier.

use super::validate::Invalid;
use mooring_api::{LicenseServer, LicenseServerSpec, Template, TlsSettings};
use rustls::pki_types::ServerName;
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The namespaces of Kubernetes itself begin so.
const KUBERNETES: &str = "kube-";

/// What an installation allows.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "What LicenseServers may ask for")]
pub struct Platform {
    /// A namespace that may have LicenseServers. May be given several times; without it all may but
    /// the operator's own and those of Kubernetes (kube-…).
    #[arg(long = "server-namespace", value_name = "NAMESPACE")]
    pub namespaces: Vec<String>,
    /// An image that a LicenseServer may name besides the default ones; one that ends in * stands
    /// for all that begin so. May be given several times.
    #[arg(long = "allowed-image", value_name = "IMAGE")]
    pub images: Vec<ImageRule>,
    /// A folder or file of the node that a LicenseServer may mount, with all below it; with :ro
    /// behind it only to read. May be given several times.
    #[arg(long = "allowed-host-path", value_name = "PATH[:ro]")]
    pub host_paths: Vec<HostPathRule>,
    /// A name or IP address that a LicenseServer's certificate may have besides its Service's; one
    /// that begins with *. stands for all below it. May be given several times.
    #[arg(long = "allowed-name", value_name = "NAME")]
    pub names: Vec<NameRule>,
}

/// A name, or all below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameRule(String);

impl FromStr for NameRule {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let name = s.strip_prefix("*.").unwrap_or(s);
        if is_name(name) && !is_of_the_cluster(name) {
            return Ok(Self(s.to_owned()));
        }
        Err("expected a DNS name in small letters with a dot in it, *. before one, or an IP address; and none of a Service (svc)".to_owned())
    }
}

impl NameRule {
    fn allows(&self, name: &str) -> bool {
        match self.0.strip_prefix('*') {
            Some(end) => name.len() > end.len() && name.ends_with(end),
            None => name == self.0,
        }
    }
}

/// Names as they are compared: no star, no capitals; a plain word is a host of whoever asks.
fn is_name(name: &str) -> bool {
    let dns = || {
        let plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-' | '.');
        name.contains('.') && name.chars().all(plain) && ServerName::try_from(name).is_ok()
    };
    name.parse::<IpAddr>()
        .is_ok_and(|ip| ip.to_string() == name)
        || dns()
}

/// The names of Services: by these sidecars know their server, and the API server the webhook.
fn is_of_the_cluster(name: &str) -> bool {
    let mut labels = name.split('.');
    labels.any(|l| l == "svc") || name.ends_with("cluster.local")
}

/// One image, or all that begin alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRule(String);

impl FromStr for ImageRule {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let begin = s.strip_suffix('*').unwrap_or(s);
        // `registry.example*` would allow what lies at `registry.example.of.somebody.else`.
        let ends_a_part = begin == s || begin.ends_with(['/', ':', '@']);
        if begin.is_empty() || begin.contains('*') || !ends_a_part {
            return Err(
                "expected an image, or the begin of some with * behind a /, : or @".to_owned(),
            );
        }
        Ok(Self(s.to_owned()))
    }
}

impl ImageRule {
    fn allows(&self, image: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(begin) => image.len() > begin.len() && image.starts_with(begin),
            None => image == self.0,
        }
    }
}

/// A path of the node, with all below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPathRule {
    path: String,
    read_only: bool,
}

impl FromStr for HostPathRule {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let (path, read_only) = s.strip_suffix(":ro").map_or((s, false), |p| (p, true));
        if !path.starts_with('/') || !is_plain(path) {
            return Err("expected an absolute path without //, . and .., such as /run/pcscd, or /run/pcscd:ro".to_owned());
        }
        let path = path.trim_end_matches('/').to_owned();
        Ok(Self { path, read_only })
    }
}

impl HostPathRule {
    fn allows(&self, path: &str, read_only: bool) -> bool {
        let below = path.strip_prefix(&self.path);
        let is_below = below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        is_below && is_plain(path) && (read_only || !self.read_only)
    }
}

impl fmt::Display for HostPathRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() {
            "/"
        } else {
            &self.path
        };
        write!(
            f,
            "{path}{}",
            if self.read_only { " (readOnly)" } else { "" }
        )
    }
}

/// Whether a path says where it leads: no part of it goes back or nowhere.
fn is_plain(path: &str) -> bool {
    let parts = path.trim_end_matches('/').split('/').skip(1);
    parts.into_iter().all(|p| !matches!(p, "" | "." | ".."))
}

/// What a LicenseServer asks for and may not have; `own`: the operator's namespace, `images`: the
/// chart's own.
pub fn refusal(
    server: &LicenseServer,
    platform: &Platform,
    own: &str,
    images: &[&str],
) -> Option<Invalid> {
    let namespace = server.metadata.namespace.as_deref().unwrap_or("");
    namespace_refusal(namespace, platform, own)
        .or_else(|| image_refusal(&server.spec, platform, images))
        .or_else(|| host_path_refusal(&server.spec.template, platform))
        .or_else(|| name_refusal(&server.spec.tls, platform))
}

fn forbidden(field: impl Into<Cow<'static, str>>, found: &str, expected: String) -> Invalid {
    Invalid {
        reason: "NotAllowed",
        field: field.into(),
        found: found.to_owned(),
        expected,
    }
}

fn namespace_refusal(namespace: &str, platform: &Platform, own: &str) -> Option<Invalid> {
    let listed = &platform.namespaces;
    let field = "metadata.namespace";
    if namespace == own || namespace.starts_with(KUBERNETES) {
        let expected = "a namespace of its own: a license server may read every Secret beside it, so those of Mooring's operator and of Kubernetes (kube-…) take none";
        return Some(forbidden(field, namespace, expected.to_owned()));
    }
    if listed.is_empty() || listed.iter().any(|n| n == namespace) {
        return None;
    }
    let expected = format!(
        "one of {} (chart value licenseServers.namespaces)",
        listed.join(", ")
    );
    Some(forbidden(field, namespace, expected))
}

fn image_refusal(spec: &LicenseServerSpec, platform: &Platform, own: &[&str]) -> Option<Invalid> {
    let pcscd = spec.anchors().zip(["anchor", "standby"]).map(|(a, of)| {
        let pcscd = a.pkcs11.as_ref().and_then(|p| p.pcscd.as_ref());
        (
            format!("spec.{of}.pkcs11.pcscd.image"),
            pcscd.and_then(|p| p.image.as_ref()),
        )
    });
    let server = (
        "spec.template.image".to_owned(),
        spec.template.image.as_ref(),
    );
    let named = std::iter::once(server).chain(pcscd);
    let mut named = named.filter_map(|(field, image)| Some((field, image?)));
    let allowed =
        |image: &str| own.contains(&image) || platform.images.iter().any(|rule| rule.allows(image));
    let (field, image) = named.find(|(_, image)| !allowed(image))?;
    let mut all: Vec<&str> = own.to_vec();
    all.extend(platform.images.iter().map(|rule| rule.0.as_str()));
    let expected = format!(
        "{}: whoever installed Mooring says which images license servers may have (chart value licenseServers.allowedImages)",
        all.join(", ")
    );
    Some(forbidden(field, image, expected))
}

fn host_path_refusal(template: &Template, platform: &Platform) -> Option<Invalid> {
    let allowed = |path: &str, read_only| {
        let mut rules = platform.host_paths.iter();
        rules.any(|rule| rule.allows(path, read_only))
    };
    let mut asked = template.host_paths.iter().enumerate();
    let (n, asked) = asked.find(|(_, h)| !allowed(&h.path, h.read_only))?;
    let rules: Vec<String> = platform
        .host_paths
        .iter()
        .map(ToString::to_string)
        .collect();
    let rules = match &rules[..] {
        [] => "none".to_owned(),
        all => all.join(", "),
    };
    let expected = format!(
        "{rules}: whoever installed Mooring says which paths of the node license servers may mount (chart value licenseServers.allowedHostPaths)"
    );
    let field = format!("spec.template.hostPaths[{n}].path");
    Some(forbidden(field, &asked.path, expected))
}

fn name_refusal(tls: &TlsSettings, platform: &Platform) -> Option<Invalid> {
    let allowed = |name: &str| {
        let rules = || platform.names.iter().any(|rule| rule.allows(name));
        is_name(name) && !is_of_the_cluster(name) && rules()
    };
    let mut asked = tls.names.iter().enumerate();
    let (n, asked) = asked.find(|(_, name)| !allowed(name))?;
    let rules: Vec<&str> = platform.names.iter().map(|rule| rule.0.as_str()).collect();
    let rules = match &rules[..] {
        [] => "none".to_owned(),
        all => all.join(", "),
    };
    let expected = format!(
        "{rules}: whoever installed Mooring says which names its CA signs for license servers (chart value licenseServers.allowedNames)"
    );
    Some(forbidden(format!("spec.tls.names[{n}]"), asked, expected))
}

#[cfg(test)]
mod tests;
