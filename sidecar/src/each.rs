//! Settings that each license server has its own of, where there are several: entries with `;`
//! between them, the n-th for the n-th server; one entry is for all.

use mooring_core::annotation::ENTRY_END;
use std::convert::Infallible;
use std::str::FromStr;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Each(Vec<String>);

impl FromStr for Each {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl From<&str> for Each {
    fn from(text: &str) -> Self {
        if text.is_empty() {
            return Self::default();
        }
        let entries = text.split(ENTRY_END).map(|e| e.trim().to_owned());
        Self(entries.collect())
    }
}

impl Each {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(String::is_empty)
    }

    pub(crate) fn entries(&self) -> &[String] {
        &self.0
    }

    /// The entry for the n-th of so many servers; empty if there is none.
    pub(crate) fn of(&self, n: usize, servers: usize) -> Result<&str, String> {
        match self.0.as_slice() {
            [] => Ok(""),
            [one] => Ok(one),
            all if all.len() == servers => Ok(all.get(n).map_or("", String::as_str)),
            all => Err(format!(
                "has {} entries, and there are {servers} license servers; expected one entry for all, or one for each",
                all.len()
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_entry_is_for_all_and_several_are_for_each() {
        let of = |text: &str, n| Each::from(text).of(n, 2).map(str::to_owned);
        assert_eq!(of("", 1), Ok(String::new()));
        assert_eq!(of("8h", 1), Ok("8h".into()));
        assert_eq!(of("8h; 1h", 1), Ok("1h".into()));
        assert_eq!(of(";1h", 0), Ok(String::new()));
        let refused = of("1h;2h;3h", 0);
        assert!(refused.is_err_and(|e| e.contains("3 entries") && e.contains("2 license servers")));
    }
}
