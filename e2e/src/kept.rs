//! Whether an API's description still says what the one of the version before said: who reads by
//! the one understands what is written by the other, both ways round.
//!
//! A message may have more fields than before, if they may be left out. A list of words may have
//! more where a reader takes what it does not know for the last of them (`other`, `Unknown`), or
//! for a problem that it does not know.

use mooring_core::wire::PROBLEM_BASE;
use serde_json::Value;
use std::collections::BTreeSet;

/// What those who go by the description `before` would not understand, or would miss.
pub fn broken(before: &Value, now: &Value) -> Vec<String> {
    let mut out = Vec::new();
    for (path, calls) in object(&before["paths"]) {
        for (method, _) in object(calls) {
            if now["paths"][path].get(method).is_none() {
                out.push(format!("{} {path} is gone", method.to_uppercase()));
            }
        }
    }
    let schemas = &now["components"]["schemas"];
    for (name, was) in object(&before["components"]["schemas"]) {
        match schemas.get(name) {
            None => out.push(format!("{name} is gone")),
            Some(is) => compare(name, was, is, &mut out),
        }
    }
    out
}

fn object(v: &Value) -> impl Iterator<Item = (&String, &Value)> {
    v.as_object().into_iter().flatten()
}

fn words<'a>(v: &'a Value, key: &str) -> BTreeSet<&'a str> {
    let all = v[key].as_array().into_iter().flatten();
    all.filter_map(Value::as_str).collect()
}

/// The words that a schema lists: in one list, or each with what it means.
fn listed(v: &Value) -> BTreeSet<&str> {
    let mut all = words(v, "enum");
    let forms = v["oneOf"].as_array().into_iter().flatten();
    all.extend(forms.filter_map(|form| form["const"].as_str()));
    all
}

/// Whether a reader of these words takes others for one of them.
fn takes_others(word: &str, known: &BTreeSet<&str>) -> bool {
    word.starts_with(PROBLEM_BASE) || ["other", "Unknown"].iter().any(|w| known.contains(w))
}

fn compare(at: &str, was: &Value, is: &Value, out: &mut Vec<String>) {
    for key in ["type", "$ref", "const", "format", "pattern"] {
        if was.get(key) != is.get(key) {
            let show = |v: &Value| v.get(key).map_or("nothing".into(), Value::to_string);
            out.push(format!(
                "{at}: {key} is {}, and was {}",
                show(is),
                show(was)
            ));
        }
    }
    let (had, has) = (listed(was), listed(is));
    out.extend(had.difference(&has).map(|w| format!("{at}: {w:?} is gone")));
    let new = has.difference(&had).filter(|w| !takes_others(w, &had));
    out.extend(new.map(|w| format!("{at}: {w:?} is new, and the version before cannot read it")));

    for (name, was) in object(&was["properties"]) {
        match is["properties"].get(name) {
            None => out.push(format!("{at}.{name} is gone")),
            Some(is) => compare(&format!("{at}.{name}"), was, is, out),
        }
    }
    let (had, has) = (words(was, "required"), words(is, "required"));
    let new = has.difference(&had);
    out.extend(
        new.map(|f| format!("{at}.{f} must be there, and the version before may leave it out")),
    );
    let gone = had.difference(&has);
    out.extend(
        gone.map(|f| format!("{at}.{f} may be left out, and the version before must have it")),
    );

    if let (Some(was), Some(is)) = (was.get("items"), is.get("items")) {
        compare(&format!("{at}[]"), was, is, out);
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        let form = |v: &&Value| v.get("const").is_none();
        let all = |v: &Value| -> Vec<Value> {
            let all = v[key].as_array().into_iter().flatten();
            all.filter(form).cloned().collect()
        };
        let (was, is) = (all(was), all(is));
        if was.len() != is.len() {
            let (is, was) = (is.len(), was.len());
            out.push(format!("{at}: {key} has {is} forms, and had {was}"));
            continue;
        }
        for (n, (was, is)) in was.iter().zip(&is).enumerate() {
            compare(&format!("{at}, form {n}"), was, is, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn api(schema: &Value) -> Value {
        json!({ "paths": { "/v1/claims": { "put": {} } }, "components": { "schemas": { "Message": schema } } })
    }

    fn message() -> Value {
        json!({
            "type": "object", "required": ["lease"],
            "properties": {
                "lease": { "type": "string" },
                "place": { "type": "integer" },
                "why": { "enum": ["full", "other"] },
                "state": { "oneOf": [{ "const": "Held" }, { "const": "Lost" }] },
                "items": { "type": "array", "items": { "$ref": "#/a" } },
                "said": { "oneOf": [{ "type": "string" }, { "type": "null" }] },
            },
        })
    }

    #[test]
    fn what_may_be_left_out_and_words_that_readers_pass_over_may_come() {
        let mut now = message();
        now["properties"]["more"] = json!({ "type": "string" });
        now["properties"]["why"] = json!({ "enum": ["full", "early", "other"] });
        now["description"] = "in other words".into();
        assert_eq!(broken(&api(&message()), &api(&now)), Vec::<String>::new());
    }

    #[test]
    fn each_change_that_one_side_would_not_understand_is_told() {
        type Change = fn(&mut Value);
        let changes: [(Change, &str); 10] = [
            (
                |m| drop(m["properties"].as_object_mut().map(|p| p.remove("place"))),
                "Message.place is gone",
            ),
            (
                |m| m["required"] = json!(["lease", "place"]),
                "Message.place must be there",
            ),
            (
                |m| m["required"] = json!([]),
                "Message.lease may be left out",
            ),
            (
                |m| m["properties"]["place"]["type"] = "string".into(),
                "type is \"string\", and was \"integer\"",
            ),
            (
                |m| m["properties"]["lease"]["pattern"] = "^a".into(),
                "pattern is \"^a\", and was nothing",
            ),
            (
                |m| m["properties"]["state"]["oneOf"] = json!([{ "const": "Held" }]),
                "\"Lost\" is gone",
            ),
            (
                |m| {
                    m["properties"]["state"]["oneOf"] =
                        json!([{ "const": "Held" }, { "const": "Lost" }, { "const": "Lent" }]);
                },
                "\"Lent\" is new",
            ),
            (
                |m| m["properties"]["items"]["items"]["$ref"] = "#/b".into(),
                "Message.items[]: $ref",
            ),
            (
                |m| m["properties"]["said"]["oneOf"] = json!([{ "type": "string" }]),
                "oneOf has 1 forms, and had 2",
            ),
            (
                |m| m["properties"]["said"]["oneOf"][1]["type"] = "number".into(),
                "form 1: type",
            ),
        ];
        for (change, told) in changes {
            let mut now = message();
            change(&mut now);
            let all = broken(&api(&message()), &api(&now));
            assert!(all.len() == 1 && all[0].contains(told), "{told}: {all:?}");
        }
        let mut now = api(&message());
        now["paths"] = json!({});
        assert_eq!(broken(&api(&message()), &now), ["PUT /v1/claims is gone"]);
    }
}
