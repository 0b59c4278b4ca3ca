//! The `KEY=VALUE` arguments of an actor, and the addresses among them.

use super::dns;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
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

    /// The server to call, `to=HOST:PORT`. A host that is a name is asked for at `resolver=` each time: a client that
    /// keeps an answer for ever would hide what a name led to.
    ///
    /// # Errors
    /// A malformed address, or a name that the resolver does not know.
    pub fn server(&self) -> Result<SocketAddr> {
        let to: String = self.required("to")?;
        if let Ok(address) = to.parse() {
            return Ok(address);
        }
        let (host, port) = to.rsplit_once(':').with_context(|| format!("option to={to:?} has no port"))?;
        let address = match host.parse::<IpAddr>() {
            Ok(address) => address,
            Err(_) => dns::lookup(self.required("resolver")?, host, self.optional("family")?.unwrap_or(4))?,
        };
        Ok(SocketAddr::new(address, port.parse().with_context(|| format!("the port of to={to:?}"))?))
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
    fn a_name_without_a_resolver_is_refused() {
        let error = options(&["to=api.shop:80"]).unwrap().server().unwrap_err();
        assert!(error.to_string().contains("resolver"), "{error}");
    }

    #[test]
    fn an_argument_without_a_value_is_refused() {
        assert!(options(&["every"]).is_err());
    }
}
