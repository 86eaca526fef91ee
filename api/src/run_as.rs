//! The user that a pod's processes run as: one of ours, or the platform's choice.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

const PLATFORM: &str = "platform";

/// A user id, or `platform`: none is written, and the platform (OpenShift) assigns one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunAs {
    User(i64),
    Platform,
}

/// It is neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a user id from 0 to {}, or {PLATFORM}", i32::MAX)]
pub struct BadRunAs;

impl RunAs {
    /// The user, if it is not the platform's choice.
    pub const fn user(self) -> Option<i64> {
        match self {
            Self::User(uid) => Some(uid),
            Self::Platform => None,
        }
    }
}

impl TryFrom<i64> for RunAs {
    type Error = BadRunAs;

    fn try_from(uid: i64) -> Result<Self, BadRunAs> {
        let known = (0..=i64::from(i32::MAX)).contains(&uid);
        known.then_some(Self::User(uid)).ok_or(BadRunAs)
    }
}

impl FromStr for RunAs {
    type Err = BadRunAs;

    fn from_str(s: &str) -> Result<Self, BadRunAs> {
        match s {
            PLATFORM => Ok(Self::Platform),
            _ => s.parse::<i64>().map_err(|_| BadRunAs)?.try_into(),
        }
    }
}

impl Serialize for RunAs {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::User(uid) => s.serialize_i64(*uid),
            Self::Platform => s.serialize_str(PLATFORM),
        }
    }
}

impl<'de> Deserialize<'de> for RunAs {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Either;
        impl de::Visitor<'_> for Either {
            type Value = RunAs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a user id, or {PLATFORM:?}")
            }

            fn visit_i64<E: de::Error>(self, uid: i64) -> Result<RunAs, E> {
                uid.try_into().map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, uid: u64) -> Result<RunAs, E> {
                let uid = i64::try_from(uid).map_err(|_| E::custom(BadRunAs))?;
                self.visit_i64(uid)
            }

            fn visit_str<E: de::Error>(self, s: &str) -> Result<RunAs, E> {
                match s {
                    PLATFORM => Ok(RunAs::Platform),
                    // A number in quotes is none, as everywhere in Kubernetes.
                    _ => Err(E::custom(BadRunAs)),
                }
            }
        }
        d.deserialize_any(Either)
    }
}

impl JsonSchema for RunAs {
    fn schema_name() -> Cow<'static, str> {
        "RunAs".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let rule = format!(
            "type(self) == int ? self >= 0 && self <= {} : self == '{PLATFORM}'",
            i32::MAX
        );
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "x-kubernetes-validations": [{
                "rule": rule,
                "message": format!("runAsUser: {BadRunAs}"),
            }]
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_user_is_a_number_or_the_platforms_choice() {
        for (text, value) in [
            (json!(65532), RunAs::User(65_532)),
            (json!(0), RunAs::User(0)),
            (json!("platform"), RunAs::Platform),
        ] {
            assert_eq!(
                serde_json::from_value::<RunAs>(text.clone()).unwrap(),
                value
            );
            assert_eq!(json!(value), text);
        }
        for bad in [
            json!(-1),
            json!(1_u64 << 40),
            json!("65532"),
            json!("root"),
            json!(null),
        ] {
            assert!(
                serde_json::from_value::<RunAs>(bad.clone()).is_err(),
                "{bad}"
            );
        }
        assert_eq!("7".parse(), Ok(RunAs::User(7)));
        assert_eq!("-7".parse::<RunAs>(), Err(BadRunAs));
    }
}
