//! The ports that a decision speaks of: `5432/TCP` or `8000-8100/TCP`.

use netwright_record::Protocol;
use std::fmt;
use std::str::FromStr;

/// Ports of one protocol, as the server's pods see them; `1 <= first <= last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports {
    /// The protocol.
    pub protocol: Protocol,
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl Ports {
    /// One port.
    pub fn one(protocol: Protocol, port: u16) -> Self {
        Self { protocol, first: port, last: port }
    }

    /// Whether a port is among them.
    pub fn holds(&self, protocol: Protocol, port: u16) -> bool {
        self.protocol == protocol && (self.first..=self.last).contains(&port)
    }

    /// Whether all of them are among `other`.
    pub fn within(&self, other: &Ports) -> bool {
        other.holds(self.protocol, self.first) && other.holds(self.protocol, self.last)
    }

    /// Whether some of them are among `other`.
    pub fn overlaps(&self, other: &Ports) -> bool {
        self.protocol == other.protocol && self.first <= other.last && other.first <= self.last
    }
}

/// A text that does not say which ports are meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no port: write PORT/PROTOCOL or FIRST-LAST/PROTOCOL, 5432/TCP or 8000-8100/UDP")]
pub struct PortsError(pub String);

impl FromStr for Ports {
    type Err = PortsError;

    fn from_str(text: &str) -> Result<Self, PortsError> {
        read(text).ok_or_else(|| PortsError(text.to_owned()))
    }
}

fn read(text: &str) -> Option<Ports> {
    let (numbers, protocol) = text.split_once('/')?;
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let ports = Ports { protocol: protocol.parse().ok()?, first: number(first)?, last: number(last)? };
    (1 <= ports.first && ports.first <= ports.last).then_some(ports)
}

fn number(text: &str) -> Option<u16> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}/{}", self.first, self.protocol),
            false => write!(f, "{}-{}/{}", self.first, self.last, self.protocol),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_they_are_written() {
        for text in ["53/UDP", "5432/TCP", "8000-8100/TCP", "1-65535/SCTP"] {
            assert_eq!(text.parse::<Ports>().unwrap().to_string(), text);
        }
        for text in ["", "80", "/TCP", "0/TCP", "65536/TCP", "+80/TCP", "90-80/TCP", "80/HTTP", "80-/TCP", "1-2-3/TCP"]
        {
            assert!(text.parse::<Ports>().is_err(), "{text}");
        }
    }

    #[test]
    fn ranges_are_compared_within_one_protocol() {
        let [wide, narrow, beside, udp]: [Ports; 4] =
            ["80-90/TCP", "85/TCP", "91-99/TCP", "85/UDP"].map(|text| text.parse().unwrap());
        assert!(narrow.within(&wide) && !wide.within(&narrow) && wide.overlaps(&narrow));
        assert!(!wide.overlaps(&beside) && !udp.within(&wide) && !udp.overlaps(&wide));
    }
}
