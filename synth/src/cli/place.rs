//! Where a collector is, for the verbs that ask one.

use crate::collector::Place;
use std::path::PathBuf;

/// Where the collector is. Access is decided by the cluster's RBAC: `list` on pods, `get` and `create` on pods/portforward,
/// in the collector's namespace.
#[derive(Debug, Clone, clap::Args)]
pub struct PlaceArgs {
    /// The context of the kubeconfig. Default: the current one.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// The kubeconfig. Default: as kubectl finds it ($KUBECONFIG, ~/.kube/config).
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The namespace Netwright is installed in.
    #[arg(short, long, default_value = "netwright")]
    namespace: String,
    /// The labels of the collector's pods.
    #[arg(
        long,
        value_name = "LABELS",
        default_value = "app.kubernetes.io/name=netwright,app.kubernetes.io/component=collector"
    )]
    selector: String,
    /// Ask this address (http://HOST:PORT) instead of looking in a cluster: for a port that was forwarded by other means.
    #[arg(long, value_name = "URL", conflicts_with_all = ["context", "kubeconfig", "selector"])]
    server: Option<String>,
}

impl PlaceArgs {
    /// As the library takes it.
    pub fn place(&self) -> Place {
        Place {
            server: self.server.clone(),
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            namespace: self.namespace.clone(),
            selector: self.selector.clone(),
        }
    }
}

/// A runtime for the few connections of a verb.
///
/// # Errors
/// The system gives none.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
