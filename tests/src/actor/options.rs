//! The `KEY=VALUE` arguments of an actor, and the addresses among them.

use super::dns;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

/// What an actor was told.
#[derive(Debug, Clone, Default)]
pub struct Options(BTreeMap<String, String>);

impl Options {
    /// Reads `KEY=VALUE` arguments; the last of a repeated key counts.
    ///
    /// # Errors
    /// An argument without `=`.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Self> {
        arguments
            .map(|argument| match argument.split_once('=') {
                Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
                None => bail!("argument {argument:?} is not KEY=VALUE"),
            })
            .collect::<Result<_>>()
            .map(Self)
    }

    /// The value of `key`, if it was given.
    ///
    /// # Errors
    /// A value that is not a `T`.
    pub fn optional<T: FromStr>(&self, key: &str) -> Result<Option<T>>
    where
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        let Some(value) = self.0.get(key) else { return Ok(None) };
        value.parse().map(Some).with_context(|| format!("option {key}={value:?}"))
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// No such option, or a value that is not a `T`.
    pub fn required<T: FromStr>(&self, key: &str) -> Result<T>
    where
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        self.optional(key)?.with_context(|| format!("option {key}=… is missing"))
    }

    /// The value of `key` in milliseconds.
    ///
    /// # Errors
    /// A value that is not a whole number.
    pub fn milliseconds(&self, key: &str) -> Result<Option<Duration>> {
        Ok(self.optional(key)?.map(Duration::from_millis))
    }

    /// The server to call, `to=HOST:PORT`. A host that is a name is asked for each time, at `resolver=` or as the libc of this
    /// process does it: a client that keeps an answer for ever would hide what a name led to.
    ///
    /// # Errors
    /// A malformed address, or a name that the resolver does not know.
    pub fn server(&self) -> Result<SocketAddr> {
        let (host, port) = self.target()?;
        Ok(SocketAddr::new(host.parse().or_else(|_| self.resolve(host))?, port))
    }

    /// The two parts of `to=HOST:PORT`, without the brackets of an IPv6 address.
    ///
    /// # Errors
    /// No port, or one that is no number.
    pub(super) fn target(&self) -> Result<(&str, u16)> {
        let to = self.0.get("to").context("option to=… is missing")?;
        let (host, port) = to.rsplit_once(':').with_context(|| format!("option to={to:?} has no port"))?;
        let port = port.parse().with_context(|| format!("the port of to={to:?}"))?;
        Ok((host.trim_start_matches('[').trim_end_matches(']'), port))
    }

    /// An address of `host`, of the family in `family=` (4 or 6) if there is one.
    ///
    /// # Errors
    /// The resolver knows none.
    pub(super) fn resolve(&self, host: &str) -> Result<IpAddr> {
        let family: Option<u8> = self.optional("family")?;
        if let Some(resolver) = self.optional("resolver")? {
            return dns::lookup(resolver, host, family.unwrap_or(4));
        }
        let found = (host, 0).to_socket_addrs().with_context(|| format!("looking up {host}"))?;
        let mut wanted = found.filter(|address| family.is_none_or(|family| address.is_ipv6() == (family == 6)));
        Ok(wanted.next().with_context(|| format!("{host} has no address of family {family:?}"))?.ip())
    }

    /// The same, with `key=value` where `key` is not there.
    #[must_use]
    pub(super) fn or(mut self, key: &str, value: &str) -> Self {
        self.0.entry(key.to_owned()).or_insert_with(|| value.to_owned());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> Result<Options> {
        Options::parse(arguments.iter().map(|argument| (*argument).to_owned()))
    }

    #[test]
    fn an_address_needs_no_resolver() {
        let given = options(&["to=[fd00:244::5]:7700"]).unwrap();
        assert_eq!(given.server().unwrap(), "[fd00:244::5]:7700".parse().unwrap());
    }

    #[test]
    fn a_name_without_a_resolver_is_looked_up_as_libc_does() {
        let given = options(&["to=localhost:80", "family=4"]).unwrap();
        assert_eq!(given.server().unwrap(), "127.0.0.1:80".parse().unwrap());
    }

    #[test]
    fn an_argument_without_a_value_is_refused() {
        assert!(options(&["every"]).is_err());
    }
}
