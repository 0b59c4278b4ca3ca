//! Which peers of a long rule may be an end of a connection, found without going through all of them. For the evaluator:
//! the rule of a cluster's DNS names each workload that asks it, and is asked about each.

use crate::cluster::METADATA_NAME;
use crate::filed::Filed;
use crate::model::{IpBlock, Peer};
use crate::selector::{Operator, Selector};
use crate::shorthand::Map;
use crate::{Pod, shorthand};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A rule with so many peers is indexed. Fewer are tried one by one as quickly.
pub(crate) const LONG: usize = 16;

/// The peers of one rule, by their places in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct PeerIndex {
    /// Peers that name their namespaces, under each of them.
    named: Map<String, Filed<u32>>,
    /// Peers that select their namespaces in another way.
    elsewhere: Filed<u32>,
    blocks: Blocks,
}

impl PeerIndex {
    /// The peers of a rule of a policy in the namespace `own`.
    pub(crate) fn new(own: &str, peers: &[Peer]) -> Self {
        let every = Selector::default();
        let mut groups = BTreeMap::<Option<&str>, Vec<(u32, &Selector)>>::new();
        let mut blocks = Blocks::default();
        for (place, peer) in peers.iter().enumerate() {
            let place = shorthand::number(place);
            match peer {
                Peer::IpBlock(block) => blocks.add(place, block),
                Peer::Pods { namespaces, pods } => {
                    let selector = pods.as_ref().unwrap_or(&every);
                    for name in names(own, namespaces.as_ref()) {
                        groups.entry(name).or_default().push((place, selector));
                    }
                }
            }
        }
        let elsewhere = Filed::new(&groups.remove(&None).unwrap_or_default());
        let named = groups.into_iter().filter_map(|(name, peers)| Some((name?.to_owned(), Filed::new(&peers))));
        Self { named: named.collect(), elsewhere, blocks }
    }

    /// The places of all peers that may be `pod`; of one that has several addresses, some twice.
    pub(crate) fn of_pod<'a>(&'a self, pod: &'a Pod) -> impl Iterator<Item = usize> {
        let filed = self.named.get(&pod.namespace).into_iter().chain([&self.elsewhere]);
        let by_labels =
            filed.flat_map(|filed| filed.candidates(|key| pod.label(key))).map(|entry| entry.thing as usize);
        by_labels.chain(pod.addresses.iter().flat_map(|address| self.blocks.around(address.to_canonical())))
    }

    /// The places of all blocks that hold `address`, exceptions apart.
    pub(crate) fn of_address(&self, address: IpAddr) -> impl Iterator<Item = usize> {
        self.blocks.around(address)
    }
}

/// The namespaces that a peer names; `None` stands for any.
fn names<'a>(own: &'a str, selector: Option<&'a Selector>) -> Vec<Option<&'a str>> {
    let Some(selector) = selector else { return vec![Some(own)] };
    let named = selector.requirements.iter().find_map(|requirement| match &requirement.operator {
        Operator::In(values) if *requirement.key == *METADATA_NAME => Some(values),
        _ => None,
    });
    named.map_or_else(|| vec![None], |names| names.iter().map(Some).collect())
}

/// Blocks by what they cover: an address is in few lengths of prefix.
#[derive(Debug, Clone, Default)]
struct Blocks {
    /// The lengths that there are.
    lengths: BTreeSet<u8>,
    places: Map<IpNet, Vec<u32>>,
}

impl Blocks {
    fn add(&mut self, place: u32, block: &IpBlock) {
        self.lengths.insert(block.cidr.prefix_len());
        self.places.entry(block.cidr).or_default().push(place);
    }

    /// O(lengths of prefix), of which there are at most 129.
    fn around(&self, address: IpAddr) -> impl Iterator<Item = usize> {
        let block = move |length: &u8| Some(IpNet::new(address, *length).ok()?.trunc());
        let places = self.lengths.iter().filter_map(block).filter_map(|block| self.places.get(&block));
        places.flatten().map(|place| *place as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selector::{Requirement, Values};
    use crate::{Cluster, Labels};
    use proptest::prelude::*;

    const NAMES: [&str; 3] = ["shop", "data", "infra"];

    fn name() -> impl Strategy<Value = &'static str> {
        prop::sample::select(&NAMES[..])
    }

    fn selector(keys: &'static [&'static str]) -> impl Strategy<Value = Selector> {
        let operator =
            (0..4u8, prop::collection::vec(name(), 1..3).prop_map(Values::from_iter)).prop_map(|(operator, values)| {
                match operator {
                    0 | 1 => Operator::In(values),
                    2 => Operator::NotIn(values),
                    _ => Operator::Exists,
                }
            });
        let requirement = (prop::sample::select(keys), operator)
            .prop_map(|(key, operator)| Requirement { key: key.into(), operator });
        prop::collection::vec(requirement, 0..3).prop_map(|requirements| Selector { requirements })
    }

    fn peer() -> impl Strategy<Value = Peer> {
        let pods = (prop::option::of(selector(&[METADATA_NAME, "team"])), prop::option::of(selector(&["app", "tier"])))
            .prop_map(|(namespaces, pods)| Peer::Pods { namespaces, pods });
        let block =
            (any::<bool>(), 0..4u8, prop::sample::select(&[0u8, 8, 30, 31, 32][..])).prop_map(|(six, low, length)| {
                let (address, length) = if six {
                    (IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(low)]), length * 4)
                } else {
                    (IpAddr::from([10, 0, 0, low]), length)
                };
                Peer::IpBlock(IpBlock { cidr: IpNet::new(address, length).unwrap().trunc(), except: Vec::new() })
            });
        prop_oneof![pods, block]
    }

    fn pod() -> impl Strategy<Value = Pod> {
        let labels = prop::collection::btree_map(
            prop::sample::select(&["app", "tier"][..]).prop_map(String::from),
            name().prop_map(String::from),
            0..3,
        );
        (name(), labels, prop::collection::vec((any::<bool>(), 0..4u8), 0..3)).prop_map(
            |(namespace, labels, addresses)| Pod {
                namespace: namespace.to_owned(),
                name: "pod".to_owned(),
                labels,
                addresses: addresses
                    .into_iter()
                    .map(|(six, low)| {
                        if six {
                            IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(low)])
                        } else {
                            IpAddr::from([10, 0, 0, low])
                        }
                    })
                    .collect(),
                node_addresses: Vec::new(),
                ports: Vec::new(),
            },
        )
    }

    /// Whether a peer is the pod, as the evaluator says it.
    fn is_peer(peer: &Peer, own: &str, pod: &Pod) -> bool {
        let cluster = Cluster {
            namespaces: [("shop".to_owned(), Labels::from([("team".to_owned(), "data".to_owned())]))].into(),
            ..Cluster::default()
        };
        match peer {
            Peer::IpBlock(block) => pod.addresses.iter().any(|address| block.cidr.contains(address)),
            Peer::Pods { namespaces, pods } => {
                let there = match namespaces {
                    None => pod.namespace == own,
                    Some(selector) => selector.matches(|key| cluster.namespace_label(&pod.namespace, key)),
                };
                there && pods.as_ref().is_none_or(|pods| pods.matches(|key| pod.label(key)))
            }
        }
    }

    proptest! {
        #[test]
        fn no_peer_that_matches_is_passed_over(own in name(), peers in prop::collection::vec(peer(), 0..24), pod in pod()) {
            let index = PeerIndex::new(own, &peers);
            let candidates: BTreeSet<usize> = index.of_pod(&pod).collect();
            for (place, peer) in peers.iter().enumerate() {
                prop_assert!(!is_peer(peer, own, &pod) || candidates.contains(&place), "{peer:?}");
            }
            for address in &pod.addresses {
                let around: BTreeSet<usize> = index.of_address(*address).collect();
                let holding = peers.iter().enumerate().filter(|(_, peer)| matches!(peer, Peer::IpBlock(block) if block.cidr.contains(address)));
                prop_assert_eq!(around, holding.map(|(place, _)| place).collect::<BTreeSet<_>>());
            }
        }
    }

    #[test]
    fn of_very_many_peers_few_are_tried() {
        let one = |number: usize| {
            let label = |key: &str, value: String| Selector {
                requirements: vec![Requirement { key: key.into(), operator: Operator::In([value].into()) }],
            };
            Peer::Pods {
                namespaces: Some(label(METADATA_NAME, format!("n{}", number % 100))),
                pods: Some(label("app", format!("a{}", number % 7))),
            }
        };
        let index = PeerIndex::new("shop", &(0..700).map(one).collect::<Vec<_>>());
        let pod = Pod {
            namespace: "n3".into(),
            name: "pod".into(),
            labels: [("app".to_owned(), "a3".to_owned())].into(),
            addresses: Vec::new(),
            node_addresses: Vec::new(),
            ports: Vec::new(),
        };
        assert_eq!(index.of_pod(&pod).collect::<Vec<_>>(), [3]);
    }
}
