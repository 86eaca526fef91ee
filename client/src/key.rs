//! The vendor's public keys, as they are compiled into an application.

use mooring_core::license::PublicKey;

/// A vendor's Ed25519 public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VendorKey([u8; 32]);

impl VendorKey {
    /// From 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// From 64 hexadecimal digits. In a `const` or `static`, where it belongs, a wrong key does not
    /// compile:
    ///
    /// ```compile_fail
    /// use mooring_client::VendorKey;
    /// static VENDOR: &[VendorKey] = &[VendorKey::from_hex("not a key")];
    /// ```
    ///
    /// # Panics
    /// Outside of a constant, if `hex` is no such text.
    pub const fn from_hex(hex: &str) -> Self {
        let h = hex.as_bytes();
        assert!(h.len() == 64, "a vendor key is 64 hexadecimal digits");
        let mut key = [0; 32];
        let mut i = 0;
        while i < 32 {
            key[i] = digit(h[2 * i]) << 4 | digit(h[2 * i + 1]);
            i += 1;
        }
        Self(key)
    }
}

const fn digit(c: u8) -> u8 {
    assert!(
        c.is_ascii_hexdigit(),
        "a vendor key is 64 hexadecimal digits"
    );
    match c {
        b'0'..=b'9' => c - b'0',
        b'a'..=b'f' => c - b'a' + 10,
        _ => c - b'A' + 10,
    }
}

impl From<VendorKey> for PublicKey {
    fn from(k: VendorKey) -> Self {
        Self::Ed25519(k.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: VendorKey =
        VendorKey::from_hex("d75A980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");

    #[test]
    fn a_key_is_read_at_compile_time() {
        let text = PublicKey::from(KEY).to_string();
        assert_eq!(
            text,
            "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
        assert_eq!(KEY, VendorKey::from_bytes(KEY.0));
    }
}
