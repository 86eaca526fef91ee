//! A new card: keys, certificates, a PIN. And how that is written down.

use crate::piv::{Personal, Slot};
use anyhow::{Context as _, Result, ensure};
use p256::ecdsa::SigningKey;
use p256::pkcs8::DecodePrivateKey as _;
use rcgen::{CertificateParams, DnType, KeyPair};
use serde::{Deserialize, Serialize};

/// A card's making, as a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Made {
    pub pin: String,
    /// How often a wrong one may be tried.
    pub tries: u8,
    guid: String,
    /// Slot 9A.
    pub authentication: MadeSlot,
    /// Slot 9E.
    pub card: MadeSlot,
}

/// A key and its certificate, as hex.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MadeSlot {
    /// PKCS#8.
    key: String,
    /// DER.
    certificate: String,
    /// The public key's point, uncompressed: what a license lists.
    pub public: String,
}

impl Made {
    /// Makes a card. `name` becomes the holder's name in its certificates, by which OpenSC names
    /// the token.
    pub fn new(name: &str, pin: &str, tries: u8) -> Result<Self> {
        let digits = pin.bytes().all(|b| b.is_ascii_digit());
        ensure!(
            digits && (6..=8).contains(&pin.len()),
            "--pin {pin:?}: a PIV card's PIN has six to eight digits"
        );
        ensure!(
            (1..=15).contains(&tries),
            "--tries {tries}: must be 1 to 15"
        );
        let slot = || -> Result<MadeSlot> {
            let key = KeyPair::generate()?;
            let mut p = CertificateParams::new(Vec::new())?;
            p.distinguished_name.push(DnType::CommonName, name);
            Ok(MadeSlot {
                key: hex::encode(key.serialize_der()),
                certificate: hex::encode(p.self_signed(&key)?.der()),
                public: hex::encode(key.public_key_raw()),
            })
        };
        let authentication = slot()?;
        // As random as the key, and the card's own.
        let guid = authentication.public.get(2..34).unwrap_or_default().into();
        Ok(Self {
            pin: pin.into(),
            tries,
            guid,
            authentication,
            card: slot()?,
        })
    }

    /// The card itself.
    pub fn personal(&self) -> Result<Personal> {
        let slot = |s: &MadeSlot| -> Result<Slot> {
            let key = hex::decode(&s.key).context("field key")?;
            Ok(Slot {
                key: SigningKey::from_pkcs8_der(&key).context("field key: no P-256 key")?,
                certificate: hex::decode(&s.certificate).context("field certificate")?,
            })
        };
        let mut guid = [0; 16];
        hex::decode_to_slice(&self.guid, &mut guid).context("field guid: not 16 bytes in hex")?;
        Ok(Personal {
            pin: self.pin.clone(),
            tries: self.tries,
            guid,
            authentication: slot(&self.authentication)?,
            card: slot(&self.card)?,
        })
    }
}
