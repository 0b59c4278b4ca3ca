//! Finds a collector's pod with a kubeconfig, and forwards connections to it.

use super::CollectorError;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::{Api, ListParams};
use kube::client::UpgradeConnectionError;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config, ResourceExt as _};
use std::path::Path;
use std::time::Duration;
use tokio::io::DuplexStream;

/// How long an API server may take to be connected to.
const CONNECT: Duration = Duration::from_secs(15);

/// Which pods are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Where<'a> {
    /// Their namespace.
    pub(super) namespace: &'a str,
    /// Their labels.
    pub(super) selector: &'a str,
    /// The one that is preferred while it is ready.
    pub(super) pod: Option<&'a str>,
}

/// A cluster, and the pod in it that was chosen.
pub struct Cluster {
    pods: Api<Pod>,
    url: String,
    namespace: String,
    pod: String,
}

impl Cluster {
    /// Reads the kubeconfig and looks for a pod that is ready.
    pub(super) async fn find(
        kubeconfig: Option<&Path>,
        context: Option<&str>,
        at: Where<'_>,
    ) -> Result<Self, CollectorError> {
        let config = config(kubeconfig, context).await?;
        let url = config.cluster_url.to_string();
        let client = Client::try_from(config).map_err(|error| CollectorError::Kubeconfig(words(&error)))?;
        let pods: Api<Pod> = Api::namespaced(client, at.namespace);
        let found = pods
            .list(&ListParams::default().labels(at.selector))
            .await
            .map_err(|error| explained(&error, "list", "pods", at.namespace, &url))?;
        let pod = choose(&found.items, at)?;
        Ok(Self { pods, url, namespace: at.namespace.to_owned(), pod })
    }

    pub(super) fn source(&self) -> String {
        format!("{} namespace {}", self.url, self.namespace)
    }

    pub(super) fn pod(&self) -> &str {
        &self.pod
    }

    /// A connection to a port on the loopback of the pod.
    pub(super) async fn forward(&self, port: u16) -> Result<DuplexStream, CollectorError> {
        let forbidden = |error: kube::Error| {
            // `get` asks for the upgrade; newer API servers want `create` too, as for the way kubectl used to take.
            explained(&error, "get and create", "pods/portforward", &self.namespace, &self.url)
        };
        let mut forwarder = self.pods.portforward(&self.pod, &[port]).await.map_err(forbidden)?;
        forwarder.take_stream(port).ok_or_else(|| CollectorError::Broken("the API server forwarded no port".into()))
    }
}

async fn config(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Config, CollectorError> {
    let read = match kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let read = match read {
        Ok(read) => read,
        Err(error @ (KubeconfigError::FindPath | KubeconfigError::ReadConfig(..))) => {
            // Within a pod there is none, and need not be.
            let within = Config::incluster().ok().filter(|_| kubeconfig.is_none() && context.is_none());
            return within.ok_or_else(|| CollectorError::NoKubeconfig(words(&error)));
        }
        Err(error) => return Err(CollectorError::Kubeconfig(words(&error))),
    };
    if let Some(name) = context
        && !read.contexts.iter().any(|known| known.name == name)
    {
        let known: Vec<String> = read.contexts.iter().map(|known| format!("{:?}", known.name)).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(CollectorError::NoContext { name: name.to_owned(), known });
    }
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let mut config = Config::from_custom_kubeconfig(read, &options).await.map_err(|error| match error {
        KubeconfigError::CurrentContextNotSet => {
            CollectorError::Kubeconfig("it has no current context: choose one with --context".into())
        }
        error => CollectorError::Kubeconfig(words(&error)),
    })?;
    config.connect_timeout = Some(CONNECT);
    Ok(config)
}

/// The pod to ask: the preferred one if it is ready, else the first that is, by name.
fn choose(found: &[Pod], at: Where) -> Result<String, CollectorError> {
    let namespace = at.namespace.to_owned();
    if found.is_empty() {
        return Err(CollectorError::NoPod { namespace, selector: at.selector.to_owned() });
    }
    let mut ready: Vec<String> = found.iter().filter(|pod| is_ready(pod)).map(|pod| pod.name_any()).collect();
    ready.sort();
    if let Some(preferred) = at.pod.filter(|preferred| ready.iter().any(|ready| ready == preferred)) {
        return Ok(preferred.to_owned());
    }
    ready.into_iter().next().ok_or_else(|| {
        let reasons: Vec<String> = found.iter().map(|pod| format!("{} {}", pod.name_any(), state(pod))).collect();
        CollectorError::NotReady { namespace, reason: reasons.join("; ") }
    })
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Why a pod is not ready, as far as its status says.
fn state(pod: &Pod) -> String {
    if pod.metadata.deletion_timestamp.is_some() {
        return "is being deleted".into();
    }
    let Some(status) = &pod.status else { return "has no status yet".into() };
    let waiting = |container: &ContainerStatus| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let (reason, message) = (waiting.reason.as_deref().unwrap_or("waiting"), waiting.message.as_deref());
        Some(format!(
            "{}{}",
            reason.escape_debug(),
            message.map(|it| format!(" ({})", it.escape_debug())).unwrap_or_default()
        ))
    };
    let waiting = status.container_statuses.iter().flatten().find_map(waiting);
    let unscheduled = || {
        let condition =
            status.conditions.iter().flatten().find(|it| it.type_ == "PodScheduled" && it.status == "False")?;
        Some(format!("cannot be scheduled ({})", condition.message.as_deref().unwrap_or_default().escape_debug()))
    };
    let phase =
        || format!("is {} but not ready", status.phase.as_deref().unwrap_or("in an unknown phase").escape_debug());
    waiting.or_else(unscheduled).unwrap_or_else(phase)
}

/// What an error of the API server means for a person.
fn explained(
    error: &kube::Error,
    verbs: &'static str,
    resource: &'static str,
    namespace: &str,
    url: &str,
) -> CollectorError {
    let what = || format!("{verbs} {resource} at {url}");
    let (status, reason) = match error {
        kube::Error::Api(status) => (status.code, status.message.escape_debug().to_string()),
        kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status)) => {
            (status.as_u16(), "the API server did not forward the port".to_owned())
        }
        other => return CollectorError::Unreachable { what: what(), reason: words(other) },
    };
    match status {
        401 => CollectorError::Unauthorized,
        403 => CollectorError::Forbidden { verbs, resource, namespace: namespace.to_owned(), reason },
        _ => CollectorError::Unreachable { what: what(), reason: format!("{status} {reason}") },
    }
}

/// An error with its causes, each said once.
fn words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !words.contains(&text) {
            words = format!("{words}: {text}");
        }
        cause = error.source();
    }
    words.escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Where = Where { namespace: "netwright", selector: "a=b", pod: None };

    fn pod(name: &str, status: serde_json::Value) -> Pod {
        serde_json::from_value(serde_json::json!({ "metadata": { "name": name }, "status": status })).unwrap()
    }

    fn ready(name: &str) -> Pod {
        pod(name, serde_json::json!({ "conditions": [{ "type": "Ready", "status": "True" }] }))
    }

    #[test]
    fn a_pod_that_is_ready_is_chosen_and_the_preferred_one_first() {
        let pods = [ready("b"), pod("a", serde_json::json!({})), ready("c")];
        assert_eq!(choose(&pods, AT).unwrap(), "b");
        assert_eq!(choose(&pods, Where { pod: Some("c"), ..AT }).unwrap(), "c");
        assert_eq!(choose(&pods, Where { pod: Some("a"), ..AT }).unwrap(), "b");
        let mut leaving = ready("b");
        leaving.metadata.deletion_timestamp = serde_json::from_str("\"2026-11-23T00:00:00Z\"").unwrap();
        assert!(matches!(choose(&[leaving], AT), Err(CollectorError::NotReady { .. })));
    }

    #[test]
    fn who_finds_none_is_told_what_is_wrong_with_each() {
        assert!(matches!(choose(&[], AT), Err(CollectorError::NoPod { .. })));
        let waiting = serde_json::json!({ "phase": "Pending", "containerStatuses": [{ "name": "c", "image": "", "imageID": "", "ready": false,
            "restartCount": 0, "state": { "waiting": { "reason": "ImagePullBackOff", "message": "no \u{1b}[31mroute" } } }] });
        let unscheduled = serde_json::json!({ "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "False", "message": "no node" }] });
        let pods = [pod("a", waiting), pod("b", unscheduled), pod("c", serde_json::json!({ "phase": "Running" }))];
        let error = choose(&pods, AT).unwrap_err().to_string();
        assert_eq!(
            error,
            "no collector in namespace netwright is ready: a ImagePullBackOff (no \\u{1b}[31mroute); b cannot be scheduled (no node); c is Running but not ready"
        );
    }

    #[test]
    fn a_verb_that_is_missing_is_named() {
        let upgrade = UpgradeConnectionError::ProtocolSwitch(hyper::StatusCode::FORBIDDEN);
        let error = explained(&kube::Error::UpgradeConnection(upgrade), "get and create", "pods/portforward", "n", "u");
        let text = error.to_string();
        assert!(
            text.starts_with("forbidden: you need the verbs get and create on pods/portforward in namespace n"),
            "{text}"
        );
        assert!(!error.is_passing());
    }
}
