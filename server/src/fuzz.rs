//! For the fuzzer: what an anchor's worker is asked and answers, line by line.

use crate::anchor::protocol::{Answer, Ask};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn stands<T: Serialize + DeserializeOwned>(line: &[u8], errors: &mut Vec<String>) {
    match serde_json::from_slice::<T>(line) {
        Err(e) => errors.push(e.to_string()),
        Ok(read) => {
            let written = serde_json::to_vec(&read).unwrap_or_default();
            let again = serde_json::from_slice::<T>(&written);
            let again = again.ok().and_then(|a| serde_json::to_vec(&a).ok());
            assert_eq!(Some(written), again);
        }
    }
}

/// Lines as the worker reads and writes them: refused, or read to what is written and read again.
/// Gives the errors, which are for people.
pub fn worker(data: &[u8]) -> Vec<String> {
    let mut errors = Vec::new();
    for line in data.split(|b| *b == b'\n') {
        stands::<Ask>(line, &mut errors);
        stands::<Answer>(line, &mut errors);
    }
    errors
}
