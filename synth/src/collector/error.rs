//! Why a collector could not be asked, and what to do about it.

use std::path::PathBuf;

/// Why a collector could not be asked. Texts from the cluster are escaped.
#[derive(Debug, thiserror::Error)]
pub enum CollectorError {
    /// Nothing says where the API server is.
    #[error("cannot find the cluster: {0}; name a kubeconfig with --kubeconfig or KUBECONFIG")]
    NoKubeconfig(String),
    /// The kubeconfig cannot be used.
    #[error("cannot use the kubeconfig: {0}")]
    Kubeconfig(String),
    /// There is no such context.
    #[error("the kubeconfig has no context {name:?}; it has: {known}")]
    NoContext {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The API server does not answer, or not as one would.
    #[error("cannot {what}: {reason}")]
    Unreachable {
        /// What was being done.
        what: String,
        /// Why it failed.
        reason: String,
    },
    /// The API server does not know who asks.
    #[error("the API server does not accept these credentials (401): sign in again, or choose another --context")]
    Unauthorized,
    /// RBAC says no.
    #[error("forbidden: you need the verb{} {verbs} on {resource} in namespace {namespace}: {reason}", if verbs.contains(' ') { "s" } else { "" })]
    Forbidden {
        /// The verbs that are missing.
        verbs: &'static str,
        /// The resource, with its subresource.
        resource: &'static str,
        /// Where.
        namespace: String,
        /// What the API server said.
        reason: String,
    },
    /// Nothing was found.
    #[error(
        "no pod in namespace {namespace} has the labels {selector}: is the collector installed there? Name the namespace with -n, or other labels with --selector"
    )]
    NoPod {
        /// Where was looked.
        namespace: String,
        /// For what.
        selector: String,
    },
    /// Something was found that cannot answer yet.
    #[error("no collector in namespace {namespace} is ready: {reason}")]
    NotReady {
        /// Where was looked.
        namespace: String,
        /// Of each pod, why it is not.
        reason: String,
    },
    /// The address cannot be one.
    #[error("--server {0:?}: expected http://HOST:PORT")]
    Address(String),
    /// The connection broke, or was silent too long. May be tried again.
    #[error("the connection to the collector broke: {0}")]
    Broken(String),
    /// The collector answered with an error.
    #[error("the collector refused to {what}: {status}{}", if reason.is_empty() { String::new() } else { format!(": {reason}") })]
    Refused {
        /// What it was asked.
        what: &'static str,
        /// The HTTP status.
        status: u16,
        /// What it said.
        reason: String,
    },
    /// The collector answered something that makes no sense.
    #[error("cannot understand the collector's answer to {what}: {reason}; is it of the same version as this program?")]
    Answer {
        /// What it was asked.
        what: &'static str,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The file is not what the collector announced.
    #[error("what arrived is damaged: its SHA-256 is {found}, not {announced}; it was removed, try again")]
    Damaged {
        /// What was announced.
        announced: String,
        /// What arrived.
        found: String,
    },
    /// Another process writes the same file.
    #[error("{0} is being written by another `netwright pull`")]
    Busy(PathBuf),
    /// A file could not be read or written.
    #[error("cannot {what} {}: {source}", path.display())]
    File {
        /// What was being done.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Somebody asked to stop.
    #[error(transparent)]
    Interrupted(#[from] crate::replay::Interrupted),
}

impl CollectorError {
    /// Whether the same may work a moment later: the network's fault, or a collector that is starting anew.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Broken(_) | Self::Unreachable { .. } | Self::NotReady { .. } => true,
            Self::Refused { status, .. } => matches!(status, 429 | 500 | 502..=504),
            _ => false,
        }
    }
}
