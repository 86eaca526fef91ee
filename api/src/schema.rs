//! Schemas of the parts that Kubernetes itself defines, as far as we let users set them, and CEL
//! rules.
//!
//! They are written by hand: the schemas that come with `k8s-openapi` carry no bounds and no merge
//! keys.

use schemars::{Schema, SchemaGenerator, json_schema};

/// `metav1.Condition`, a list merged by `type`.
pub(crate) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": { "type": "string", "maxLength": 316 },
                "status": { "type": "string", "enum": ["True", "False", "Unknown"] },
                "reason": { "type": "string", "minLength": 1, "maxLength": 1024 },
                "message": { "type": "string", "maxLength": 32768 },
                "lastTransitionTime": { "type": "string", "format": "date-time" },
                "observedGeneration": { "type": "integer", "format": "int64" }
            }
        }
    })
}

/// A pod's tolerations.
pub(crate) fn tolerations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 32,
        "x-kubernetes-list-type": "atomic",
        "items": {
            "type": "object",
            "properties": {
                "key": { "type": "string" },
                "operator": { "type": "string", "enum": ["Exists", "Equal"] },
                "value": { "type": "string" },
                "effect": { "type": "string", "enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"] },
                "tolerationSeconds": { "type": "integer", "format": "int64" }
            }
        }
    })
}

fn quantities() -> serde_json::Value {
    serde_json::json!({
        "type": "object",
        "additionalProperties": { "x-kubernetes-int-or-string": true }
    })
}

/// A container's requests and limits. Device resources (a dongle offered by a device plugin) go
/// into `limits`.
pub(crate) fn resources(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "properties": { "limits": quantities(), "requests": quantities() } })
}

/// A label selector.
pub(crate) fn label_selector(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "x-kubernetes-map-type": "atomic",
        "properties": {
            "matchLabels": { "type": "object", "additionalProperties": { "type": "string" } },
            "matchExpressions": {
                "type": "array",
                "x-kubernetes-list-type": "atomic",
                "items": {
                    "type": "object",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": { "type": "string" },
                        "operator": { "type": "string", "enum": ["In", "NotIn", "Exists", "DoesNotExist"] },
                        "values": { "type": "array", "items": { "type": "string" }, "x-kubernetes-list-type": "atomic" }
                    }
                }
            }
        }
    })
}

/// References to Secrets in the same namespace, merged by name.
pub(crate) fn local_references(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {
            "type": "object",
            "required": ["name"],
            "properties": { "name": { "type": "string", "minLength": 1, "maxLength": 253 } }
        }
    })
}

/// A point in time (RFC 3339).
pub(crate) fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time" })
}

/// The same where it need not be there.
pub(crate) fn optional_time(g: &mut SchemaGenerator) -> Schema {
    let mut schema = time(g);
    schema.insert("nullable".into(), true.into());
    schema
}

/// Labels that a node must carry: at least one.
pub(crate) fn node_selector(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "minProperties": 1,
        "maxProperties": 16,
        "additionalProperties": { "type": "string", "maxLength": 63 }
    })
}
