//! `netwright-actor ROLE KEY=VALUE…`: one process of a pod. See [`netwright_tests::actor`].

fn main() -> anyhow::Result<()> {
    netwright_tests::actor::run(std::env::args().skip(1))
}
