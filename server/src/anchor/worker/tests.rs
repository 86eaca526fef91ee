#![allow(clippy::unwrap_used)]
use super::*;
use cryptoki::context::Function;
use cryptoki::error::RvError;

fn attributes(kind: KeyType, params: &[u8], point: Vec<u8>) -> [Attribute; 3] {
    [
        Attribute::KeyType(kind),
        Attribute::EcParams(params.to_vec()),
        Attribute::EcPoint(point),
    ]
}

#[test]
fn points_come_wrapped_or_bare() {
    let mut key = [7; 65];
    key[0] = 4;
    let want = Some(PublicKey::P256(key));
    let wrapped = [&[0x04, 65], key.as_slice()].concat();
    assert_eq!(
        public_key(&attributes(KeyType::EC, P256_OID, wrapped)),
        want
    );
    assert_eq!(
        public_key(&attributes(KeyType::EC, P256_OID, key.to_vec())),
        want
    );
    let ed = Some(PublicKey::Ed25519([9; 32]));
    let octets = [&[0x04, 32], [9; 32].as_slice()].concat();
    let bits = [&[0x03, 33, 0], [9; 32].as_slice()].concat();
    for point in [octets, bits, vec![9; 32]] {
        assert_eq!(
            public_key(&attributes(
                KeyType::EC_EDWARDS,
                ED25519_NAME,
                point.clone()
            )),
            ed
        );
        assert_eq!(
            public_key(&attributes(KeyType::EC_EDWARDS, ED25519_OID, point)),
            ed
        );
    }
    assert_eq!(
        words(&Error::Pkcs11(RvError::GeneralError, Function::Login)),
        "C_Login: CKR_GENERAL_ERROR"
    );
    // Another curve, a compressed point, a cut one.
    assert_eq!(
        public_key(&attributes(KeyType::EC, &[6, 1, 1], key.to_vec())),
        None
    );
    assert_eq!(
        public_key(&attributes(KeyType::EC, P256_OID, vec![2; 33])),
        None
    );
    assert_eq!(
        public_key(&attributes(KeyType::EC_EDWARDS, ED25519_OID, vec![9; 31])),
        None
    );
}
