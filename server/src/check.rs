//! `check-config`: what a configuration names is there and good.

use crate::auth::clients;
use crate::keeper::{Keeper, Place};
use crate::license::{LicenseFiles, Memory};
use crate::metrics::Metrics;
use crate::tls::Certificates;
use anyhow::{Context as _, Result, bail};
use mooring_config::{AnchorConfig, Config};
use mooring_core::reason::LicenseReason;
use mooring_core::receipt::{IDENTITY_KEY, Identity};
use mooring_net::{clock, random};
use std::sync::Arc;

/// The most keys that the file of the identity key may have: the one that seals, and those before
/// it.
const IDENTITY_KEYS: usize = 4;

/// What receipts are sealed and holders' names hidden with, by the keys of this file.
pub(crate) fn identity(config: &Config) -> Result<Identity> {
    let path = &config.identity_key;
    let what = || format!("configuration field identityKey: {}", path.display());
    let bytes = std::fs::read(path).with_context(what)?;
    let (keys, rest) = bytes.as_chunks::<IDENTITY_KEY>();
    match keys {
        [first, earlier @ ..] if rest.is_empty() && keys.len() <= IDENTITY_KEYS => {
            Ok(Identity::new(first, earlier, config.full_name()))
        }
        _ => {
            let todo = "expected 32 random ones (head -c 32 /dev/urandom), and after them up to three earlier keys";
            bail!("{}: {} bytes, {todo}", what(), bytes.len())
        }
    }
}

/// What earlier runs kept, to look at: nothing is written, and no Secret is asked for.
fn on_this_machine(config: &Config) -> Result<Arc<Keeper>> {
    let place = match &config.state_secret {
        None => Place::file(config),
        Some(_) => Place::Nowhere,
    };
    let metrics = Arc::new(Metrics::new().context("metrics")?);
    let keeper = Keeper::new(place, random::instance_id(), metrics);
    futures::executor::block_on(keeper.flush());
    Ok(Arc::new(keeper))
}

/// Reads everything that the configuration names, and says what is wrong. Touches neither token
/// nor network.
pub(crate) fn check(config: &Config) -> Result<String> {
    identity(config)?;
    Certificates::load(config.tls.clone())
        .context("configuration field tls")?
        .tls()?;
    let mut files = LicenseFiles::new(config, Memory::new(on_this_machine(config)?));
    let now = clock::now().wall;
    files.look(now, None);
    let view = files.view(now);
    let all_good = view.files.iter().all(|f| f.valid);
    if !all_good || view.reason == LicenseReason::RevocationsRefused {
        let (reason, message) = (view.reason, view.message);
        bail!("configuration field licenses: {reason}: {message}");
    }
    if let Some(c) = &config.clients {
        clients::check(c, &config.admins)?;
    }
    let anchors = [
        ("anchor", Some(&config.anchor)),
        ("standby", config.standby.as_ref()),
    ];
    for (field, anchor) in anchors {
        if let Some(key) = anchor.and_then(AnchorConfig::key_file) {
            mooring_net::key_file::read(key)
                .with_context(|| format!("configuration field {field}"))?;
        }
    }
    if let Some(p) = &config.policies {
        let text = std::fs::read_to_string(p)
            .with_context(|| format!("configuration field policies: {}", p.display()))?;
        serde_yaml::from_str::<mooring_core::wire::Policies>(&text)
            .context("configuration field policies")?;
    }
    // A file that need not be there may be one whose name is misspelt.
    let list = config.revocations.as_deref().filter(|p| !p.exists());
    let list = list.map(|p| format!("; there is no revocation list {} yet", p.display()));
    Ok(view.message + &list.unwrap_or_default())
}
