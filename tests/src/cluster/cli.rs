//! `netwright-cluster`: a cluster for people, who start and remove it by hand, and the harness's own helper programs.

use super::{Cluster, Options, door, guard};
use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use std::io::{Read, Write, stdin, stdout};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;

/// Starts and removes a whole Kubernetes on this machine.
#[derive(Debug, Parser)]
#[command(name = "netwright-cluster")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start a cluster that stays until `down`; prints what a shell needs to use it
    Up(Up),
    /// Start a cluster that stays until standard input ends, or this program
    Run(Up),
    /// Remove the cluster in a folder
    Down {
        /// The folder given to `up`
        directory: PathBuf,
    },
    /// Remove a cluster when standard input ends
    #[command(hide = true)]
    Guard { directory: PathBuf },
    /// Pass connections on from the socket on standard input
    #[command(hide = true)]
    Door { target: SocketAddr },
}

#[derive(Debug, Args)]
struct Up {
    /// A new folder for its state, outside of /run and /var
    directory: PathBuf,
    /// 1 to 9, which decides names and addresses; the first free one unless given
    #[arg(long)]
    index: Option<u8>,
    /// Number of nodes, 1 to 9
    #[arg(long, default_value_t = 2)]
    nodes: u8,
    /// Addresses that the pods of one node share; a small number has them used again soon
    #[arg(long, default_value_t = 200)]
    pod_addresses: u8,
    /// Images to load into every node, docker-archive files
    #[arg(long = "image")]
    images: Vec<PathBuf>,
}

/// Does what the arguments say.
///
/// # Errors
/// What could not be done, and why.
pub fn run() -> Result<()> {
    match Arguments::parse().verb {
        Verb::Up(up) => start(up, true).map(drop),
        Verb::Run(up) => {
            let cluster = start(up, false)?;
            stdin().lock().read_to_end(&mut Vec::new())?;
            cluster.stop()
        }
        Verb::Down { directory } => {
            anyhow::ensure!(directory.exists(), "{} is not there: no cluster to remove", directory.display());
            guard::down(&directory)
        }
        Verb::Guard { directory } => guard::serve(&directory),
        Verb::Door { target } => door::serve(target),
    }
}

fn start(up: Up, detached: bool) -> Result<Cluster> {
    let begun = Instant::now();
    let Up { index, directory, nodes, pod_addresses, images } = up;
    let directory = Some(directory);
    let cluster = Cluster::start(&Options { index, directory, nodes, pod_addresses, detached, ..Options::default() })?;
    images.iter().try_for_each(|image| cluster.load(image))?;
    let nodes: Vec<&str> = cluster.nodes().iter().map(|node| node.name.as_str()).collect();
    let seconds = begun.elapsed().as_secs_f32();
    let mut told = format!("# {} nodes ({}) in {seconds:.1} s\n", nodes.len(), nodes.join(", "));
    if detached {
        told += &format!("# remove it with: netwright-cluster down {}\n", cluster.directory().display());
    }
    told += &format!("export KUBECONFIG={}\n", cluster.kubectl().kubeconfig().display());
    // At once, so that who reads only the beginning does no harm.
    stdout().lock().write_all(told.as_bytes())?;
    Ok(cluster)
}
