//! What clients say, read by pure functions: a problem names the field and what was expected there.

use http::HeaderMap;
use mooring_core::cut::cut;
use mooring_core::names::{ClaimName, ProductName, Seats, Version};
use mooring_core::policy::Start;
use mooring_core::request::{Item, MAX_ITEMS, MAX_SEATS};
use mooring_core::secret::{BadBytes, Secret, SecretHash};
use mooring_core::wire::{Problem, ProblemType, SECRET_HEADER, SocketClaim};
use mooring_net::head::{Query, bad_field as bad, prefer_wait};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// The longest that an answer to a claim is held.
const MAX_WAIT: Duration = Duration::from_secs(600);

/// The product of `?product=…`, if it is there.
pub(super) fn product(query: &Query) -> Result<Option<ProductName>, Problem> {
    let product = query.get("product")?;
    let product = product.map(ProductName::new).transpose();
    product.map_err(|e| bad("product", e))
}

/// The item of `?product=…&seats=…&version=…`.
pub fn item(query: &Query) -> Result<Item, Problem> {
    let product = query.get("product")?.unwrap_or_default();
    let product = ProductName::new(product).map_err(|e| bad("product", e))?;
    let seats = match query.get("seats")? {
        None => Seats::ONE,
        Some(n) => {
            let digits = !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
            let seats = n.parse().ok().filter(|_| digits).and_then(number_of_seats);
            seats.ok_or_else(|| bad("seats", seats_expected(n)))?
        }
    };
    let version = query.get("version")?.map(Version::new).transpose();
    let version = version.map_err(|e| bad("version", e))?;
    Ok(Item {
        product,
        seats,
        version,
    })
}

/// Whose seat a hold is to be, by `?bind=…`.
pub fn bind(query: &Query) -> Result<Option<SecretHash>, Problem> {
    let read = |b: &str| SecretHash::try_from(b.to_owned()).map_err(|e| bad("bind", e));
    query.get("bind")?.map(read).transpose()
}

/// The secret of who took a hold.
pub fn secret(headers: &HeaderMap) -> Result<Option<Secret>, Problem> {
    let Some(value) = headers.get(SECRET_HEADER) else {
        return Ok(None);
    };
    let secret = value
        .to_str()
        .map_or(Err(BadBytes), |s| Secret::try_from(s.to_owned()));
    secret.map(Some).map_err(|e| bad(SECRET_HEADER, e))
}

/// The start of `?start=…`.
pub fn start(query: &Query) -> Result<Option<Start>, Problem> {
    query.get("start")?.map(start_of).transpose()
}

fn start_of(word: &str) -> Result<Start, Problem> {
    word.parse().map_err(|e| bad("start", e))
}

/// The name in `/v1/claims/{name}`.
pub fn name(text: &str) -> Result<ClaimName, Problem> {
    ClaimName::new(text).map_err(|e| bad("name", e))
}

/// As [`SocketClaim`], but what may be left out may be null, too.
#[derive(Deserialize)]
struct ClaimBody {
    #[serde(default)]
    items: Vec<ItemBody>,
    start: Option<String>,
}

#[derive(Deserialize)]
struct ItemBody {
    product: ProductName,
    seats: Option<Seats>,
    version: Option<Version>,
}

/// The body of `PUT /v1/claims/{name}`. Unknown fields are ignored.
pub fn claim(body: &[u8]) -> Result<SocketClaim, Problem> {
    let body: Value = serde_json::from_slice(body).map_err(|e| {
        Problem::new(
            ProblemType::BadRequest,
            cut(format!("the body is no JSON: {e}")),
        )
    })?;
    // Serde would take a list for an object with its fields in order.
    let list = body["items"].as_array().into_iter().flatten();
    if let Some(i) = list.clone().position(|item| !item.is_object()) {
        let expected = "expected an object like {\"product\": \"render\", \"seats\": 2}";
        return Err(bad(format!("items[{i}]"), expected));
    }
    if !body.is_object() {
        let detail = "the body: expected an object like {\"items\": [{\"product\": \"render\", \"seats\": 2}]}";
        return Err(Problem::new(ProblemType::BadRequest, detail));
    }
    let body: ClaimBody =
        serde_path_to_error::deserialize(body).map_err(|e| bad(e.path().to_string(), e.inner()))?;
    let count = body.items.len();
    if !(1..=MAX_ITEMS).contains(&count) {
        let expected = format!("a list of {count}, expected a list of 1 to {MAX_ITEMS} products");
        return Err(bad("items", expected));
    }
    let mut items: Vec<Item> = Vec::with_capacity(count);
    for (i, item) in body.items.into_iter().enumerate() {
        let item = Item {
            product: item.product,
            seats: item.seats.unwrap_or(Seats::ONE),
            version: item.version,
        };
        if items.iter().any(|other| other.product == item.product) {
            let again = format!("{} again, expected each product once", item.product);
            return Err(bad(format!("items[{i}].product"), again));
        }
        if item.seats.get() > MAX_SEATS {
            let found = seats_expected(&item.seats.to_string());
            return Err(bad(format!("items[{i}].seats"), found));
        }
        items.push(item);
    }
    let start = body.start.as_deref().map(start_of).transpose()?;
    Ok(SocketClaim { items, start })
}

fn number_of_seats(n: u32) -> Option<Seats> {
    Seats::new(n).filter(|_| n <= MAX_SEATS)
}

fn seats_expected(found: &str) -> String {
    let start: String = found.chars().take(80).collect();
    format!("{start:?}: expected a number of seats from 1 to {MAX_SEATS}")
}

/// How long the client would wait for the answer, at most ten minutes.
pub fn wait(headers: &HeaderMap) -> Duration {
    prefer_wait(headers).unwrap_or_default().min(MAX_WAIT)
}

#[cfg(test)]
mod tests;
