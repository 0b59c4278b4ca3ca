//! What can be wrong with an inventory, in words for the person who wrote the file.
//!
//! An error means that going on would tell lies later (a pod left out would pass for an address outside the
//! cluster); a warning means that something is missing whose absence can be told.

use std::fmt;

/// The command that prints everything an inventory needs.
pub const KUBECTL_COMMAND: &str = "kubectl get ns,nodes,pods,svc,endpointslices,deploy,sts,ds,rs,jobs,cronjobs,netpol,apiservices,\
    validatingwebhookconfigurations,mutatingwebhookconfigurations -A -o yaml";

/// What to do about a text that is no inventory.
pub(super) const WRITE_WITH_KUBECTL: &str = "write the file with \
    `kubectl get ns,nodes,pods,svc,endpointslices,deploy,sts,ds,rs,jobs,cronjobs,netpol,apiservices,\
    validatingwebhookconfigurations,mutatingwebhookconfigurations -A -o yaml`";

/// What to do about a text that is no inventory, where manifests were asked for.
pub(super) const RENDER_FIRST: &str =
    "give plain manifests (`helm template`, `kubectl kustomize`) or what `kubectl get -A -o yaml` prints";

/// Why an inventory could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InventoryError {
    /// The text is neither YAML nor JSON.
    #[error("inventory {name}, document {document}: this is neither YAML nor JSON: {why}; {advice}")]
    Syntax {
        /// The name the text was given.
        name: String,
        /// Which document of the text, from 1.
        document: usize,
        /// What the parser said, with the line.
        why: String,
        /// What to do.
        advice: &'static str,
    },
    /// A document or an item of a list is no Kubernetes object.
    #[error(
        "inventory {name}, document {document}{}: {why}; write the file with `{KUBECTL_COMMAND}`",
        item_suffix(*.item)
    )]
    NotAnObject {
        /// The name the text was given.
        name: String,
        /// Which document of the text, from 1.
        document: usize,
        /// Which item of the list, from 1, where the document is one.
        item: Option<usize>,
        /// What is missing.
        why: String,
    },
    /// An object that cannot be left out is broken.
    #[error(
        "inventory {name}, {object}: {field}: {why}; without it names and answers would be wrong: correct or fetch it again"
    )]
    Broken {
        /// The name the text was given.
        name: String,
        /// Which object.
        object: Box<Place>,
        /// The field, as a path: `spec.ports[0].port`.
        field: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is not one pod.
    #[error("inventory {name} holds no pods, so no address could be named; write it with `{KUBECTL_COMMAND}`")]
    NoPods {
        /// The name the text was given.
        name: String,
    },
}

/// Something missing or odd in an inventory that was read all the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum InventoryWarning {
    /// Objects of a kind this inventory has no use for.
    #[error("{count} of kind {kind} ({api_version}) skipped: an inventory has no use for them")]
    UnknownKind {
        /// `apiVersion`, escaped.
        api_version: String,
        /// `kind`, escaped.
        kind: String,
        /// How many.
        count: usize,
    },
    /// Objects that may hold secrets. Nothing of them is kept.
    #[error("{count} of kind {kind} skipped unread: they may hold secrets and do not belong in this file")]
    Confidential {
        /// `Secret` or `ConfigMap`.
        kind: String,
        /// How many.
        count: usize,
    },
    /// One broken object was left out.
    #[error("{object} left out: {field}: {why}; {consequence}")]
    LeftOut {
        /// Which object.
        object: Place,
        /// The field, as a path.
        field: String,
        /// What is wrong with it.
        why: String,
        /// What is not known without it.
        consequence: &'static str,
    },
    /// One object stands in the text twice.
    #[error("{object} stands here again after {first}: the later one counts; leave out patches, or render them first")]
    Repeated {
        /// The later one.
        object: Place,
        /// The earlier one.
        first: Box<Place>,
    },
    /// A kind of which there is nothing although there should be.
    #[error("no {kind} in the inventory: {consequence}")]
    Missing {
        /// The kind, or the field of it.
        kind: &'static str,
        /// What suffers.
        consequence: &'static str,
    },
}

/// Where in the text an object stands, and which it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, where there are several.
    pub file: Option<String>,
    /// Which document of the text, from 1.
    pub document: usize,
    /// Which item of the list, from 1, where the document is one.
    pub item: Option<usize>,
    /// `kind`.
    pub kind: String,
    /// `metadata.namespace`; empty for what has none.
    pub namespace: String,
    /// `metadata.name`; empty where it is missing.
    pub name: String,
}

/// `document 1, item 3 (Pod shop/cart-0)`, escaped, with the file before it where there are several.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}, ", file.escape_debug())?;
        }
        write!(f, "document {}{} ({} ", self.document, item_suffix(self.item), self.kind.escape_debug())?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace.escape_debug())?;
        }
        match self.name.as_str() {
            "" => f.write_str("without a name)"),
            name => write!(f, "{})", name.escape_debug()),
        }
    }
}

fn item_suffix(item: Option<usize>) -> String {
    item.map(|item| format!(", item {item}")).unwrap_or_default()
}

/// What is wrong with one field of one object, before it is known what that means for the whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct Fault {
    /// The field, as a path.
    pub field: String,
    /// What is wrong with it; already escaped.
    pub why: String,
}

impl Fault {
    pub(crate) fn new(field: impl Into<String>, why: impl fmt::Display) -> Self {
        Self { field: field.into(), why: why.to_string() }
    }
}
