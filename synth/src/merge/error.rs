//! Why observations cannot be one.

use std::fmt;

/// Why observations cannot be one. Names from files are escaped.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// No file at all.
    #[error("nothing to merge: name at least one observation")]
    Nothing,
    /// Some files say of which cluster they are, and some do not.
    #[error("{named} is of the cluster {cluster:?}, and {unnamed} names none: say with --cluster which one it is of")]
    Unnamed {
        /// A file that names its cluster.
        named: String,
        /// The cluster.
        cluster: String,
        /// A file that names none.
        unnamed: String,
    },
    /// The files are of different clusters.
    #[error(
        "the files are of different clusters: {0}. Where these run the same (one repository deployed to each), --across-clusters takes what has the same namespace, kind and name for one"
    )]
    Clusters(String),
    /// Files that name no cluster and share no node, at the same time.
    #[error(
        "{one} and {other} name no cluster, overlap in time and share no node: they seem to be of different clusters. If they are of one, give its name with --cluster"
    )]
    Strangers {
        /// A file.
        one: String,
        /// Another.
        other: String,
    },
    /// What should be one is not.
    #[error("{0}")]
    Conflict(Box<Conflict>),
}

/// Something that differs where it should be one. Names from files are escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Which object.
    pub what: String,
    /// Which field of it.
    pub field: &'static str,
    /// Its value in one file, and that file.
    pub one: (String, String),
    /// Its value in another, and that file.
    pub other: (String, String),
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, field, one: (one, first), other: (other, second) } = self;
        write!(
            f,
            "{what} is not the same in all clusters: {field} is {one} in {first} and {other} in {second}; policies for one would be \
             wrong in the other. Merge without that file, or make them the same"
        )
    }
}
