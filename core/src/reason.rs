//! Reasons that the server tells in a word: why an anchor does not sign, how the license stands.
//! People read them in conditions, metrics and tables; the operator acts on some, and so they are
//! no strings.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $v:ident => $todo:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* $v,)*
            /// One that this version does not know.
            #[serde(other)]
            Unknown,
        }

        impl $name {
            /// All that this version knows.
            pub const ALL: &'static [Self] = &[$(Self::$v),*];

            /// What to do about it, in Markdown: its row in docs/troubleshoot.md. Empty where
            /// nothing is wrong.
            pub const fn todo(self) -> &'static str {
                match self { $(Self::$v => $todo,)* Self::Unknown => "" }
            }

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
        Present => "",
        /// It signs, and the content of the PIN's file is another than at the login: whether that
        /// is right shows at the next one.
        PinChanged =>
            "the Secret with the PIN was changed while the server runs. Nothing happens now: the new PIN is tried at the next login (a restart, a replug). If it is not the token's, put the right one back",
        /// The standby signs, since the first anchor is lost.
        StandbyInUse =>
            "the first anchor is lost, and the standby serves until the day in the message: repair the first",
        /// It is being opened for the first time.
        Starting => "it is being opened; a slow card takes some seconds",
        /// The PKCS#11 module cannot be loaded.
        ModuleNotFound =>
            "the path of the PKCS#11 module is the one inside the server's image",
        /// The module is there and does not work.
        ModuleFailed =>
            "the module is there and does not work: does the pod reach the device and its middleware (pcscd)? SoftHSM: is `SOFTHSM2_CONF` set, and does the store belong to UID 65532? [Without a dongle](install.md#without-a-dongle)",
        /// No token with this label.
        TokenNotFound =>
            "is the token plugged in on that node, and does its label match `tokenLabel`? Does the pod reach it (`deviceResource` and `pcscd: {}`, `spec.template.hostPaths`)? Does SoftHSM's store belong to UID 65532?",
        /// Several tokens with this label.
        TokenAmbiguous =>
            "several tokens have this label, and none shows the license's key before the login: unplug all but one, or give them different labels",
        /// The PIN's file cannot be read or holds what cannot be a PIN, or the token wants a PIN
        /// and none is configured.
        PinMissing =>
            "the PIN's file cannot be read, or it is empty, has several lines or characters that cannot be seen, or the token wants a PIN and none is configured: check `pinSecret`. No try was made. That a Secret is not there is `Ready`'s reason `ReferenceMissing`",
        /// The token has no user PIN yet, so none was compared: tried again and again.
        PinNotInitialized =>
            "the token has no user PIN yet. Initialise it with the PIN in the Secret (`pkcs11-tool --init-pin`, or its vendor's tool): it is tried again and again, and costs no try",
        /// The login failed, and the error does not say whether the PIN is wrong: there will be one
        /// more.
        LoginUnclear =>
            "the token did not say whether the PIN is wrong (`CKR_GENERAL_ERROR`, `CKR_DEVICE_ERROR`, no answer). It is tried once more, and then `Present` or `PinRejected`: only wait",
        /// The login failed; there will be no other before the content of the PIN's file changes.
        PinRejected =>
            "put the right PIN into the Secret: [what a wrong PIN costs, and the way out](#the-pin-was-rejected)",
        /// What became of earlier logins is not known, or this one cannot be noted: none is made.
        LoginUnnoted =>
            "a login is noted before it is made, so that a wrong PIN is tried once and not by each pod; that cannot be written. The message says why: is the Kubernetes API server away, is Secret `‹name›-state` there, may Role `‹name›-mooring-server` get and update it? Off Kubernetes: make `stateDir` writable. It goes on by itself",
        /// The token has no key that could sign.
        KeyNotFound =>
            "the token has no P-256 or Ed25519 key pair that may sign, or the license's is gone from it",
        /// The token's keys are not those of the license.
        KeyNotInLicense =>
            "the license was issued for another anchor, or for one of another kind: ask the vendor, with the output of `mooring license anchor`",
        Hung => "the token does not answer: unplug it and plug it in again",
        /// It failed to sign, or signed wrongly.
        SignFailed => "the key does not sign, or signs wrongly: does it want a touch?",
        /// It was pulled out, or broke.
        TokenLost => "it was pulled out, or broke: plug it in again",
        /// The file of the software key cannot be used.
        KeyFileUnusable =>
            "the file of the software key is missing, no such key, or readable by everybody: the message says which",
        /// The USB device of the license is not plugged in.
        DeviceNotFound =>
            "the USB device that the license names is not plugged in on that node; the message has its ids and serial number",
        /// The system's list of USB devices cannot be read.
        DevicesUnreadable =>
            "the server does not see the machine's `/sys`: mount it, and check `sysfsRoot`",
        /// Too little of the machine is what the license knows it by.
        HostChanged =>
            "too little of the machine is what the license knows it by; the message names what is not found. Run on the right machine, or have the license issued anew",
        /// What the machine is known by cannot be read.
        HostUnreadable =>
            "the machine's numbers cannot be read: UID 0, and the host's paths below `hostRoot`",
        /// The standby anchor has served its days.
        StandbyExpired =>
            "the standby anchor has served its days: repair the first one, or ask the vendor for a license issued anew",
        /// How long the standby anchor served cannot be kept.
        StandbyUncounted =>
            "Secret `‹name›-state` (off Kubernetes: `stateDir`) cannot be written, so the standby's days cannot be counted, and it does not sign: the message says why (`LoginUnnoted` has what to look at). It goes on by itself",
    }
}

reasons! {
    /// How the license stands.
    LicenseReason {
        /// It is in force, and nothing is wrong.
        Valid => "",
        /// The file was not read yet.
        Starting => "the file is being read",
        /// One is in force, and a newer file is refused.
        NewLicenseRefused =>
            "the file that lies there now is refused, and why; the one before stays in force",
        /// Of several files some are in force and some are not.
        PartlyValid =>
            "of several license files some are not in force; the message says which, and why. The others' seats are there",
        /// One is in force, and a revocation list is refused.
        RevocationsRefused =>
            "the revocation list is refused (another vendor's, a lower number, no list): put the vendor's newest in its place. The highest one that is known holds",
        /// One is in force, and what is superseded or revoked does not outlive this server now.
        StateNotKept =>
            "the license is in force; what it supersedes, or the revocation list, is not kept: a new pod would not know it. The message says why (`LoginUnnoted` has what to look at). It is tried again and again",
        Unreadable =>
            "the file cannot be read: is the license's Secret there, with the key that `spec.licenses` names?",
        /// The vendor's keys cannot be read.
        VendorKeysInvalid =>
            "`vendorKeys` cannot be read, or has a line that is no `ed25519:` key; the message has the line",
        /// The file is no license file.
        Malformed => "the Secret's key holds no license file, or only a part of it",
        /// Its signature does not verify.
        SignatureInvalid =>
            "the file was changed, or comes from another vendor. Take the vendor's original",
        /// A field of it is wrong.
        FieldInvalid =>
            "a field of the license breaks its rule, and the message says which: the vendor must issue it anew",
        /// It demands something that this version does not know.
        NotUnderstood =>
            "the license demands what this version does not know: upgrade Mooring, or ask the vendor",
        NotYetValid => "the message names the date",
        Expired => "the message names the date",
        /// A newer one was in force here.
        Superseded =>
            "a newer license has been in force here, and the message names it: put that one back",
        /// Another file has the same license.
        Twice =>
            "another of the files has a license of the same id, which counts: take one of them away",
        /// The vendor took it back.
        Revoked =>
            "the vendor took it back; the message has the list's number, the day and the reason. Ask the vendor for another",
        /// It is bound to other hardware.
        NotForThisAnchor =>
            "it is bound to other hardware: plug in the right token, or have the license issued for this one (`mooring license anchor`)",
        RevocationsUnreadable => "the revocation list cannot be read",
        /// The revocation list is none.
        RevocationsMalformed => "the file is no revocation list, or only a part of one",
        /// Its signature does not verify.
        RevocationsSignatureInvalid =>
            "the revocation list was changed, or is another vendor's",
        /// A field of it is wrong.
        RevocationsFieldInvalid => "a field of the revocation list is wrong: ask the vendor",
        /// It is no newer than the list that is known.
        RevocationsNumberNotHigher =>
            "a list with a higher number is known here: put the vendor's newest in its place",
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
