//! How long certificates live, as an installation says it.

use mooring_api::Span;
use std::time::Duration;

/// Flags of the CA and of what it signs; `#[command(flatten)]` them.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Certificates")]
pub struct Lives {
    /// How long a new CA is valid. In the last third of its life the operator makes the next one.
    #[arg(long, default_value = "87600h", value_name = "DURATION")]
    ca_validity: Span,
    /// How long what the CA signs is valid; renewed in the last third.
    #[arg(long, default_value = "2160h", value_name = "DURATION")]
    certificate_validity: Span,
    /// Make the next CA only when asked to (kubectl mooring ca rotate).
    #[arg(long)]
    rotate_ca_by_hand: bool,
}

impl Lives {
    pub fn ca(&self) -> Duration {
        self.ca_validity.0
    }

    pub fn certificate(&self) -> Duration {
        self.certificate_validity.0
    }

    /// Whether an aging CA is replaced without anybody's asking.
    pub fn by_itself(&self) -> bool {
        !self.rotate_ca_by_hand
    }
}

#[cfg(test)]
impl Default for Lives {
    fn default() -> Self {
        Self {
            ca_validity: Span(mooring_pki::CA_VALIDITY),
            certificate_validity: Span(Duration::from_secs(90 * 86_400)),
            rotate_ca_by_hand: false,
        }
    }
}
