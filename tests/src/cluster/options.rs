//! What a test chooses of its cluster.

use std::path::PathBuf;

/// How a cluster is to be. The default has two nodes and a DNS server, and forgets everything when it is dropped.
#[derive(Debug, Clone)]
pub struct Options {
    /// 1 to 9; it decides all names and addresses. Without one, the first that is free on this machine.
    pub index: Option<u8>,
    /// Where its state is, a path outside of /run and /var; removed with the cluster. Without one, below the folder for
    /// temporary files.
    pub directory: Option<PathBuf>,
    /// Number of nodes, 1 to 9.
    pub nodes: u8,
    /// How many addresses the pods of one node share, 1 to 200. They are given out in turn, so that a small number has
    /// addresses used again within seconds. Pods of the host's network need none.
    pub pod_addresses: u8,
    /// What is added to the DNS server's configuration, as blocks of a Corefile's server: names outside of the cluster.
    /// In them `@OUTSIDE@` stands for the first three numbers of addresses there.
    pub corefile: String,
    /// Whether etcd waits for the disk. Only tests in which it is killed need that; others are faster without.
    pub fsync: bool,
    /// Further arguments of the API server.
    pub api_server_arguments: Vec<String>,
    /// Further arguments of the controller manager.
    pub controller_manager_arguments: Vec<String>,
    /// Whether the cluster outlives the process that starts it, until someone removes it.
    pub detached: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            index: None,
            directory: None,
            nodes: 2,
            pod_addresses: 200,
            corefile: String::new(),
            fsync: false,
            api_server_arguments: Vec::new(),
            controller_manager_arguments: Vec::new(),
            detached: false,
        }
    }
}
