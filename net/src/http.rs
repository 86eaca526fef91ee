//! Bodies and answers: everything a stranger sends has a limit (docs/protocol.md, "Calls and
//! problems").

use crate::shares::Share;
use bytes::Bytes;
use futures::stream;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::Frame;
use mooring_core::cut::cut;
use mooring_core::wire::{Problem, ProblemType};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// An answer's body: whole, or streamed.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What a streamed body is made of.
pub trait Pieces: Send + 'static {
    /// The next piece; `None` ends the body.
    fn next(&mut self) -> impl Future<Output = Option<Bytes>> + Send;
}

/// An answer that goes on for as long as there are pieces.
pub fn streamed(content_type: &'static str, pieces: impl Pieces) -> Response<Body> {
    let frames = stream::unfold(pieces, |mut p| async {
        let piece = p.next().await?;
        Some((Ok(Frame::data(piece)), p))
    });
    let body = StreamBody::new(frames).boxed_unsync();
    with_body(StatusCode::OK, content_type, body)
}

pub fn json<T: Serialize>(status: StatusCode, value: &T) -> Response<Body> {
    // Most answers are small, and one that grows step by step is copied at each.
    let mut data = Vec::with_capacity(512);
    match serde_json::to_writer(&mut data, value) {
        Ok(()) => with_type(status, "application/json", data),
        Err(e) => {
            tracing::error!(error = %e, "writing an answer");
            with_type(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", Vec::new())
        }
    }
}

pub fn with_type(
    status: StatusCode,
    content_type: &'static str,
    data: impl Into<Bytes>,
) -> Response<Body> {
    with_body(status, content_type, Full::new(data.into()).boxed_unsync())
}

fn with_body(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut r = Response::new(body);
    *r.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    r.headers_mut().insert(CONTENT_TYPE, content_type);
    r
}

/// 204.
pub fn no_content() -> Response<Body> {
    let mut r = Response::new(Body::default());
    *r.status_mut() = StatusCode::NO_CONTENT;
    r
}

/// A problem as an answer (RFC 9457), with `Retry-After` where it says when to ask again.
pub fn problem(p: &Problem) -> Response<Body> {
    let status = StatusCode::from_u16(p.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut r = json(status, p);
    let content_type = HeaderValue::from_static("application/problem+json");
    r.headers_mut().insert(CONTENT_TYPE, content_type);
    if let Some(secs) = p.retry_after_secs {
        r.headers_mut().insert(RETRY_AFTER, HeaderValue::from(secs));
    }
    r
}

/// With the methods that the path takes, where a problem says that this one is none of them (RFC
/// 9110, 10.2.1).
pub fn allowing(mut response: Response<Body>, methods: &str) -> Response<Body> {
    let allow = HeaderValue::from_str(methods).ok();
    let allow = allow.filter(|v| !v.is_empty()).map(|v| (ALLOW, v));
    response.headers_mut().extend(allow);
    response
}

/// Reads a body of at most `limit` bytes within `time`.
pub async fn read_body<B>(body: B, limit: usize, time: Duration) -> Result<Bytes, Problem>
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let read = tokio::time::timeout(time, Limited::new(body, limit).collect());
    let detail = match read.await {
        Ok(Ok(c)) => return Ok(c.to_bytes()),
        Ok(Err(e)) if e.is::<LengthLimitError>() => {
            let detail = format!("the body is larger than {limit} bytes");
            return Err(Problem::new(ProblemType::TooLarge, detail));
        }
        Ok(Err(e)) => format!("the body broke off: {e}"),
        Err(_) => "the body took too long to arrive".into(),
    };
    Err(Problem::new(ProblemType::BadRequest, detail))
}

/// A body of which each byte counts in its peer's share, once it has come: what is announced and
/// does not come costs nothing.
pub struct Counted<'a, B> {
    body: B,
    share: &'a Share,
}

impl<'a, B> Counted<'a, B> {
    pub fn new(body: B, share: &'a Share) -> Self {
        Self { body, share }
    }
}

impl<B> hyper::body::Body for Counted<'_, B>
where
    B: hyper::body::Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let len = match &frame {
            Some(Ok(f)) => f.data_ref().map_or(0, Bytes::len),
            _ => 0,
        };
        if !self.share.grow(len) {
            let why = "others need the room; send it again later";
            return Poll::Ready(Some(Err(why.into())));
        }
        Poll::Ready(frame.map(|f| f.map_err(Into::into)))
    }
}

/// Reads a JSON body; a bad one is answered with the place and what was expected there.
pub async fn read_json<T, B>(body: B, limit: usize, time: Duration) -> Result<T, Problem>
where
    T: DeserializeOwned,
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    parse_json(&read_body(body, limit, time).await?)
}

/// The same of a body that was read.
pub fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|e| {
        let detail = cut(format!("JSON body: {e}"));
        Problem::new(ProblemType::BadRequest, detail)
    })
}
