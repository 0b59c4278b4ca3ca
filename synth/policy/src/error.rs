//! What can be wrong with a manifest, told so that its author can mend it. For whoever reads policies from outside.
//!
//! Each message names the file, the document, the line of the field and its path, and says what is allowed there.
//! Everything quoted from a manifest is escaped: a message can be printed to a terminal as it is.

use crate::model::Origin;
use std::fmt::{self, Write};
use std::io;
use std::path::PathBuf;

/// One reason why a set of manifests cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {}{problem}", prefix(field))]
pub struct ParseError {
    /// The manifest, with the line of the field.
    pub origin: Origin,
    /// The path of the field, `spec.ingress[0].from[1].ipBlock.cidr`; empty for the document as a whole.
    pub field: String,
    /// What is wrong with it, and what is allowed.
    pub problem: Problem,
}

/// Something the API server lets pass, or drops, that is probably a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseWarning {
    /// The manifest, with the line of the field.
    pub origin: Origin,
    /// The path of the field; empty for the document as a whole.
    pub field: String,
    /// What is odd about it.
    pub remark: Remark,
}

impl fmt::Display for ParseWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}{}", self.origin, prefix(&self.field), self.remark)
    }
}

fn prefix(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!("{field}: ") }
}

/// Why manifests cannot be used, and what is odd about them besides.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{}", count(.errors), list(.errors))]
pub struct ParseFailure {
    /// What is wrong; one at least.
    pub errors: Vec<ParseError>,
    /// What is probably a mistake too.
    pub warnings: Vec<ParseWarning>,
}

/// What is wrong with a field. The rules are the API server's own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The text is neither YAML nor JSON, or has a key twice.
    #[error("cannot be read as YAML or JSON: {}", printable(.message))]
    Syntax {
        /// What the reader says, with a line counted from the start of the file.
        message: String,
    },
    /// A value of the wrong type.
    #[error("is {found}, must be {expected}")]
    Type {
        /// What the API has there.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// A field without which there is no policy.
    #[error("is missing: {advice}")]
    Missing {
        /// What to write.
        advice: &'static str,
    },
    /// The kind is NetworkPolicy, in another API.
    #[error("{value:?} is not evaluated: must be networking.k8s.io/v1")]
    ApiVersion {
        /// What stands there.
        value: String,
    },
    /// The kind is NetworkPolicy but for its capitals.
    #[error("{value:?} is no kind: write NetworkPolicy")]
    Kind {
        /// What stands there.
        value: String,
    },
    /// A name, label key or label value that breaks the rules for it.
    #[error("{value:?} is not a valid {what}: {rule}")]
    Invalid {
        /// What stands there.
        value: String,
        /// What it should have been.
        what: &'static str,
        /// The rule, in words.
        rule: &'static str,
    },
    /// A field the API does not have, where such are not tolerated.
    #[error("unknown field: must be {}", alternatives(.known))]
    UnknownField {
        /// The fields there are.
        known: &'static [&'static str],
    },
    /// Text without quotes that `kubectl` reads as a boolean or a number.
    #[error("{value:?} without quotes is {read_as} to kubectl, which reads YAML 1.1: write {value:?} or {read_as}")]
    NeedsQuotes {
        /// What stands there.
        value: String,
        /// What `kubectl` makes of it.
        read_as: String,
    },
    /// A key that stands in its object as text and as a number or boolean too: `kubectl` keeps either.
    #[error("is there twice, as text and as a number or boolean: keep one of them, in quotes")]
    KeyTwice,
    /// A value that is none of those the API knows.
    #[error("{value:?} is not supported: must be {allowed}")]
    Unsupported {
        /// What stands there.
        value: String,
        /// The values there are.
        allowed: &'static str,
    },
    /// A port number out of range.
    #[error("{value} is not a port number: must be between 1 and 65535")]
    PortNumber {
        /// What stands there.
        value: i64,
    },
    /// `endPort` below `port`.
    #[error("{end_port} is below port {port}: must be greater or equal")]
    EndPortBelowPort {
        /// `port`.
        port: u16,
        /// `endPort`.
        end_port: u16,
    },
    /// `endPort` where `port` is a name or absent.
    #[error("may not be set unless port is a number")]
    EndPortAlone,
    /// Not a block of addresses.
    #[error("{value:?} is not a CIDR block: must be like 192.0.2.0/24 or 2001:db8::/64")]
    Cidr {
        /// What stands there.
        value: String,
    },
    /// An exception that is not strictly inside its block.
    #[error(
        "{except} is not strictly inside {cidr}, so nothing is excepted: write a smaller block of it, or remove it"
    )]
    ExceptOutsideCidr {
        /// The exception.
        except: ipnet::IpNet,
        /// The block.
        cidr: ipnet::IpNet,
    },
    /// A peer without any of its three fields.
    #[error("names no peer: must have podSelector, namespaceSelector or ipBlock (for every peer leave out the list)")]
    EmptyPeer,
    /// A peer with an ipBlock and a selector.
    #[error("has ipBlock and a selector: write them as two peers")]
    BlockAndSelector,
    /// `In` or `NotIn` without values.
    #[error("must not be empty where the operator is {operator}")]
    ValuesMissing {
        /// `In` or `NotIn`.
        operator: &'static str,
    },
    /// `Exists` or `DoesNotExist` with values.
    #[error("must be empty where the operator is {operator}")]
    ValuesForbidden {
        /// `Exists` or `DoesNotExist`.
        operator: &'static str,
    },
    /// More policy types than there are.
    #[error("has {count} entries: must be at most Ingress and Egress")]
    TooManyPolicyTypes {
        /// How many.
        count: usize,
    },
    /// Annotations that together are larger than the API server keeps.
    #[error("are {bytes} bytes together: must be at most 262144")]
    AnnotationsTooLong {
        /// Keys and values together.
        bytes: usize,
    },
    /// Two manifests of one name: the later applied would replace the other.
    #[error("NetworkPolicy {namespace}/{name} is already defined at {first}: rename or remove one of them")]
    Duplicate {
        /// The namespace of both.
        namespace: String,
        /// The name of both.
        name: String,
        /// Where the other one stands.
        first: Origin,
    },
}

/// What is odd about a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Remark {
    /// A field the API does not have. `kubectl apply` refuses it, the API server drops it.
    #[error("unknown field, ignored: must be {}", alternatives(.known))]
    UnknownField {
        /// The fields there are.
        known: &'static [&'static str],
    },
    /// A document that is no Kubernetes object.
    #[error("is no Kubernetes object (no apiVersion, kind, metadata or spec), skipped")]
    NoObject,
    /// `null` in a place where the API server reads it as an empty value.
    #[error("is null, read as empty like the API server does: {meaning}")]
    Null {
        /// What the empty value means there.
        meaning: &'static str,
    },
    /// No `podSelector`: the policy applies to the whole namespace.
    #[error("is absent, so the policy selects every pod of its namespace: write {{}} if that is meant")]
    NoPodSelector,
    /// Rules for a direction that `policyTypes` leaves out.
    #[error("has rules that mean nothing: policyTypes does not list {direction}")]
    IgnoredRules {
        /// `Ingress` or `Egress`.
        direction: &'static str,
    },
    /// A block with bits set right of its prefix. They are ignored.
    #[error("{value:?} has bits set outside its prefix, read as {read_as}")]
    HostBits {
        /// What stands there.
        value: String,
        /// What it means.
        read_as: ipnet::IpNet,
    },
    /// A form of a block that the API server still lets pass, and that other programs read as other addresses or
    /// not at all: leading zeros, or an IPv4 block in IPv6 notation.
    #[error("{value:?} is a legacy form that programs read differently, read as the API server does: write {read_as}")]
    LegacyCidr {
        /// What stands there.
        value: String,
        /// What it means.
        read_as: ipnet::IpNet,
    },
}

/// Why manifests could not be loaded from a path.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or directory could not be read.
    #[error("cannot read policies from {path:?}: {source}")]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not text.
    #[error("cannot read policies from {path:?}: not UTF-8 text from byte {valid_up_to} on")]
    NotText {
        /// The file.
        path: PathBuf,
        /// How many bytes could be read.
        valid_up_to: usize,
    },
    /// A directory without manifests: taken for a mistake, since no policies would mean that everything is allowed.
    #[error("no policies in {path:?}: found no file named *.yaml, *.yml or *.json; check the path")]
    NoFiles {
        /// The directory.
        path: PathBuf,
    },
    /// The manifests are not valid.
    #[error("{} in the policies of {path:?}:{}", count(&.failure.errors), list(&.failure.errors))]
    Invalid {
        /// The file or directory.
        path: PathBuf,
        /// All that is wrong with them.
        failure: ParseFailure,
    },
}

fn count(errors: &[ParseError]) -> String {
    match errors.len() {
        1 => "1 error".to_owned(),
        several => format!("{several} errors"),
    }
}

fn list(errors: &[ParseError]) -> String {
    errors.iter().map(|error| format!("\n  {error}")).collect()
}

fn alternatives(names: &[&str]) -> String {
    match names {
        [] => "left out".to_owned(),
        [only] => (*only).to_owned(),
        [others @ .., last] => format!("{} or {last}", others.join(", ")),
    }
}

/// Text with everything escaped that a terminal might act on, and otherwise unchanged.
pub(crate) fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '"' | '\'' | '\\' => out.push(c),
            _ => _ = write!(out, "{}", c.escape_debug()),
        }
        out
    })
}
