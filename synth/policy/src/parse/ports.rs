//! The entries of `ports` from manifests. For the reader of rules.

use super::names::PORT_NAME;
use super::path::Path;
use super::report::{Report, present};
use super::value::{Mapping, Value};
use crate::Protocol;
use crate::error::{Problem, Remark};
use crate::model::{PortRange, Ports};

pub(crate) fn read(report: &mut Report, at: &Path, value: &Value) -> Option<PortRange> {
    if value.is_null() {
        report.warn(at, Remark::Null { meaning: "every TCP port" });
        return Some(PortRange { protocol: Protocol::Tcp, ports: Ports::All });
    }
    let object = report.object(at, value, &["protocol", "port", "endPort"])?;
    let protocol = match present(object, "protocol") {
        Some(value) => protocol(report, &at.field("protocol"), value),
        None => Some(Protocol::Tcp),
    };
    let ports = ports(report, at, object);
    Some(PortRange { protocol: protocol?, ports: ports? })
}

fn protocol(report: &mut Report, at: &Path, value: &Value) -> Option<Protocol> {
    let name = report.text(at, value)?;
    let protocol = name.parse().ok();
    if protocol.is_none() {
        report.error(at, Problem::Unsupported { value: name.to_owned(), allowed: "TCP, UDP or SCTP" });
    }
    protocol
}

fn ports(report: &mut Report, at: &Path, object: &Mapping) -> Option<Ports> {
    let (port_at, end_at) = (at.field("port"), at.field("endPort"));
    let end = present(object, "endPort");
    match present(object, "port") {
        Some(value @ Value::String(_)) => {
            let name = report.text(&port_at, value)?;
            report.check(&port_at, name, &PORT_NAME);
            no_end(report, &end_at, end);
            Some(Ports::Name(name.to_owned()))
        }
        Some(value) => {
            let first = number(report, &port_at, value, "a port number or the name of a port");
            let last = match end {
                Some(end) => number(report, &end_at, end, "a port number"),
                None => first,
            };
            range(report, &end_at, first?, last?)
        }
        None => {
            if object.contains_key("port") {
                report.warn(&port_at, Remark::Null { meaning: "every port of the protocol" });
            }
            no_end(report, &end_at, end);
            Some(Ports::All)
        }
    }
}

fn no_end(report: &mut Report, at: &Path, end: Option<&Value>) {
    if end.is_some() {
        report.error(at, Problem::EndPortAlone);
    }
}

fn number(report: &mut Report, at: &Path, value: &Value, expected: &'static str) -> Option<u16> {
    let value = report.typed(at, value, whole(value), expected)?;
    let port = u16::try_from(value).ok().filter(|port| *port > 0);
    if port.is_none() {
        report.error(at, Problem::PortNumber { value });
    }
    port
}

/// A whole number in any notation: `8e1` reaches the API server as 80.
fn whole(value: &Value) -> Option<i64> {
    let Value::Number(number) = value else { return None };
    let from_fraction = || number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() < MAX_WHOLE);
    number.as_i64().or_else(|| from_fraction().map(|value| value as i64))
}

/// Up to here a fraction can be told from the whole number beside it.
const MAX_WHOLE: f64 = (1_u64 << 53) as f64;

fn range(report: &mut Report, at: &Path, first: u16, last: u16) -> Option<Ports> {
    if last < first {
        report.error(at, Problem::EndPortBelowPort { port: first, end_port: last });
        return None;
    }
    Some(Ports::Numbers { first, last })
}
