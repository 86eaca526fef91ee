//! What a token says of a key beside its public half.

use super::token::KeyFacts;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

/// The X.509 certificates that the token shows.
pub(super) fn certificates(session: &Session) -> Vec<Vec<u8>> {
    let wanted = [Attribute::Class(ObjectClass::CERTIFICATE)];
    let found = session.find_objects(&wanted).unwrap_or_default();
    let value = |c| {
        let mut told = session.get_attributes(c, &[AttributeType::Value]).ok()?;
        match told.pop()? {
            Attribute::Value(v) => Some(v),
            _ => None,
        }
    };
    found.into_iter().filter_map(value).collect()
}

/// What the token says of the private key, and whether each signature needs the PIN anew.
pub(super) fn facts(session: &Session, key: ObjectHandle) -> (KeyFacts, bool) {
    let (mut facts, mut each_time) = (KeyFacts::default(), false);
    // One by one: a token that does not know one attribute answers none of several.
    for a in [
        AttributeType::Sensitive,
        AttributeType::Extractable,
        AttributeType::NeverExtractable,
        AttributeType::Local,
        AttributeType::AlwaysAuthenticate,
    ] {
        match session.get_attributes(key, &[a]).unwrap_or_default()[..] {
            [Attribute::Sensitive(v)] => facts.sensitive = Some(v),
            [Attribute::Extractable(v)] => facts.extractable = Some(v),
            [Attribute::NeverExtractable(v)] => facts.never_extractable = Some(v),
            [Attribute::Local(v)] => facts.local = Some(v),
            [Attribute::AlwaysAuthenticate(v)] => each_time = v,
            _ => {}
        }
    }
    (facts, each_time)
}
