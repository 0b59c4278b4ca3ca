//! Which names each client had learned for an address: DNS answers, attributed to who asked.

use crate::probe::DnsMessage;
use netwright_record::{FlatSet, Name};
use simple_dns::rdata::RData;
use simple_dns::{Packet, PacketFlag};
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

/// How many (client, address, name) triples are kept. A pod that resolves a million names must not
/// fill the node's memory; what comes after is counted, not kept.
const LIMIT: usize = 100_000;

/// The header of a message (RFC 1035, 4.1.1): the numbers of answers, of authorities and of additional records are its last three words.
const HEADER: usize = 12;

/// What was learned. Not forgotten while the client is there: it may keep an address for longer than its TTL.
#[derive(Debug, Default)]
pub struct Names {
    learned: HashMap<IpAddr, HashMap<IpAddr, BTreeSet<Name>>>,
    kept: usize,
    /// Answers that could not be parsed, since they were last asked for.
    pub malformed: u64,
    /// Triples that found the table full, likewise.
    pub dropped: u64,
}

impl Names {
    /// Learns from one answer. Every address in it belongs to the name that was asked for, whatever CNAMEs stand between.
    pub fn learn(&mut self, message: &DnsMessage) {
        let answer = if message.is_clipped { parse_clipped(&message.message) } else { parse(&message.message) };
        match answer {
            Some(Answer { asked: Some(asked), addresses }) => {
                for address in addresses {
                    self.add(message.client, address, &asked);
                }
            }
            Some(_) => {}
            None => self.malformed += 1,
        }
    }

    /// The names by which any of these clients knows the address.
    pub fn of(&self, clients: impl IntoIterator<Item = IpAddr>, address: IpAddr) -> FlatSet<Name> {
        clients
            .into_iter()
            .filter_map(|client| self.learned.get(&client)?.get(&address))
            .flat_map(|names| names.iter().cloned())
            .collect()
    }

    /// Forgets what a client has learned that is no more.
    pub fn forget(&mut self, client: IpAddr) {
        let learned = self.learned.remove(&client).unwrap_or_default();
        self.kept -= learned.values().map(BTreeSet::len).sum::<usize>();
    }

    /// Whether this client has had an answer.
    pub fn knows(&self, client: IpAddr) -> bool {
        self.learned.contains_key(&client)
    }

    fn add(&mut self, client: IpAddr, address: IpAddr, name: &str) {
        let names = self.learned.entry(client).or_default().entry(address).or_default();
        if names.contains(name) {
            return;
        }
        if self.kept >= LIMIT {
            self.dropped += 1;
            return;
        }
        self.kept += 1;
        names.insert(name.into());
    }
}

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    /// The name that was asked for, if this is an answer at all.
    asked: Option<String>,
    addresses: Vec<IpAddr>,
}

/// Parses a DNS message (RFC 1035; CNAME chains as in RFC 1034, 3.6.2). `None` if it is damaged.
fn parse(message: &[u8]) -> Option<Answer> {
    let packet = Packet::parse(message).ok()?;
    let is_answer = packet.has_flags(PacketFlag::RESPONSE);
    let asked = packet.questions.first().filter(|_| is_answer).map(|question| normalise(&question.qname.to_string()));
    let addresses = packet
        .answers
        .iter()
        .filter_map(|record| match &record.rdata {
            RData::A(a) => Some(IpAddr::V4(a.address.into())),
            RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.address.into()).to_canonical()),
            _ => None,
        })
        .collect();
    Some(Answer { asked, addresses })
}

/// Parses what there is of a message that was cut off: as many of its answers as are whole.
fn parse_clipped(message: &[u8]) -> Option<Answer> {
    let (head, rest) = message.split_at_checked(HEADER)?;
    let [start @ .., high, low, _, _, _, _] = head else { return None };
    let with_answers = |count: u16| [start, &count.to_be_bytes(), &[0; 4], rest].concat();
    // The most that parse, by bisection: a message with more of them is longer.
    let (mut whole, mut least_bad) = (0, u16::from_be_bytes([*high, *low]).saturating_add(1));
    while whole + 1 < least_bad {
        let count = whole + (least_bad - whole) / 2;
        if parse(&with_answers(count)).is_some() { whole = count } else { least_bad = count }
    }
    parse(&with_answers(whole))
}

/// Names compare without regard to case (RFC 4343), and resolvers randomise it.
fn normalise(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use simple_dns::rdata::{A, CNAME};
    use simple_dns::{CLASS, Name as DnsName, QCLASS, QTYPE, Question, ResourceRecord, TYPE};

    fn answer(asked: &str, records: Vec<ResourceRecord<'static>>) -> DnsMessage {
        let mut packet = Packet::new_reply(1);
        packet.questions.push(Question::new(
            DnsName::new(asked).unwrap().into_owned(),
            QTYPE::TYPE(TYPE::A),
            QCLASS::CLASS(CLASS::IN),
            false,
        ));
        packet.answers = records;
        DnsMessage {
            client: "10.0.0.1".parse().unwrap(),
            server: "10.0.0.53".parse().unwrap(),
            time: 0,
            message: packet.build_bytes_vec().unwrap(),
            is_clipped: false,
        }
    }

    fn record(name: &'static str, rdata: RData<'static>) -> ResourceRecord<'static> {
        ResourceRecord::new(DnsName::new_unchecked(name), CLASS::IN, 60, rdata)
    }

    fn address(name: &'static str) -> ResourceRecord<'static> {
        record(name, RData::A(A { address: u32::from_be_bytes([198, 18, 0, 9]) }))
    }

    #[test]
    fn an_address_behind_cnames_belongs_to_the_name_that_was_asked_for() {
        let mut names = Names::default();
        let alias = record("Billing.Example", RData::CNAME(CNAME(DnsName::new_unchecked("edge.cdn.example"))));
        names.learn(&answer("Billing.Example", vec![alias, address("edge.cdn.example")]));
        let client = "10.0.0.1".parse().unwrap();
        let learned = names.of([client], "198.18.0.9".parse().unwrap());
        assert_eq!(learned.into_iter().collect::<Vec<_>>(), ["billing.example"]);
        assert!(
            names.of(["10.0.0.2".parse().unwrap()], "198.18.0.9".parse().unwrap()).is_empty(),
            "who did not ask does not know"
        );
    }

    #[test]
    fn damage_is_counted() {
        let mut names = Names::default();
        let mut message = answer("a.example", vec![address("a.example")]);
        message.message.truncate(20);
        names.learn(&message);
        assert_eq!(names.malformed, 1);
    }

    #[test]
    fn a_clipped_answer_is_read_as_far_as_it_goes() {
        let mut names = Names::default();
        let other = record("a.example", RData::A(A { address: u32::from_be_bytes([198, 18, 0, 10]) }));
        let mut message = answer("a.example", vec![address("a.example"), other]);
        message.message.truncate(message.message.len() - 1);
        message.is_clipped = true;
        names.learn(&message);
        let known = |ip: &str| !names.of([message.client], ip.parse().unwrap()).is_empty();
        assert_eq!((known("198.18.0.9"), known("198.18.0.10"), names.malformed), (true, false, 0));
    }

    #[test]
    fn a_flood_of_names_is_bounded_and_counted() {
        let mut names = Names::default();
        for index in 0..LIMIT + 10 {
            names.add("10.0.0.1".parse().unwrap(), "198.18.0.9".parse().unwrap(), &format!("{index}.example"));
        }
        assert_eq!((names.kept, names.dropped), (LIMIT, 10));
        names.forget("10.0.0.1".parse().unwrap());
        assert_eq!((names.kept, names.learned.len()), (0, 0));
    }

    proptest! {
        #[test]
        fn no_message_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = parse(&bytes);
            let _ = parse_clipped(&bytes);
        }
    }
}
