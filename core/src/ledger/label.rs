//! A text that is mostly short, without memory of its own: there are as many as there are claims,
//! and each would be one more place to fetch.

use std::ops::Deref;

/// The longest that lies in place: the names that Kubernetes makes for pods mostly are no longer.
const SHORT: usize = 38;

#[derive(Clone, Debug)]
pub(super) enum Label {
    Short(u8, [u8; SHORT]),
    Long(Box<str>),
}

impl From<&str> for Label {
    fn from(s: &str) -> Self {
        let mut bytes = [0; SHORT];
        let Some(there) = bytes.get_mut(..s.len()) else {
            return Self::Long(s.into());
        };
        there.copy_from_slice(s.as_bytes());
        Self::Short(s.len() as u8, bytes)
    }
}

impl Deref for Label {
    type Target = str;
    fn deref(&self) -> &str {
        match self {
            Self::Short(n, bytes) => {
                let text = bytes.get(..usize::from(*n)).unwrap_or_default();
                str::from_utf8(text).unwrap_or_default()
            }
            Self::Long(s) => s,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_or_long_it_is_the_same_text() {
        for n in 0..50 {
            let text = "ü".repeat(n / 2) + &"x".repeat(n % 2);
            assert_eq!(&*Label::from(text.as_str()), text);
        }
        assert_eq!(size_of::<Label>(), 40);
    }
}
