//! Reasons that the server tells in a word: why an anchor does not sign, how the license stands.
//! People read them in conditions, metrics and tables; the operator acts on some, and so they are
//! no strings.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $v:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* $v,)*
            /// One that this version does not know.
            #[serde(other)]
            Unknown,
        }

        impl $name {
            /// As it is written.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$v => stringify!($v),)* Self::Unknown => "Unknown" }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl From<$name> for String {
            fn from(r: $name) -> Self {
                r.name().into()
            }
        }
    };
}

reasons! {
    /// How the anchor stands: whether it signs, and if not, why.
    AnchorReason {
        /// It signs.
        Present,
        /// The standby signs, since the first anchor is lost.
        StandbyInUse,
        /// It is being opened for the first time.
        Starting,
        /// The PKCS#11 module cannot be loaded.
        ModuleNotFound,
        /// The module is there and does not work.
        ModuleFailed,
        /// No token with this label.
        TokenNotFound,
        /// Several tokens with this label.
        TokenAmbiguous,
        /// The PIN file cannot be read.
        PinMissing,
        /// A login failed; there will be no other before the PIN changes.
        PinRejected,
        /// The token has no key that could sign.
        KeyNotFound,
        /// The token's keys are not those of the license.
        KeyNotInLicense,
        Hung,
        /// It failed to sign, or signed wrongly.
        SignFailed,
        /// It was pulled out, or broke.
        TokenLost,
        /// The file of the software key cannot be used.
        KeyFileUnusable,
        /// The USB device of the license is not plugged in.
        DeviceNotFound,
        /// The system's list of USB devices cannot be read.
        DevicesUnreadable,
        /// Too little of the machine is what the license knows it by.
        HostChanged,
        /// What the machine is known by cannot be read.
        HostUnreadable,
        /// The standby anchor has served its days.
        StandbyExpired,
        /// How long the standby anchor served cannot be kept.
        StandbyUncounted,
    }
}

reasons! {
    /// How the license stands.
    LicenseReason {
        /// It is in force, and nothing is wrong.
        Valid,
        /// The file was not read yet.
        Starting,
        /// One is in force, and a newer file is refused.
        NewLicenseRefused,
        /// One is in force, and a revocation list is refused.
        RevocationsRefused,
        Unreadable,
        /// The vendor's keys cannot be read.
        VendorKeysInvalid,
        /// The file is no license file.
        Malformed,
        /// Its signature does not verify.
        SignatureInvalid,
        /// A field of it is wrong.
        FieldInvalid,
        /// It demands something that this version does not know.
        NotUnderstood,
        NotYetValid,
        Expired,
        /// A newer one was in force here.
        Superseded,
        /// The vendor took it back.
        Revoked,
        /// It is bound to other hardware.
        NotForThisAnchor,
        RevocationsUnreadable,
        /// The revocation list is none.
        RevocationsMalformed,
        /// Its signature does not verify.
        RevocationsSignatureInvalid,
        /// A field of it is wrong.
        RevocationsFieldInvalid,
        /// It is no newer than the list that is known.
        RevocationsNumberNotHigher,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_written_as_it_is_named_and_a_newer_one_is_read_as_unknown() {
        let json = serde_json::to_string(&AnchorReason::PinRejected).unwrap_or_default();
        assert_eq!(json, "\"PinRejected\"");
        let read = |s: &str| serde_json::from_str::<AnchorReason>(s).ok();
        assert_eq!(read("\"TokenLost\""), Some(AnchorReason::TokenLost));
        assert_eq!(read("\"Melted\""), Some(AnchorReason::Unknown));
        assert_eq!(LicenseReason::Expired.to_string(), "Expired");
    }
}
