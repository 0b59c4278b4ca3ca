//! The processes of the pods: servers that answer, clients that call at a steady pace and count what they did.
//!
//! Run as `netwright-actor ROLE KEY=VALUE…`. A server serves until it is ended. A client writes one line for each
//! attempt, and `done attempts=N errors=M` when the file named by `stop=` appears: so a test knows how
//! many connections it opened, and that the conversation worked at all.

mod dns;
mod options;
mod pace;
mod redis;
mod tcp;
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
    let options = Options::parse(arguments)?;
    match role.as_str() {
        "tcp-serve" => tcp::serve_echo(&options),
        "http-serve" => tcp::serve_http(&options),
        "http-call" => tcp::call_http(&options),
        "hold" => tcp::hold(&options),
        "refused" => tcp::refused(&options),
        "unanswered" => tcp::unanswered(&options),
        "statsd-serve" => udp::serve_statsd(&options),
        "statsd-send" => udp::send_statsd(&options),
        "ntp-serve" => udp::serve_ntp(&options),
        "ntp-query" => udp::query_ntp(&options),
        "dns-serve" => dns::serve(&options),
        "redis-call" => redis::call(&options),
        _ => bail!("unknown role {role:?}"),
    }
}
