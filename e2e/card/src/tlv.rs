//! BER-TLV as PIV uses it: tags as they are written, lengths up to 65,535.

/// Tag, length and value.
pub fn encode(tag: &[u8], value: &[u8]) -> Vec<u8> {
    let n = value.len();
    let [high, low] = u16::try_from(n).unwrap_or(u16::MAX).to_be_bytes();
    let length: &[u8] = match n {
        0..=0x7F => &[low],
        0x80..=0xFF => &[0x81, low],
        _ => &[0x82, high, low],
    };
    [tag, length, value].concat()
}

/// Takes one TLV with a tag of one byte off the front: tag, value, and the rest. None if it is cut
/// short.
pub fn take(data: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = data.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (n, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => {
            let (high, low) = (*rest.first()?, *rest.get(1)?);
            (usize::from(u16::from_be_bytes([high, low])), rest.get(2..)?)
        }
        _ => return None,
    };
    Some((tag, rest.get(..n)?, rest.get(n..)?))
}

/// The value of the first TLV with this tag.
pub fn find(mut data: &[u8], wanted: u8) -> Option<&[u8]> {
    while let Some((tag, value, rest)) = take(data) {
        if tag == wanted {
            return Some(value);
        }
        data = rest;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_taken_back_at_each_size_of_the_length() {
        for n in [0, 1, 127, 128, 255, 256, 1000, 65_535] {
            let value = vec![7; n];
            let mut bytes = encode(&[0x53], &value);
            bytes.push(9);
            assert_eq!(
                take(&bytes),
                Some((0x53, value.as_slice(), [9].as_slice())),
                "{n}"
            );
        }
    }

    #[test]
    fn what_is_cut_short_or_too_long_is_nothing() {
        for bad in [
            &[][..],
            &[0x53],
            &[0x53, 2, 1],
            &[0x53, 0x81],
            &[0x53, 0x82, 1],
            &[0x53, 0x84, 0, 0, 0, 1, 5],
        ] {
            assert_eq!(take(bad), None, "{bad:02x?}");
        }
        assert_eq!(find(&[0x82, 0, 0x81, 1, 5], 0x81), Some([5].as_slice()));
        assert_eq!(find(&[0x82, 0, 0x81, 2, 5], 0x81), None);
    }
}
