//! Texts that people hand in: license files, client tokens, annotations.

use crate::genuine::GENUINE;
use crate::readable;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mooring_core::client_token::{ClientToken, RevokedList};
use mooring_core::license::{
    Envelope, OpenLicense, OpenRevocations, OpenVoucher, Trust, armour, types,
};
use mooring_core::request;

/// A license file, or another file of the vendor's.
pub fn license(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match OpenLicense::read(text, Trust::Unchecked) {
        Err(e) => readable(&e),
        Ok(open) => {
            let again = armour(&open.envelope).unwrap();
            let read = OpenLicense::read(&again, Trust::Unchecked).unwrap();
            assert_eq!((read.license, read.digest), (open.license, open.digest));
        }
    }
    if let Err(e) = OpenRevocations::read(text, Trust::Unchecked) {
        readable(&e);
    }
    if let Err(e) = OpenVoucher::read(text, Trust::Unchecked) {
        readable(&e);
    }
    if let Ok(open) = OpenLicense::read(text, Trust::Pinned(&[GENUINE.vendor()])) {
        assert!(GENUINE.has(&open.envelope), "forged: {open:?}");
    }
}

/// A client token, and a list of revoked ones.
pub fn client_token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match ClientToken::read_unverified(text) {
        Err(e) => readable(&e),
        Ok((token, _)) => {
            let key = GENUINE.key("server");
            if let Ok(sealed) = token.seal(&key) {
                let (read, _) = ClientToken::read_unverified(&sealed).unwrap();
                assert_eq!(read, token);
            }
        }
    }
    // The fuzzer cannot see through base64: the bytes as the document inside, too.
    let mut inside = Envelope {
        payload_type: types::CLIENT.into(),
        payload: data.to_vec(),
        signatures: Vec::new(),
    };
    let key = GENUINE.key("server");
    let sig = key.sign(&inside.signed_bytes());
    inside.add_signature(&key.public(), sig);
    let sealed = format!(
        "mct_{}",
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&inside).unwrap())
    );
    if let Err(e) = ClientToken::read_unverified(&sealed) {
        readable(&e);
    }
    match RevokedList::parse(text) {
        Err(e) => readable(&e),
        Ok(list) => assert_eq!(list.is_empty(), list.len() == 0),
    }
}

/// The annotation that says what a pod asks for. (The other annotations are words of a fixed list:
/// tested beside their reader.)
pub fn annotation(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match request::parse(text) {
        Err(e) => {
            readable(&e);
            assert!(e.at >= 1 && e.at <= text.chars().count() + 1, "{e}");
        }
        Ok(items) => {
            let printed = request::print(&items);
            assert_eq!(request::parse(&printed).unwrap(), items, "{printed}");
        }
    }
}
