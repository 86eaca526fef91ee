//! The Secret `‹name›-state`: read and replaced by the license server's own service account, which
//! may do nothing else with it and nothing with any other.
//!
//! It is replaced by its resource version, so that of two writers one hears of the other.

use super::document::{Document, NotWritten, STATE_FILE, Stored};
use crate::kubernetes::{ApiServer, unsuccessful};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode};
use mooring_net::client::{Answer, Call};
use serde_json::Value;
use std::time::Duration;

/// How long one call may take: the anchor is not looked at meanwhile.
const TIME: Duration = Duration::from_secs(3);

pub(crate) struct StateSecret {
    api: ApiServer,
    namespace: String,
    name: String,
    /// As it was read or written last; none if it must be read.
    object: Option<Value>,
}

impl StateSecret {
    pub(super) const fn new(api: ApiServer, namespace: String, name: String) -> Self {
        Self {
            api,
            namespace,
            name,
            object: None,
        }
    }

    pub(super) fn name(&self) -> String {
        format!("Secret {}/{}", self.namespace, self.name)
    }

    async fn ask(&self, method: Method, body: Option<&Value>) -> Result<Answer, String> {
        let Self {
            namespace, name, ..
        } = self;
        let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
        let mut call = Call::new(method, path);
        if let Some(body) = body {
            call = call.json(body).map_err(|e| e.to_string())?;
        }
        self.api.call(call, TIME).await.map_err(|e| {
            format!("{e}; the Kubernetes API server does not answer: this is tried again")
        })
    }

    /// The object of an answer, or what to do about it.
    fn of(answer: &Answer) -> Result<Value, String> {
        let todo = match answer.status {
            s if s.is_success() => return answer.json().map_err(|e| e.to_string()),
            StatusCode::NOT_FOUND => {
                "it is not there: is Mooring's operator running? It makes an empty one"
            }
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => {
                "the server's service account may not get or update it: are Role and RoleBinding ‹name›-mooring-server there?"
            }
            _ => "this is tried again",
        };
        Err(unsuccessful(answer, todo))
    }

    pub(super) async fn read(&mut self) -> Result<Stored, String> {
        self.object = None;
        let object = Self::of(&self.ask(Method::GET, None).await?)?;
        let stored = stored(&object);
        self.object = Some(object);
        Ok(stored)
    }

    pub(super) async fn write(&mut self, document: &Document) -> Result<(), NotWritten> {
        let failed = |e: &dyn std::fmt::Display| NotWritten::Failed(e.to_string());
        // Taken out: after a failure nobody knows what lies there.
        let Some(mut object) = self.object.take() else {
            return Err(NotWritten::Conflict);
        };
        let json = serde_json::to_vec(document).map_err(|e| failed(&e))?;
        object["data"] = serde_json::json!({ STATE_FILE: STANDARD.encode(json) });
        let answer = self.ask(Method::PUT, Some(&object)).await;
        let answer = answer.map_err(|e| failed(&e))?;
        if answer.status == StatusCode::CONFLICT {
            return Err(NotWritten::Conflict);
        }
        self.object = Some(Self::of(&answer).map_err(|e| failed(&e))?);
        Ok(())
    }
}

/// The document in the Secret; an empty one is how the operator makes it.
fn stored(object: &Value) -> Stored {
    let data = object["data"].as_object();
    match data.and_then(|d| d.get(STATE_FILE)) {
        None => Stored::Nothing,
        Some(text) => match text.as_str().map(|t| STANDARD.decode(t)) {
            Some(Ok(json)) => Stored::read(&json),
            _ => Stored::Damaged("it is not base64".into()),
        },
    }
}
