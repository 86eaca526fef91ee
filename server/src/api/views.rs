//! `GET /v1/products` and `GET /v1/leases`: what the server knows. The operator and the
//! administrators see everything; a holder that may use the server sees the products and its own
//! claims, an issuer of client tokens those of its subjects, since who else runs what, and whose
//! the license is, is no business of a tenant's.

use super::asked::Asked;
use super::watch;
use crate::app::{App, Reader};
use crate::auth::Who;
use http::{Response, StatusCode};
use mooring_core::identity::Holder;
use mooring_core::ledger::Ledger;
use mooring_core::wire::{Leases, Problem, Products, WatchPosition};
use mooring_net::head::{Query, bad_field};
use mooring_net::http::{self as net, Body};

pub(super) async fn products(app: &App, asked: Asked) -> Result<Response<Body>, Problem> {
    let reader = reader(app, &asked).await?;
    let whole = reader.only().is_none();
    let said = |l: &Ledger, _| {
        let policy = whole.then(|| l.policy()).flatten();
        (l.products(), l.pools(), policy)
    };
    let (products, mut pools, policy) = app.engine.ask(said);
    if !whole {
        for p in &mut pools {
            p.license = None;
        }
    }
    let server = app.server_state(&reader);
    let all = Products {
        server,
        products,
        pools,
        policy,
    };
    Ok(net::json(StatusCode::OK, &all))
}

pub(super) async fn leases(
    app: &std::sync::Arc<App>,
    asked: Asked,
) -> Result<Response<Body>, Problem> {
    let reader = reader(app, &asked).await?;
    let query = LeasesQuery::parse(&asked.query)?;
    if query.watch {
        return watch::watch(app, query.after, reader);
    }
    let (seq, mut leases) = app.engine.views();
    if reader.only().is_some() {
        leases.retain(|v| reader.sees(&v.holder.key()));
    }
    let instance = app.chain.instance;
    let position = WatchPosition { instance, seq };
    Ok(net::json(StatusCode::OK, &Leases { position, leases }))
}

/// Who reads. A pod that may not use this server reads nothing here.
async fn reader(app: &App, asked: &Asked) -> Result<Reader, Problem> {
    match app.auth.identify(&asked.peer, &asked.headers).await? {
        Who::Operator => Ok(Reader::Operator),
        who if app.auth.is_admin(&who) => Ok(Reader::Admin),
        Who::Issuer { subjects, .. } => {
            let itself = Holder::External { subject: subjects };
            Ok(Reader::Issuer(itself.key()))
        }
        Who::Holder(h) => app.policies.entitled(&h).map(|()| Reader::Holder(h.key())),
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct LeasesQuery {
    watch: bool,
    after: Option<WatchPosition>,
}

impl LeasesQuery {
    fn parse(text: &str) -> Result<Self, Problem> {
        let query = Query::read(Some(text))?;
        let watch = match query.get("watch")? {
            None | Some("false" | "0") => false,
            Some("" | "true" | "1") => true,
            Some(_) => return Err(bad_field("watch", "expected true or false")),
        };
        let after = query.get("after")?.map(str::parse).transpose();
        let after = after.map_err(|e| bad_field("after", e))?;
        Ok(Self { watch, after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mooring_core::wire::ProblemType;

    #[test]
    fn the_query_is_read() {
        let parse = |q: &str| {
            LeasesQuery::parse(q)
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
