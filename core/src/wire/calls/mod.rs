//! The calls of both APIs, a row each. Routers match by these tables, clients build their requests
//! from them, and `docs/openapi/` is written from them: a path, a method or a problem is written
//! nowhere else.

pub mod server;
pub mod socket;

pub use server::{SERVER, ServerCall};
pub use socket::{SOCKET, SocketCall};

use super::problem::{Problem, ProblemType};
use std::fmt::Display;

/// A call: a method of a path, who may make it, what it takes and what it answers.
#[derive(Clone, Copy, Debug)]
pub struct CallSpec<C: 'static> {
    /// What a dispatcher matches on.
    pub call: C,
    /// In metrics, and as the `operationId` of OpenAPI.
    pub name: &'static str,
    /// The HTTP method, in capitals.
    pub method: &'static str,
    /// The path; what stands in braces, once at most, is one segment of the caller's choice.
    pub path: &'static str,
    /// Who may make it.
    pub who: MayCall,
    /// The JSON body that it takes.
    pub body: RequestBody,
    /// The answers of success: a status, and what comes with it.
    pub answers: &'static [(u16, AnswerBody)],
    /// The problems that it answers with; those of a wrong path or method are not listed.
    pub problems: &'static [ProblemType],
}

/// Who may make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MayCall {
    /// Anyone who can connect.
    Anyone,
    /// Who knows the claim's secret.
    Claim,
    /// Who shows a credential, or a proof of an earlier answer in its place.
    Holder,
    /// Who shows a credential.
    Known,
    /// The operator and the administrators.
    Administrator,
    /// The operator alone.
    Operator,
}

/// The body of a request: nothing, or JSON of the type of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestBody {
    /// None.
    None,
    /// It may be left out.
    Optional(&'static str),
    /// There must be one.
    Required(&'static str),
}

/// The body of an answer, by the name of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerBody {
    /// None.
    Nothing,
    /// JSON.
    Json(&'static str),
    /// JSON; with a parameter a stream instead, each line JSON of the second type.
    JsonOrLines(&'static str, &'static str),
    /// Server-sent events of this name, each with JSON of this type.
    Events(&'static str, &'static str),
}

impl<C> CallSpec<C> {
    /// The path with `arg` in the place of the braces.
    pub fn path_of(&self, arg: impl Display) -> String {
        match self.around() {
            None => self.path.to_owned(),
            Some((before, after)) => format!("{before}{arg}{after}"),
        }
    }

    /// What `path` has in the place of the braces, if it is a path of this call; empty where the
    /// call has no braces.
    fn arg_of<'p>(&self, path: &'p str) -> Option<&'p str> {
        match self.around() {
            None => (self.path == path).then_some(""),
            Some((before, after)) => {
                let arg = path.strip_prefix(before)?.strip_suffix(after)?;
                (!arg.is_empty() && !arg.contains('/')).then_some(arg)
            }
        }
    }

    /// What stands before and behind the braces.
    fn around(&self) -> Option<(&'static str, &'static str)> {
        let (before, rest) = self.path.split_once('{')?;
        let (_, after) = rest.split_once('}')?;
        Some((before, after))
    }
}

/// A table of calls: the enum that its dispatcher matches on, each row by its name, and all of
/// them. A row is name = variant and operation, method and path, who may call, the body, the
/// answers of success, the problems.
macro_rules! calls {
    ($(#[$doc:meta])* $call:ident, $all:ident;
     $($(#[$about:meta])* $name:ident = $v:ident $op:literal, $method:literal $path:literal,
       $who:ident, $body:expr, [$($status:literal $answer:expr),*], [$($problem:ident),*];)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $call { $($(#[$about])* $v,)* }

        /// All of them.
        pub const $all: &[CallSpec<$call>] = &[$($name,)*];

        $($(#[$about])*
        pub const $name: CallSpec<$call> = CallSpec {
            call: $call::$v,
            name: $op,
            method: $method,
            path: $path,
            who: MayCall::$who,
            body: $body,
            answers: &[$(($status, $answer)),*],
            problems: &[$(ProblemType::$problem),*],
        };)*
    };
}
use calls;

/// Why a request is no call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miss {
    /// What to answer.
    pub problem: Problem,
    /// For the header `Allow` (RFC 9110, 10.2.1): the methods that the path takes; empty where
    /// there is no such path.
    pub allow: String,
}

/// Finds the call of a request, and what its path has in the place of the braces.
pub fn find<'p, C>(
    table: &'static [CallSpec<C>],
    method: &str,
    path: &'p str,
) -> Result<(&'static CallSpec<C>, &'p str), Box<Miss>> {
    let of_path = table.iter().filter_map(|c| Some((c, c.arg_of(path)?)));
    if let Some(found) = of_path.clone().find(|(c, _)| c.method == method) {
        return Ok(found);
    }
    let shown: String = path.chars().take(200).collect();
    let allow = of_path
        .map(|(c, _)| c.method)
        .collect::<Vec<_>>()
        .join(", ");
    let problem = if allow.is_empty() {
        let detail = format!("there is no {shown:?} here; GET /v1/openapi.json describes this API");
        Problem::new(ProblemType::NotFound, detail)
    } else {
        let detail = format!("{shown} takes {allow}, not {method}");
        Problem::new(ProblemType::MethodNotAllowed, detail)
    };
    Err(Box::new(Miss { problem, allow }))
}

#[cfg(test)]
mod tests;
