//! DNS roles: a server with a zone file that forwards what it does not know, and the stub resolver of the clients.

use super::Options;
use super::pace::Pace;
use super::udp;
use anyhow::{Context, Result, bail};
use simple_dns::rdata::{A, AAAA, CNAME, RData};
use simple_dns::{CLASS, Name, Packet, QTYPE, Question, RCODE, ResourceRecord, TYPE};
use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Longer chains of CNAMEs are taken for loops.
const LONGEST_CHAIN: usize = 8;
const TTL_SECONDS: u32 = 5;

/// What a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Address(IpAddr),
    Alias(String),
}

type Zone = BTreeMap<String, Vec<Answer>>;

/// Answers from `zone=FILE` (lines `NAME ADDRESS` or `NAME ALIAS`), and passes other questions to `forward=ADDRESS`.
pub(super) fn serve(options: &Options) -> Result<()> {
    let path: PathBuf = options.required("zone")?;
    let zone = parse_zone(&fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?)?;
    let forward: Option<SocketAddr> = options.optional("forward")?;
    let socket = udp::bind(options)?;
    let mut buffer = [0; 1500];
    loop {
        let (length, from) = socket.recv_from(&mut buffer)?;
        let question = buffer.get(..length).unwrap_or_default();
        // A question that cannot be answered is dropped, as a lost packet would be.
        if let Ok(answer) = respond(&zone, forward, question) {
            let _ = socket.send_to(&answer, from);
        }
    }
}

/// Asks for `name=` at each beat, and connects to nothing.
pub(super) fn query(options: &Options) -> Result<()> {
    let name: String = options.required("name")?;
    Pace::new(options)?.run(|| options.resolve(&name).map(drop))
}

fn parse_zone(text: &str) -> Result<Zone> {
    let mut zone = Zone::new();
    for (number, line) in text.lines().enumerate() {
        let Some((name, target)) = line.split_once(' ') else {
            bail!("line {} of the zone file: expected NAME TARGET, found {line:?}", number + 1)
        };
        let answer = target.parse().map_or_else(|_| Answer::Alias(target.to_owned()), Answer::Address);
        zone.entry(name.to_owned()).or_default().push(answer);
    }
    Ok(zone)
}

fn respond(zone: &Zone, forward: Option<SocketAddr>, query: &[u8]) -> Result<Vec<u8>> {
    let packet = Packet::parse(query)?;
    let question = packet.questions.first().context("a query without a question")?;
    let name = question.qname.to_string().to_ascii_lowercase();
    match (zone.contains_key(&name), forward) {
        (false, Some(upstream)) => exchange(upstream, query),
        (known, _) => {
            let mut reply = packet.clone().into_reply();
            reply.answers = records(zone, &name, question.qtype);
            if !known {
                *reply.rcode_mut() = RCODE::NameError;
            }
            Ok(reply.build_bytes_vec_compressed()?)
        }
    }
}

/// The records that answer a question, every CNAME on the way included.
fn records(zone: &Zone, asked: &str, kind: QTYPE) -> Vec<ResourceRecord<'static>> {
    let mut records = Vec::new();
    let mut name = asked;
    for _ in 0..LONGEST_CHAIN {
        let answers = zone.get(name).map(Vec::as_slice).unwrap_or_default();
        records.extend(answers.iter().filter_map(|answer| record(name, answer, kind)));
        match answers.iter().find_map(|answer| if let Answer::Alias(to) = answer { Some(to) } else { None }) {
            Some(next) => name = next,
            None => break,
        }
    }
    records
}

fn record(name: &str, answer: &Answer, kind: QTYPE) -> Option<ResourceRecord<'static>> {
    let data = match answer {
        Answer::Address(IpAddr::V4(address)) if kind == QTYPE::TYPE(TYPE::A) => RData::A(A::from(*address)),
        Answer::Address(IpAddr::V6(address)) if kind == QTYPE::TYPE(TYPE::AAAA) => RData::AAAA(AAAA::from(*address)),
        Answer::Address(_) => return None,
        Answer::Alias(to) => RData::CNAME(CNAME(Name::new(to).ok()?.into_owned())),
    };
    Some(ResourceRecord::new(Name::new(name).ok()?.into_owned(), CLASS::IN, TTL_SECONDS, data))
}

/// Asks `resolver` for an address of `name` in the given family (4 or 6), over UDP from a new socket.
///
/// # Errors
/// No answer within two seconds, or none with an address.
pub(super) fn lookup(resolver: SocketAddr, name: &str, family: u8) -> Result<IpAddr> {
    let kind = if family == 6 { TYPE::AAAA } else { TYPE::A };
    let mut query = Packet::new_query(std::process::id() as u16);
    query.set_flags(simple_dns::PacketFlag::RECURSION_DESIRED);
    query.questions.push(Question::new(Name::new(name)?, kind.into(), CLASS::IN.into(), false));
    let answer =
        exchange(resolver, &query.build_bytes_vec()?).with_context(|| format!("asking {resolver} for {name}"))?;
    Packet::parse(&answer)?
        .answers
        .iter()
        .find_map(|record| match &record.rdata {
            RData::A(address) => Some(IpAddr::V4(address.address.into())),
            RData::AAAA(address) => Some(IpAddr::V6(address.address.into())),
            _ => None,
        })
        .with_context(|| format!("{resolver} knows no address of {name}"))
}

/// Sends one message and waits for the answer, as a libc stub resolver does: a connected socket for each question.
fn exchange(server: SocketAddr, query: &[u8]) -> Result<Vec<u8>> {
    let socket = udp::client(server)?;
    socket.connect(server)?;
    socket.send(query)?;
    let mut buffer = [0; 1500];
    let length = socket.recv(&mut buffer)?;
    Ok(buffer.get(..length).unwrap_or_default().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONE: &str =
        "api.example edge.example\nedge.example pop.example\npop.example 198.18.0.80\npop.example fd00::80";

    #[test]
    fn a_chain_of_aliases_is_answered_whole() {
        let records = records(&parse_zone(ZONE).unwrap(), "api.example", QTYPE::TYPE(TYPE::A));
        let names: Vec<String> = records.iter().map(|record| record.name.to_string()).collect();
        assert_eq!(names, ["api.example", "edge.example", "pop.example"]);
    }

    #[test]
    fn only_the_asked_family_is_answered() {
        let records = records(&parse_zone(ZONE).unwrap(), "pop.example", QTYPE::TYPE(TYPE::AAAA));
        assert!(matches!(records.as_slice(), [record] if matches!(record.rdata, RData::AAAA(_))));
    }

    #[test]
    fn an_unknown_name_is_a_name_error() {
        let mut query = Packet::new_query(7);
        let name = Name::new("nowhere.example").unwrap();
        query.questions.push(Question::new(name, TYPE::A.into(), CLASS::IN.into(), false));
        let answer = respond(&parse_zone(ZONE).unwrap(), None, &query.build_bytes_vec().unwrap()).unwrap();
        assert_eq!(Packet::parse(&answer).unwrap().rcode(), RCODE::NameError);
    }
}
