//! The processes of the pods: servers that answer, clients that call at a steady pace and count what they did.
//!
//! Run as `netwright-actor ROLE KEY=VALUE…`. A server serves until it is ended. A client writes one line for each
//! attempt, and `done attempts=N errors=M` when the file named by `stop=` appears: so a test knows how
//! many connections it opened, and that the conversation worked at all.
//!
//! `netwright-actor play LINE…` plays several roles at once, each line a role with its options: so one small program without
//! files is any workload in a pod ([`play`]).

mod dns;
mod options;
mod pace;
pub mod play;
mod redis;
mod tcp;
mod tls;
mod udp;

pub use options::Options;
pub use pace::Tally;

use anyhow::{Result, bail};

/// Plays the role named by the first argument. Returns when a client has finished, and never for a server.
///
/// # Errors
/// An unknown role, a missing or malformed option, or an address that cannot be bound.
pub fn run(arguments: impl Iterator<Item = String>) -> Result<()> {
    let mut arguments = arguments.peekable();
    let Some(role) = arguments.next() else { bail!("no role given: netwright-actor ROLE KEY=VALUE…") };
    if role == "guard" {
        return crate::world::guard::serve(arguments);
    }
    if role == "play" {
        return play::run(arguments);
    }
    perform(&role, &Options::parse(arguments)?)
}

/// Plays one role. Returns when a client has finished, and never for a server.
fn perform(role: &str, options: &Options) -> Result<()> {
    match role {
        "tcp-serve" => tcp::serve_echo(options),
        "tcp-call" => tcp::call(options),
        "http-serve" => tcp::serve_http(options),
        "http-call" => tcp::call_http(options),
        "tls-serve" => tls::serve(options),
        "tls-call" => tls::call(options),
        "hold" => tcp::hold(options),
        "refused" => tcp::refused(options),
        "unanswered" => tcp::unanswered(options),
        "udp-serve" => udp::serve_echo(options),
        "udp-call" => udp::call(options),
        "statsd-serve" => udp::serve_statsd(options),
        "statsd-send" => udp::send_statsd(options),
        "ntp-serve" => udp::serve_ntp(options),
        "ntp-query" => udp::query_ntp(options),
        "dns-serve" => dns::serve(options),
        "dns-query" => dns::query(options),
        "redis-call" => redis::call(options),
        _ => bail!("unknown role {role:?}"),
    }
}
