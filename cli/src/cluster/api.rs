//! The thin edge: which cluster, one list, and errors that say what to do.

use super::operator::{LEASE, NAMESPACE, Operator};
use crate::output::TableForm;
use anyhow::{Context as _, anyhow};
use http::StatusCode;
use http::header::DATE;
use jiff::fmt::rfc2822;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ApiResource, DynamicObject, ListParams, ObjectMeta, TypeMeta};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{PartialObjectMeta, Status};
use kube::{Api, Client, Config, Resource, ResourceExt as _};
use mooring_api::names::{GROUP, INJECTED};
use mooring_core::annotation::LICENSES;
use mooring_core::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Which cluster, and which namespace.
#[derive(Clone, Debug, clap::Args)]
pub struct Place {
    /// The namespace [default: the kubeconfig's]
    #[arg(short, long)]
    pub namespace: Option<String>,
    /// The kubeconfig's context
    #[arg(long)]
    pub context: Option<String>,
    /// The kubeconfig [default: $KUBECONFIG, ~/.kube/config, or the pod's service account]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<std::path::PathBuf>,
}

/// Which cluster, which namespace or all, which form.
#[derive(Clone, Debug, clap::Args)]
pub struct ClusterArgs {
    #[command(flatten)]
    pub place: Place,
    /// All namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// The namespace of Mooring's operator, whose Lease says whether it reports
    #[arg(long, value_name = "NAMESPACE", default_value = NAMESPACE)]
    pub operator_namespace: String,
    /// How to print it: a table, or the objects themselves
    #[arg(short, long, value_enum, default_value_t)]
    pub output: TableForm,
}

impl Place {
    /// Refuses flags that a license server outside a cluster knows nothing of.
    pub fn none_of_a_cluster(&self) -> anyhow::Result<()> {
        not_given(&[
            ("--namespace", self.namespace.is_some()),
            ("--context", self.context.is_some()),
            ("--kubeconfig", self.kubeconfig.is_some()),
        ])
    }
}

impl ClusterArgs {
    /// Refuses flags that a license server outside a cluster knows nothing of.
    pub fn none_of_a_cluster(&self) -> anyhow::Result<()> {
        not_given(&[("--all-namespaces", self.all_namespaces)])?;
        self.place.none_of_a_cluster()
    }
}

fn not_given(flags: &[(&str, bool)]) -> anyhow::Result<()> {
    match flags.iter().find(|(_, given)| *given) {
        Some((flag, _)) => anyhow::bail!(
            "{flag} goes with a cluster, and --server https://… asks a license server itself; expected one of the two"
        ),
        None => Ok(()),
    }
}

/// Objects a request; a cluster may have a hundred thousand leases.
const PAGE: u32 = 500;
/// How long the API server may take to say anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was found, and where it was looked for.
#[derive(Debug)]
pub struct Listed {
    items: Vec<DynamicObject>,
    /// The namespace, if only one was asked for.
    pub namespace: Option<String>,
    /// Who writes them, and where that runs.
    pub operator: Operator,
    pub operator_namespace: String,
    /// The API server's clock, which the operator's Lease is held against.
    pub now: Timestamp,
    resource: ApiResource,
    /// What they are, for people, in the plural.
    words: &'static str,
}

/// A list as kubectl prints it.
#[derive(Serialize)]
pub struct List<'a> {
    #[serde(flatten)]
    types: TypeMeta,
    items: Vec<&'a DynamicObject>,
}

impl Listed {
    pub fn read<T: DeserializeOwned>(&self) -> anyhow::Result<Vec<T>> {
        let read = |o: &DynamicObject| {
            let read = serde_json::to_value(o).and_then(serde_json::from_value);
            read.with_context(|| format!("{} {}", self.resource.kind, o.name_any()))
        };
        self.items.iter().map(read).collect()
    }

    /// The whole objects, as the API server sent them, of these, in this order.
    pub fn as_list<'a>(&self, those: impl Iterator<Item = &'a ObjectMeta>) -> List<'_> {
        let find = |that: &ObjectMeta| self.items.iter().find(|o| o.metadata.uid == that.uid);
        let types = TypeMeta {
            api_version: "v1".into(),
            kind: "List".into(),
        };
        List {
            types,
            items: those.filter_map(find).collect(),
        }
    }

    pub fn place(&self) -> String {
        self.namespace.as_ref().map_or_else(
            || "any namespace".to_owned(),
            |n| format!("namespace {n:?}"),
        )
    }

    /// "No … found", in words. `which`: what else was asked for.
    pub fn nothing(&self, which: &str) -> String {
        let hint = self.namespace.as_ref().map_or("", |_| " (-A looks in all)");
        format!("No {}{which} in {}{hint}.\n", self.words, self.place())
    }
}

/// Lists objects, which people call `words`.
pub fn list<K>(common: &ClusterArgs, words: &'static str) -> anyhow::Result<Listed>
where
    K: Resource<DynamicType = ()>,
{
    let resource = ApiResource::erase::<K>(&());
    runtime()?.block_on(async {
        let (client, url, namespace) = connect(&common.place).await?;
        let namespace = (!common.all_namespaces).then_some(namespace);
        let listed = pages(client.clone(), &resource, namespace.as_deref()).await;
        let items =
            listed.map_err(|e| explain(e, "list", &resource.plural, namespace.as_deref(), &url))?;
        let operator_namespace = common.operator_namespace.clone();
        let (operator, now) = operator(&client, &operator_namespace).await;
        Ok(Listed {
            items,
            namespace,
            operator,
            operator_namespace,
            now: now.unwrap_or_else(Timestamp::now),
            resource,
            words,
        })
    })
}

/// Pods that ask for licenses and have no sidecar, as `namespace/name`; none where one may not
/// look.
pub fn without_sidecar(common: &ClusterArgs) -> anyhow::Result<Vec<String>> {
    runtime()?.block_on(async {
        let (client, _, namespace) = connect(&common.place).await?;
        let pods: Api<Pod> = if common.all_namespaces {
            Api::all(client)
        } else {
            Api::namespaced(client, &namespace)
        };
        Ok(bare(&pods).await)
    })
}

/// The same of these pods.
pub(super) async fn bare(pods: &Api<Pod>) -> Vec<String> {
    let mut params = ListParams::default()
        .labels(&format!("!{INJECTED}"))
        .fields("status.phase!=Succeeded,status.phase!=Failed")
        .limit(PAGE);
    let mut found = Vec::new();
    while let Ok(page) = pods.list_metadata(&params).await {
        let asks = |p: &&PartialObjectMeta<Pod>| p.annotations().contains_key(LICENSES.key);
        let name = |p: &PartialObjectMeta<Pod>| {
            format!("{}/{}", p.namespace().unwrap_or_default(), p.name_any())
        };
        found.extend(page.items.iter().filter(asks).map(name));
        match page.metadata.continue_.filter(|c| !c.is_empty()) {
            Some(next) => params = params.continue_token(&next),
            None => break,
        }
    }
    found
}

/// The operator's Lease, and the API server's clock as it answered: whoever asks may have a wrong
/// one.
pub(super) async fn operator(client: &Client, namespace: &str) -> (Operator, Option<Timestamp>) {
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{LEASE}");
    let request = match http::Request::get(path).body(Body::empty()) {
        Ok(request) => request,
        Err(e) => return (Operator::NotRead(e.to_string()), None),
    };
    let answer = match client.send(request).await {
        Ok(answer) => answer,
        Err(e) => return (Operator::NotRead(e.to_string()), None),
    };
    let date = answer.headers().get(DATE).and_then(|d| d.to_str().ok());
    let date = date.and_then(|d| rfc2822::DateTimeParser::new().parse_timestamp(d).ok());
    let code = answer.status();
    let body = answer.into_body().collect_bytes().await;
    let read = |body: &[u8]| -> Result<Operator, serde_json::Error> {
        if code.is_success() {
            return Ok(Operator::Lease(serde_json::from_slice(body)?));
        }
        let said: Status = serde_json::from_slice(body)?;
        Ok(Operator::NotRead(format!(
            "the API server says of Lease {namespace}/{LEASE}: {}",
            said.message
        )))
    };
    let operator = match body {
        _ if code == StatusCode::NOT_FOUND => Operator::None {
            namespace: namespace.to_owned(),
        },
        Ok(body) => read(&body).unwrap_or_else(|e| Operator::NotRead(e.to_string())),
        Err(e) => Operator::NotRead(e.to_string()),
    };
    (operator, date)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// A client, the API server's address, and the namespace.
async fn connect(common: &Place) -> anyhow::Result<(Client, String, String)> {
    let config = config(common).await?;
    let url = config.cluster_url.to_string();
    let namespace = common.namespace.as_ref();
    let namespace = namespace.unwrap_or(&config.default_namespace).clone();
    let client = Client::try_from(config).with_context(|| format!("cannot talk to {url}"))?;
    Ok((client, url, namespace))
}

/// What one call in the namespace says.
pub fn with_client<T>(
    common: &Place,
    call: impl AsyncFnOnce(Client, &str) -> Result<T, kube::Error>,
) -> anyhow::Result<T> {
    runtime()?.block_on(async {
        let (client, url, namespace) = connect(common).await?;
        let done = call(client, &namespace).await;
        done.map_err(|e| anyhow!("the API server {url}, namespace {namespace:?}: {e}"))
    })
}

/// The same for what is done to objects of Mooring, and takes the right to do `verb` to them.
pub fn in_namespace<T>(
    place: &Place,
    (verb, plural): (&str, &str),
    act: impl AsyncFnOnce(Client, &str) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    runtime()?.block_on(async {
        let (client, url, namespace) = connect(place).await?;
        act(client, &namespace)
            .await
            .map_err(|e| match e.downcast::<kube::Error>() {
                Ok(e) => explain(e, verb, plural, Some(&namespace), &url),
                Err(other) => other,
            })
    })
}

async fn config(common: &Place) -> anyhow::Result<Config> {
    let options = KubeConfigOptions {
        context: common.context.clone(),
        ..KubeConfigOptions::default()
    };
    let mut config = match &common.kubeconfig {
        Some(path) => {
            let named = |e: &dyn std::error::Error| unreadable(&format!("--kubeconfig {}", path.display()), e);
            let file = Kubeconfig::read_from(path).map_err(|e| named(&e))?;
            let read = Config::from_custom_kubeconfig(file, &options).await;
            read.map_err(|e| named(&e))?
        }
        None if common.context.is_some() => Config::from_kubeconfig(&options)
            .await
            .map_err(|e| unreadable("--context", &e))?,
        None => Config::infer().await.map_err(|e| {
            let what = "no cluster: expected $KUBECONFIG, ~/.kube/config, --kubeconfig FILE, or to run in a pod \
                        with a service account";
            unreadable(what, &e)
        })?,
    };
    config.connect_timeout = Some(PATIENCE);
    config.read_timeout = Some(PATIENCE);
    // A person waits: say what is wrong at once.
    config.default_retry = false;
    Ok(config)
}

/// An error about a kubeconfig, without the parser's excerpt: after its first line that quotes the
/// file, which holds keys and tokens, or is a key that was named by mistake.
fn unreadable(what: &str, e: &dyn std::error::Error) -> anyhow::Error {
    let text = e.to_string();
    anyhow!("{what}: {}", text.lines().next().unwrap_or_default())
}

async fn pages(
    client: Client,
    r: &ApiResource,
    namespace: Option<&str>,
) -> Result<Vec<DynamicObject>, kube::Error> {
    let api: Api<DynamicObject> = match namespace {
        Some(n) => Api::namespaced_with(client, n, r),
        None => Api::all_with(client, r),
    };
    let mut items = Vec::new();
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = api.list(&params).await?;
        // A list's items do not repeat their kind, and people want to apply what they were shown.
        items.extend(page.items.into_iter().map(|mut o| {
            o.types = Some(TypeMeta {
                api_version: r.api_version.clone(),
                kind: r.kind.clone(),
            });
            o.metadata.managed_fields = None;
            o
        }));
        match page.metadata.continue_.filter(|c| !c.is_empty()) {
            Some(next) => params = params.continue_token(&next),
            None => return Ok(items),
        }
    }
}

/// Turns an error into what a person can act on.
fn explain(
    e: kube::Error,
    verb: &str,
    plural: &str,
    namespace: Option<&str>,
    url: &str,
) -> anyhow::Error {
    let kube::Error::Api(said) = e else {
        let e = anyhow::Error::new(e);
        return anyhow!(
            "the API server {url} cannot be reached: {}; is the cluster up, and $KUBECONFIG the right one?",
            e.root_cause()
        );
    };
    let message = &said.message;
    match said.code {
        401 => anyhow!(
            "the API server {url} does not accept your credentials (expired?); log in again. It says: {message}"
        ),
        403 => {
            let (place, narrow) = match namespace {
                Some(n) => (format!("namespace {n:?}"), ""),
                None => (
                    "all namespaces".to_owned(),
                    ", or ask for one namespace with -n",
                ),
            };
            let role = match (verb, plural) {
                ("list", _) => "mooring-viewer",
                (_, "licensepolicies") => "mooring-licensepolicy-editor",
                (_, "licenseservers") => "mooring-licenseserver-editor",
                _ => "mooring-licenselease-editor",
            };
            anyhow!(
                "you may not {verb} {plural}.{GROUP} in {place}: ask for the role that Mooring's chart brings ({role}){narrow}. \
                 The API server says: {message}"
            )
        }
        404 => anyhow!(
            "this cluster ({url}) does not know {plural}.{GROUP}: Mooring is not installed in it. \
             Install it: helm install mooring charts/mooring -n mooring-system --create-namespace"
        ),
        code => anyhow!("the API server {url} says: {message} ({code})"),
    }
}
