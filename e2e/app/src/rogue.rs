//! `rogue`: a pod that has a service-account token of its own and tries what it should not. Each
//! answer is written down as `{"call":…, "status":…, "type":…, "detail":…, "body":…}`; the scenario
//! judges.

use crate::report;
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use http::header::{AUTHORIZATION, IF_MATCH};
use http::{HeaderName, Method};
use mooring_client::Bundle;
use mooring_core::names::ClaimName;
use mooring_core::request;
use mooring_core::secret::Secret;
use mooring_core::wire::calls::server;
use mooring_core::wire::{Problem, SECRET_HEADER};
use mooring_net::client::{Call, Client};
use mooring_net::{random, tls};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(crate) struct RogueArgs {
    /// The license server.
    #[arg(long, env = "MOORING_SERVER")]
    server: String,
    /// Where to connect to instead of resolving its name, `ip:port,…`.
    #[arg(long, env = "MOORING_ADDRESSES", default_value = "")]
    addresses: String,
    /// The certificates to trust, as PEM text, or the path of a file with them.
    #[arg(long, env = "MOORING_ROOTS")]
    roots: String,
    /// A service-account token to show; none is shown without it.
    #[arg(long, env = "MOORING_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// The claim's secret in base64url; a random one without it, so never another pod's.
    #[arg(long)]
    secret: Option<String>,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Claim items under one or several names: `claim render a b c`.
    Claim {
        /// As the annotation writes them.
        items: String,
        /// The claims' names.
        #[arg(required = true)]
        names: Vec<String>,
        /// JSON whose fields are put into the body, such as '{"priority": 1000000}'.
        #[arg(long, default_value = "{}")]
        with: String,
    },
    /// Claim the same items under this many names, rogue-1 to rogue-N.
    Flood {
        /// As the annotation writes them.
        items: String,
        /// How many.
        count: u32,
    },
    /// Present another holder's lease token (the sidecar's GET /v1/token, in a file; "-": standard
    /// input) as one's own.
    Present {
        /// As the annotation writes them.
        items: String,
        /// The claim's name.
        name: String,
        /// The token with its chain.
        bundle: PathBuf,
        /// Show the random secret, as if it belonged to the token.
        #[arg(long)]
        with_secret: bool,
        /// Who to say one is: the holder as JSON.
        #[arg(long)]
        holder: Option<String>,
    },
    /// Renew another's lease.
    Renew {
        /// Its id.
        lease: String,
        /// The counter to send.
        #[arg(long, default_value_t = 1_000_000)]
        counter: u64,
    },
    /// Give another's lease back.
    Release {
        /// The claim's name.
        name: String,
        /// Its id.
        #[arg(long)]
        lease: Option<String>,
    },
    /// Ask for a token of another's lease.
    Token {
        /// Its id.
        lease: String,
    },
    /// Any other call, such as `call POST /v1/holders/gone '{"holders":["…"]}'`.
    Call {
        /// The method.
        method: Method,
        /// Path and query.
        path: String,
        /// A JSON body.
        body: Option<String>,
    },
}

/// Exit 0 if each call was answered, whatever the answers were.
pub(crate) fn main(args: &RogueArgs) -> anyhow::Result<ExitCode> {
    let calls = calls(args)?;
    let roots = if args.roots.contains("-----BEGIN") {
        args.roots.clone()
    } else {
        std::fs::read_to_string(&args.roots).context("the roots' file")?
    };
    let addresses = args.addresses.split(',').filter(|a| !a.is_empty());
    let addresses = addresses.map(str::to_owned).collect();
    let client = Client::new(&args.server, addresses, tls::client_config(&roots, None)?)?;
    let token = args.token_file.as_ref().map(std::fs::read_to_string);
    let token = token.transpose().context("the token's file")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut answered = true;
    for (name, mut call) in calls {
        if let Some(t) = &token {
            call = call.header(AUTHORIZATION, &format!("Bearer {}", t.trim()));
        }
        answered &= runtime.block_on(answer(&client, &name, &call));
    }
    Ok(u8::from(!answered).into())
}

async fn answer(client: &Client, name: &str, call: &Call) -> bool {
    let call_name = format!("{name}: {} {}", call.method, call.path);
    let answer = match client.call(call, ANSWER).await {
        Ok(a) => a,
        Err(e) => {
            let error = json!({ "call": call_name, "error": e.to_string() });
            report::line("answer", &error);
            return false;
        }
    };
    let problem = answer.json::<Problem>().ok();
    let text = |_| String::from_utf8_lossy(&answer.body).into_owned().into();
    let body = answer.json::<Value>().unwrap_or_else(text);
    let said = json!({
        "call": call_name, "status": answer.status.as_u16(),
        "type": problem.as_ref().map(|p| p.kind.name()), "detail": problem.map(|p| p.detail), "body": body,
    });
    report::line("answer", &said);
    true
}

fn calls(args: &RogueArgs) -> anyhow::Result<Vec<(String, Call)>> {
    let secret = match &args.secret {
        Some(s) => Secret::try_from(s.clone()).context("--secret")?,
        None => random::secret(),
    };
    let one = |name: &str, call: Call| Ok(vec![(name.to_owned(), call)]);
    match &args.what {
        What::Claim { items, names, with } => {
            let with: Value = serde_json::from_str(with).context("--with")?;
            let claims = names.iter().map(|n| claim(n, items, &secret, &with));
            claims.collect()
        }
        What::Flood { items, count } => (1..=*count)
            .map(|i| claim(&format!("rogue-{i}"), items, &secret, &json!({})))
            .collect(),
        What::Present {
            items,
            name,
            bundle,
            with_secret,
            holder,
        } => {
            let text = if bundle.as_os_str() == "-" {
                std::io::read_to_string(std::io::stdin())
            } else {
                std::fs::read_to_string(bundle)
            };
            let bundle: Bundle =
                serde_json::from_str(&text.context("the bundle")?).context("the bundle")?;
            let held = json!({ "delegation": bundle.delegation, "lease": bundle.lease, "counter": 1_000_000 });
            let mut with = json!({ "held": held, "standing": "held" });
            if let Some(fields) = with.as_object_mut() {
                if *with_secret {
                    fields.insert("secret".into(), String::from(secret.clone()).into());
                }
                if let Some(h) = holder {
                    let holder = serde_json::from_str(h).context("--holder")?;
                    fields.insert("holder".into(), holder);
                }
            }
            Ok(vec![claim(name, items, &secret, &with)?])
        }
        What::Renew { lease, counter } => {
            let renewal = json!({
                "lease": lease, "secret": String::from(secret), "counter": counter, "requestId": random::request_id(),
            });
            let body = json!({ "renewals": [renewal] });
            one("renew", Call::of(&server::RENEW, "").json(&body)?)
        }
        What::Release { name, lease } => {
            let name = ClaimName::new(name)?;
            let header = HeaderName::from_static(SECRET_HEADER);
            let mut call =
                Call::of(&server::DELETE_CLAIM, &name).header(header, &String::from(secret));
            if let Some(lease) = lease {
                call = call.header(IF_MATCH, &format!("\"{lease}\""));
            }
            one("release", call)
        }
        What::Token { lease } => {
            let body = json!({ "nonce": "A".repeat(32), "secret": String::from(secret) });
            one("token", Call::of(&server::TOKEN, lease).json(&body)?)
        }
        What::Call { method, path, body } => {
            let mut call = Call::new(method.clone(), path);
            if let Some(b) = body {
                call = call.json(&serde_json::from_str::<Value>(b).context("the body")?)?;
            }
            one("call", call)
        }
    }
}

/// A claim whose body also has the fields of `with`. The name may be one that the server should
/// refuse.
fn claim(name: &str, items: &str, secret: &Secret, with: &Value) -> anyhow::Result<(String, Call)> {
    let items = request::parse(items).context("the items")?;
    let mut body =
        json!({ "items": items, "secretHash": secret.hash(), "requestId": random::request_id() });
    match (body.as_object_mut(), with.as_object()) {
        (Some(body), Some(with)) => body.extend(with.clone()),
        _ => bail!("--with: expected a JSON object"),
    }
    let call = Call::of(&server::PUT_CLAIM, name).json(&body)?;
    Ok((format!("claim {name}"), call))
}
