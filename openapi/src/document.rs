//! A table of calls becomes an OpenAPI 3.1 document.

use crate::messages::schema;
use anyhow::{Result, ensure};
use mooring_core::wire::ProblemType;
use mooring_core::wire::calls::{AnswerBody, CallSpec, MayCall, RequestBody};
use schemars::JsonSchema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Where the schemas of messages lie.
const SCHEMAS: &str = "#/components/schemas/";

/// A document being written.
pub(crate) struct Document {
    head: Value,
    paths: Map<String, Value>,
    /// What is sent, and what is answered: a field with a default may be left out of the one, and
    /// is always in the other.
    requests: SchemaGenerator,
    answers: SchemaGenerator,
    security: Map<String, Value>,
    /// Headers of every answer.
    headers: Map<String, Value>,
}

/// What the table of calls does not say of a call: words, parameters, an example.
#[derive(Default)]
pub(crate) struct Prose {
    pub(crate) summary: &'static str,
    pub(crate) words: &'static str,
    pub(crate) parameters: Vec<Value>,
    /// A body that works, if the license has the product `render`.
    pub(crate) example: Option<Value>,
    /// One for each answer of success, in the table's order.
    pub(crate) answers: &'static [&'static str],
}

fn settings() -> SchemaSettings {
    let mut s = SchemaSettings::draft2020_12();
    s.definitions_path = SCHEMAS.trim_start_matches('#').trim_end_matches('/').into();
    s.meta_schema = None;
    s
}

impl Document {
    pub(crate) fn new(title: &str, summary: &str, words: &str) -> Self {
        Self {
            head: json!({"title": title, "version": "1", "summary": summary, "description": words,
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}}),
            paths: Map::new(),
            requests: settings().for_deserialize().into_generator(),
            answers: settings().for_serialize().into_generator(),
            security: Map::new(),
            headers: Map::new(),
        }
    }

    /// A way to show who one is.
    pub(crate) fn security(&mut self, name: &str, scheme: Value) {
        self.security.insert(name.into(), scheme);
    }

    /// A header that every answer has.
    pub(crate) fn header<T: JsonSchema>(&mut self, name: &str, words: &str) {
        let schema = self.answers.subschema_for::<T>().to_value();
        let header = json!({"description": words, "required": true, "schema": schema});
        self.headers.insert(name.into(), header);
    }

    /// The schema of a parameter's type.
    pub(crate) fn sent<T: JsonSchema>(&mut self) -> Value {
        self.requests.subschema_for::<T>().to_value()
    }

    fn answer(&mut self, answer: AnswerBody, words: &str) -> Result<Value> {
        let g = &mut self.answers;
        let content = match answer {
            AnswerBody::Nothing => return Ok(json!({"description": words})),
            AnswerBody::Json(name) => json!({"application/json": {"schema": schema(g, name)?}}),
            AnswerBody::JsonOrLines(name, line) => {
                // Only a stream's lines are made of it, so nothing refers to it.
                schema(g, line)?;
                json!({
                    "application/json": {"schema": schema(g, name)?},
                    "application/x-ndjson": {"schema": {"type": "string"}}
                })
            }
            AnswerBody::Events(event, name) => {
                json!({"text/event-stream": {"schema": event_schema(event, &schema(g, name)?)}})
            }
        };
        Ok(json!({"description": words, "content": content}))
    }

    fn problems(&mut self, problems: &[ProblemType]) -> Result<Map<String, Value>> {
        let problem = schema(&mut self.answers, "Problem")?;
        let mut by_status: BTreeMap<u16, Vec<ProblemType>> = BTreeMap::new();
        for p in problems {
            by_status.entry(p.status()).or_default().push(*p);
        }
        let mut all = Map::new();
        for (status, kinds) in by_status {
            let words: Vec<String> = kinds
                .iter()
                .map(|k| format!("`{}`: {}.", k.name(), k.title()))
                .collect();
            let uris: Vec<String> = kinds.iter().map(|k| k.uri()).collect();
            let schema = json!({"allOf": [problem, {"properties": {"type": {"enum": uris}, "status": {"const": status}}}]});
            let mut answer = json!({"description": words.join(" "), "content": {"application/problem+json": {"schema": schema}}});
            if kinds.contains(&ProblemType::Overloaded) {
                answer["headers"] = json!({"Retry-After": {"description": "Seconds, where the problem has `retryAfterSecs`.", "schema": {"type": "integer", "minimum": 0}}});
            }
            all.insert(status.to_string(), answer);
        }
        Ok(all)
    }

    /// Adds a call of the table.
    pub(crate) fn call<C>(&mut self, spec: &CallSpec<C>, prose: Prose) -> Result<()> {
        ensure!(
            prose.answers.len() == spec.answers.len(),
            "{}: expected words for each answer of the table",
            spec.name
        );
        let mut responses = self.problems(spec.problems)?;
        for ((status, answer), words) in spec.answers.iter().zip(prose.answers) {
            responses.insert(status.to_string(), self.answer(*answer, words)?);
        }
        for response in responses.values_mut() {
            for (name, header) in &self.headers {
                response["headers"][name] = header.clone();
            }
        }
        let mut op =
            json!({"operationId": spec.name, "summary": prose.summary, "responses": responses});
        if !prose.words.is_empty() {
            op["description"] = prose.words.into();
        }
        if !prose.parameters.is_empty() {
            op["parameters"] = prose.parameters.into();
        }
        let body = match spec.body {
            RequestBody::None => None,
            RequestBody::Optional(name) => Some((name, false)),
            RequestBody::Required(name) => Some((name, true)),
        };
        if let Some((name, required)) = body {
            let schema = schema(&mut self.requests, name)?;
            op["requestBody"] =
                json!({"required": required, "content": {"application/json": {"schema": schema}}});
            if let Some(example) = prose.example {
                op["requestBody"]["content"]["application/json"]["example"] = example;
            }
        }
        let (bearer, certificate) = (json!({"bearer": []}), json!({"certificate": []}));
        let security = match spec.who {
            MayCall::Anyone | MayCall::Claim => vec![],
            // A proof does instead of a credential.
            MayCall::Holder => vec![bearer, certificate, json!({})],
            MayCall::Known | MayCall::Administrator => vec![bearer, certificate],
            MayCall::Operator => vec![certificate],
        };
        if !security.is_empty() {
            op["security"] = security.into();
        }
        let path = self.paths.entry(spec.path).or_insert_with(|| json!({}));
        path[spec.method.to_lowercase()] = op;
        Ok(())
    }

    /// The whole document.
    pub(crate) fn finish(mut self) -> Value {
        let answers = self.answers.take_definitions(true);
        let mut requests = self.requests.take_definitions(true);
        let mut paths = Value::Object(self.paths);
        // A type that is both sent and answered, and differs: what is sent gets a name of its own.
        // What refers to a renamed one differs, too, so this goes on until nothing more does.
        loop {
            let differs = |(n, s): (&String, &Value)| {
                (answers.get(n).is_some_and(|a| a != s)).then(|| n.clone())
            };
            let Some(name) = requests.iter().find_map(differs) else {
                break;
            };
            let sent = format!("{name}Sent");
            let schema = requests.remove(&name).unwrap_or_default();
            requests.insert(sent.clone(), schema);
            let (from, to) = (format!("{SCHEMAS}{name}"), format!("{SCHEMAS}{sent}"));
            requests
                .values_mut()
                .for_each(|s| rename(s, true, &from, &to));
            rename(&mut paths, false, &from, &to);
        }
        let mut schemas = answers;
        schemas.extend(requests);
        let mut components = json!({"schemas": schemas});
        if !self.security.is_empty() {
            components["securitySchemes"] = Value::Object(self.security);
        }
        let mut all = json!({"openapi": "3.1.0", "info": self.head, "paths": paths, "components": components});
        tidy(&mut all);
        all
    }
}

/// Server-sent events; the schema is that of one (WHATWG HTML, "Server-sent events").
fn event_schema(event: &str, data: &Value) -> Value {
    json!({
        "type": "object",
        "required": ["id", "event", "data"],
        "properties": {
            "id": {"type": "string", "pattern": "^[0-9]+$", "description": "The `seq`."},
            "event": {"const": event},
            "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": data}
        }
    })
}

/// Points references elsewhere: all, or only those in what is sent, bodies and parameters.
fn rename(v: &mut Value, all: bool, from: &str, to: &str) {
    match v {
        Value::Object(o) => {
            for (k, v) in o {
                if all && k == "$ref" && v == from {
                    *v = to.into();
                }
                rename(v, all || k == "requestBody" || k == "parameters", from, to);
            }
        }
        Value::Array(a) => a.iter_mut().for_each(|v| rename(v, all, from, to)),
        _ => {}
    }
}

/// What the documents of Rust types say only to Rust: links in descriptions go, bounds of numbers
/// come.
fn tidy(v: &mut Value) {
    match v {
        Value::Object(o) => {
            if let Some(Value::String(s)) = o.get_mut("description") {
                *s = plain(s);
            }
            let most = match o.get("format").and_then(Value::as_str) {
                Some("uint32") => Some(u64::from(u32::MAX)),
                Some("uint16") => Some(u64::from(u16::MAX)),
                Some("uint64") => Some(u64::MAX),
                _ => None,
            };
            if let Some(most) = most {
                o.entry("maximum").or_insert_with(|| most.into());
            }
            o.values_mut().for_each(tidy);
        }
        Value::Array(a) => a.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// [`x`](y) and [`x`] become `x`; lines are joined.
fn plain(s: &str) -> String {
    let (mut out, mut rest) = (String::new(), s);
    while let Some((before, after)) = rest.split_once("[`") {
        let Some((name, tail)) = after.split_once("`]") else {
            break;
        };
        out.extend([before, "`", name, "`"]);
        let link = tail.strip_prefix('(').and_then(|t| t.split_once(')'));
        rest = link.map_or(tail, |(_, t)| t);
    }
    out += rest;
    out.replace('\n', " ").replace("  ", "\n\n")
}

/// A parameter with the schema of a type.
pub(crate) fn parameter(
    place: &str,
    name: &str,
    needed: bool,
    schema: &Value,
    words: &str,
) -> Value {
    json!({"name": name, "in": place, "required": needed, "schema": schema, "description": words})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_rust_become_plain_words() {
        assert_eq!(plain("a [`x`](Self::x) b [`y`]."), "a `x` b `y`.");
        assert_eq!(plain("one\ntwo\n\nthree"), "one two\n\nthree");
        assert_eq!(plain("open [`x"), "open [`x");
    }
}
