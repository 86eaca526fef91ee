//! What sidecars of before receipts say and take: a ticket was a signed document, `{delegation,
//! ticket}` of two envelopes. They keep it as it is and show it again, so a sealed ticket travels
//! as the payload of one.

use crate::license::Envelope;
use crate::receipt::Sealed;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::fmt;

const KIND: &str = "application/vnd.mooring.ticket.v1+json";

/// A ticket as a sidecar of before takes it.
pub fn wrapped(ticket: &Sealed, delegation: &Envelope) -> Value {
    let envelope = Envelope {
        payload_type: KIND.into(),
        payload: ticket.as_bytes().into(),
        signatures: Vec::new(),
    };
    json!({ "delegation": delegation, "ticket": envelope })
}

#[derive(Deserialize)]
struct Wrapped {
    ticket: Envelope,
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = Option<Sealed>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a ticket: a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let sealed = Sealed::try_from(text.to_owned());
        sealed.map(Some).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let wrapped = Wrapped::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Some(Sealed::from_bytes(&wrapped.ticket.payload)))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

pub(super) fn ticket<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Sealed>, D::Error> {
    d.deserialize_any(Either)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Shows {
        #[serde(default, deserialize_with = "ticket")]
        ticket: Option<Sealed>,
    }

    fn read(json: &Value) -> Result<Option<Sealed>, String> {
        let read = serde_json::from_value::<Shows>(json.clone());
        read.map(|s| s.ticket).map_err(|e| e.to_string())
    }

    #[test]
    fn a_ticket_is_text_or_what_a_sidecar_of_before_was_given() {
        let sealed = Sealed::from_bytes(b"a place in line");
        let delegation = Envelope {
            payload_type: "t".into(),
            payload: vec![1],
            signatures: vec![],
        };
        let before = wrapped(&sealed, &delegation);
        let text = String::from(sealed.clone());
        for shown in [json!(text), before] {
            assert_eq!(read(&json!({"ticket": shown})), Ok(Some(sealed.clone())));
        }
        for none in [json!({}), json!({"ticket": null})] {
            assert_eq!(read(&none), Ok(None));
        }
        for bad in [json!(7), json!("="), json!({}), json!([])] {
            assert!(read(&json!({"ticket": bad})).is_err(), "{bad}");
        }
    }
}
