//! What makers leave where a number should be.

/// From how many signs on a run (12345678, 0123456789ABCDEF) is nobody's serial number.
const RUN: usize = 4;

const WORDS: &[&str] = &[
    "to be filled by o.e.m.",
    "default string",
    "not specified",
    "not applicable",
    "not available",
    "system serial number",
    "base board serial number",
    "none",
    "n/a",
    "na",
    "null",
    "unknown",
    "uninitialized",
    "empty",
    "serial",
    "oem",
    // A UUID that a maker of boards forgot to change.
    "03000200-0400-0500-0006-000700080009",
];

/// Whether a serial number, an address or a UUID tells no device from another: nothing, one sign
/// again and again (00000000, ff:ff:ff:ff:ff:ff, x), a run (12345678), or words in its place. The
/// one rule for USB devices and machines.
pub fn is_placeholder(value: &str) -> bool {
    let v = value.trim().to_lowercase();
    let signs: Vec<char> = v.chars().filter(|c| c.is_alphanumeric()).collect();
    let each = |is: fn(char, char) -> bool| {
        std::iter::zip(&signs, signs.iter().skip(1)).all(|(a, b)| is(*a, *b))
    };
    WORDS.contains(&v.as_str())
        || each(|a, b| a == b)
        || signs.len() >= RUN && (each(follows) || each(|a, b| follows(b, a)))
}

/// Whether a sign comes after another where people count: also 0 after 9, and a after either.
fn follows(a: char, b: char) -> bool {
    match (a, b) {
        ('9' | 'f', '0') | ('9' | '0', 'a') => true,
        _ => a.is_ascii_alphanumeric() && u32::from(b) == u32::from(a) + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_no_device_from_another_is_a_placeholder() {
        for none in [
            "",
            " ",
            "0",
            "x",
            "000000000000",
            "FFFFFFFF",
            "0123456789ABCDEF",
            "0123456789",
            "12345678",
            "1234567890",
            "123456789012",
            "1234567890ABCDEF",
            "87654321",
            "ABCDEF",
            "12:34:56:78",
            "None",
            "To Be Filled By O.E.M.",
            "............",
        ] {
            assert!(is_placeholder(none), "{none:?}");
        }
        for own in [
            "A1",
            "123",
            "4C530001",
            "DENK0400123",
            "4C530000123456789012",
            "3c:ec:ef:00:00:01",
            "100000001",
            "12345679",
        ] {
            assert!(!is_placeholder(own), "{own:?}");
        }
    }
}
