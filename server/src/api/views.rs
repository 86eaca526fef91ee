//! `GET /v1/products` and `GET /v1/leases`: what the server knows. The operator and the administrators see everything; a holder sees
//! the products and its own claims, since who else runs what is no business of a tenant's.

use super::{Asked, watch};
use crate::app::App;
use crate::auth::Who;
use http::{Response, StatusCode};
use mooring_core::identity::HolderKey;
use mooring_core::wire::{Leases, Problem, ProblemType, Products, WatchPosition};
use mooring_net::http::{self as net, Body};

/// Capacity and use.
pub(super) async fn products(app: &App, asked: Asked) -> Result<Response<Body>, Problem> {
    app.auth.identify(&asked.peer, &asked.headers).await?;
    let (products, pools) = app.engine.ask(|l, _| (l.products(), l.pools()));
    let products = Products {
        server: app.server_state(),
        products,
        pools,
    };
    Ok(net::json(StatusCode::OK, &products))
}

/// All claims, or a watch.
pub(super) async fn leases(
    app: &std::sync::Arc<App>,
    asked: Asked,
) -> Result<Response<Body>, Problem> {
    let only: Option<HolderKey> = match app.auth.identify(&asked.peer, &asked.headers).await? {
        who if app.auth.is_admin(&who) => None,
        Who::Holder(h) => Some(h.key()),
        Who::Operator => None,
    };
    let query = Query::parse(&asked.query)?;
    if query.watch {
        return watch::watch(app, query.after, only);
    }
    let (seq, mut leases) = app.engine.views();
    if let Some(k) = only {
        leases.retain(|v| v.holder.key() == k);
    }
    let position = WatchPosition {
        instance: app.chain.instance,
        seq,
    };
    Ok(net::json(StatusCode::OK, &Leases { position, leases }))
}

/// The query of `GET /v1/leases`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Query {
    watch: bool,
    after: Option<WatchPosition>,
}

impl Query {
    /// Unknown names are ignored, as unknown fields are.
    fn parse(q: &str) -> Result<Self, Problem> {
        let mut out = Self::default();
        for pair in q.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "watch" => {
                    out.watch = match value {
                        "" | "true" | "1" => true,
                        "false" | "0" => false,
                        _ => {
                            let detail = "query watch: expected true or false";
                            return Err(
                                Problem::new(ProblemType::BadRequest, detail).field("watch")
                            );
                        }
                    }
                }
                "after" => {
                    let bad = |e| {
                        Problem::new(ProblemType::BadRequest, format!("query after: {e}"))
                            .field("after")
                    };
                    out.after = Some(value.parse().map_err(bad)?);
                }
                _ => {}
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_read() {
        let parse = |q: &str| {
            Query::parse(q)
                .map(|q| (q.watch, q.after.map(|p| p.seq)))
                .map_err(|p| p.kind)
        };
        assert_eq!(parse(""), Ok((false, None)));
        assert_eq!(parse("watch"), Ok((true, None)));
        assert_eq!(
            parse(&format!("watch=true&after={}.7&x=y", "ab".repeat(16))),
            Ok((true, Some(7)))
        );
        assert_eq!(parse("watch=false"), Ok((false, None)));
        assert_eq!(parse("watch&after=7"), Err(ProblemType::BadRequest));
        assert_eq!(parse("watch=null"), Err(ProblemType::BadRequest));
    }
}
