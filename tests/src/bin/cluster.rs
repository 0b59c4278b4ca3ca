//! `netwright-cluster up|down DIRECTORY`: a whole Kubernetes on this machine. See [`netwright_tests::cluster`].

fn main() -> anyhow::Result<()> {
    netwright_tests::cluster::cli::run()
}
