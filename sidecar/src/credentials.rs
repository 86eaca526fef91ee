//! Who this sidecar is to the license server: a token in a file, or a client certificate. Both are
//! read anew.

use mooring_core::time::Timestamp;
use mooring_core::wire::{Problem, ProblemType};
use mooring_net::tls::ClientFiles;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// A token is a few KB; whatever is longer is none.
const MAX_TOKEN_FILE: u64 = 64 * 1024;

/// What is shown with a claim that nothing else vouches for.
#[derive(Clone, Debug)]
pub(crate) enum Credentials {
    /// A service-account token, or one that the CLI issued.
    TokenFile(PathBuf),
    Certificate(Arc<ClientFiles>),
}

impl Credentials {
    /// The token, read anew: the kubelet replaces it. Without one nobody is asked, which says
    /// nothing of the server.
    pub(crate) fn bearer(&self) -> Result<Option<String>, Problem> {
        match self {
            Self::TokenFile(file) => token(file).map(Some),
            Self::Certificate(_) => Ok(None),
        }
    }

    /// What is wrong with it here, so that no server could take it: then that nobody answered says
    /// nothing of the server.
    pub(crate) fn fault(&self, now: SystemTime) -> Option<Problem> {
        let Self::Certificate(files) = self else {
            return None;
        };
        let ended = Timestamp::try_from(files.ended(now)?).ok()?;
        let file = files.path().display();
        let detail = format!(
            "the client certificate {file} ended {ended}: put a new one there, or set this machine's clock"
        );
        let problem = Problem::new(ProblemType::Unauthenticated, detail);
        Some(problem.field("MOORING_CLIENT_CERT"))
    }

    /// Whether connections made until now show an earlier certificate.
    pub(crate) fn refresh(&self) -> bool {
        match self {
            Self::TokenFile(_) => false,
            Self::Certificate(files) => files.refresh(),
        }
    }
}

fn token(file: &Path) -> Result<String, Problem> {
    let bad = |problem: &dyn std::fmt::Display| {
        let file = file.display();
        let detail = format!("the token file {file} cannot be used: {problem}");
        Problem::new(ProblemType::Unauthenticated, detail).field("MOORING_TOKEN_FILE")
    };
    let length = std::fs::metadata(file).map_err(|e| bad(&e))?.len();
    if length > MAX_TOKEN_FILE {
        let problem = format!("{length} bytes, expected at most {MAX_TOKEN_FILE}");
        return Err(bad(&problem));
    }
    let token = std::fs::read_to_string(file).map_err(|e| bad(&e))?;
    let token = token.trim();
    let plain = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
    if plain {
        Ok(token.to_owned())
    } else {
        Err(bad(&"expected one line of a bearer token"))
    }
}
