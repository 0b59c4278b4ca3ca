//! Names several workloads by one selector: labels that they share, or their namespace.

use super::{OverPermission, PeerWidth};
use crate::index::{Facts, Index};
use crate::infer::Options;
use crate::infer::cover::labels::{LabelCover, Limits, Member, Selector, Vocabulary, budget};
use crate::infer::rules::{Peer, Pods, Rule, RuleDirection, Target, Whom, WorkloadPolicy};
use crate::infer::selectors::{Selections, selects};
use crate::review::Decided;
use netwright_record::inventory::{Labels, WorkloadRef};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The workloads that have pods of their own, each with its number.
struct Population<'a> {
    workloads: Vec<&'a WorkloadRef>,
    numbers: BTreeMap<&'a WorkloadRef, usize>,
    members: Vec<Member<'a>>,
    namespaces: BTreeMap<&'a str, BTreeSet<usize>>,
}

/// Widens the peers of every rule.
pub(super) fn widen(
    policies: &mut [WorkloadPolicy],
    index: &Index,
    selections: &Selections,
    options: &Options,
    decided: &Decided,
) {
    let population = Population::new(index, selections);
    let mut rules: Vec<Widening> = Vec::new();
    for WorkloadPolicy { workload, selection, ingress, egress, .. } in policies {
        let (workload, selected) = (&*workload, 1 + selection.widened.len());
        let of = |direction| move |rule| Widening { workload, selected, direction, rule };
        rules.extend(ingress.iter_mut().map(of(RuleDirection::Ingress)));
        rules.extend(egress.iter_mut().map(of(RuleDirection::Egress)));
    }
    let wanted: Vec<BTreeSet<usize>> = rules.iter().map(|of| population.wanted(of.rule)).collect();
    let seen = seen(&rules, &wanted);
    let covers = match options.peers {
        PeerWidth::Workload => return,
        PeerWidth::Labels => by_labels(&population, &wanted, seen, options.over_permission),
        PeerWidth::Namespace => by_namespace(&population, &wanted, seen, options.over_permission),
    };
    for ((of, wanted), mut cover) in rules.into_iter().zip(&wanted).zip(covers) {
        cover.selectors.retain(|selector| {
            let mut admitted = selector.admits.iter().filter_map(|number| population.workloads.get(*number));
            !admitted.any(|other| match of.direction {
                RuleDirection::Ingress => decided.closes_pair(other, of.workload),
                RuleDirection::Egress => decided.closes_pair(of.workload, other),
            })
        });
        population.rewrite(of.rule, of.selected, wanted, &cover);
    }
}

/// A rule that may become wider.
struct Widening<'a> {
    workload: &'a WorkloadRef,
    /// How many workloads its policy selects: what the rule adds, it adds for each.
    selected: usize,
    direction: RuleDirection,
    rule: &'a mut Rule,
}

/// How many pairs were seen. A pair stands in a rule at each of its ends that has a policy, so it is counted at one of them.
fn seen(rules: &[Widening], wanted: &[BTreeSet<usize>]) -> usize {
    let at = |end: RuleDirection| -> usize {
        let there = rules.iter().zip(wanted).filter(|(of, _)| of.direction == end);
        there.map(|(_, wanted)| wanted.len()).sum()
    };
    at(RuleDirection::Ingress).max(at(RuleDirection::Egress))
}

fn by_labels(
    population: &Population,
    wanted: &[BTreeSet<usize>],
    seen: usize,
    over_permission: Option<OverPermission>,
) -> Vec<LabelCover> {
    let over_permitted = over_permission.map_or(0, |OverPermission(percent)| budget(percent, seen));
    Vocabulary::new(&population.members).cover_all(wanted, Limits { over_permitted, whole_namespaces: false })
}

/// Every namespace as a whole, or, within a budget, those first that add the least for each peer they save.
fn by_namespace(
    population: &Population,
    wanted: &[BTreeSet<usize>],
    seen: usize,
    over_permission: Option<OverPermission>,
) -> Vec<LabelCover> {
    let mut budget = over_permission.map_or(usize::MAX, |OverPermission(percent)| budget(percent, seen));
    let mut covers: Vec<LabelCover> = vec![LabelCover::default(); wanted.len()];
    let mut candidates: Vec<(usize, &str, BTreeSet<usize>, BTreeSet<usize>)> = Vec::new();
    for (number, wanted) in wanted.iter().enumerate() {
        for (namespace, members) in &population.namespaces {
            let stands_for: BTreeSet<usize> = wanted & members;
            if !stands_for.is_empty() {
                candidates.push((number, namespace, members - &stands_for, stands_for));
            }
        }
    }
    candidates.sort_by_key(|(number, namespace, admits, stands_for)| {
        (admits.len() * 1000 / stands_for.len(), *number, *namespace)
    });
    for (number, namespace, admits, stands_for) in candidates {
        let Some(cover) = covers.get_mut(number) else { continue };
        match budget.checked_sub(admits.len()) {
            Some(rest) => {
                budget = rest;
                let (namespace, labels) = (namespace.to_owned(), Labels::new());
                cover.selectors.push(Selector { namespace, labels, stands_for, admits });
            }
            None => cover.left.extend(stands_for),
        }
    }
    covers
}

impl<'a> Population<'a> {
    fn new(index: &Index<'a>, selections: &'a Selections) -> Self {
        let own = index.workloads().filter(|(_, facts)| !facts.host_network());
        let (mut workloads, mut members, mut namespaces) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (number, (workload, facts)) in own.enumerate() {
            workloads.push(workload);
            members.push(member(workload, facts, selections));
            namespaces.entry(workload.namespace.as_str()).or_insert_with(BTreeSet::new).insert(number);
        }
        let numbers = workloads.iter().enumerate().map(|(number, workload)| (*workload, number)).collect();
        Self { workloads, numbers, members, namespaces }
    }

    /// The workloads that the selectors of `rule` stand for.
    fn wanted(&self, rule: &Rule) -> BTreeSet<usize> {
        rule.peers.iter().filter(|peer| is_pods(peer)).flat_map(|peer| self.numbers_of(peer)).collect()
    }

    fn numbers_of<'p>(&self, peer: &'p Peer) -> impl Iterator<Item = usize> + use<'_, 'p, 'a> {
        peer.whom.iter().filter_map(|whom| match whom {
            Whom::Workload(workload) => self.numbers.get(workload.as_ref()).copied(),
            _ => None,
        })
    }

    /// Puts the selectors of `cover` in the place of the workloads they stand for, in a rule of a policy that selects so many
    /// workloads.
    fn rewrite(&self, rule: &mut Rule, selected: usize, wanted: &BTreeSet<usize>, cover: &LabelCover) {
        let covered: BTreeSet<usize> =
            cover.selectors.iter().flat_map(|selector| &selector.stands_for).copied().collect();
        let own_admit = self.admitted_by_own(wanted);
        rule.peers.retain(|peer| !is_pods(peer) || !self.numbers_of(peer).all(|number| covered.contains(&number)));
        rule.peers.extend(cover.selectors.iter().map(|selector| self.peer(selector)));
        rule.peers.sort_by(|a, b| a.target.cmp(&b.target));
        rule.peers.dedup_by(|next, first| {
            let same = next.target == first.target;
            if same {
                first.whom.append(&mut next.whom);
                first.whom.sort();
                first.whom.dedup();
            }
            same
        });
        let added = cover.admitted().difference(&own_admit).count().saturating_mul(selected);
        rule.widened.pairs = rule.widened.pairs.saturating_add(u64::try_from(added).unwrap_or(u64::MAX));
    }

    /// Workloads that the selectors of `wanted` let in already, each by itself.
    fn admitted_by_own(&self, wanted: &BTreeSet<usize>) -> BTreeSet<usize> {
        let own =
            wanted.iter().filter_map(|number| Some((self.members.get(*number)?, self.members.get(*number)?.own?)));
        own.flat_map(|(member, labels)| {
            let neighbours = self.namespaces.get(member.namespace).into_iter().flatten();
            neighbours.copied().filter(move |number| {
                self.members.get(*number).is_some_and(|other| other.label_sets.iter().any(|set| selects(labels, set)))
            })
        })
        .filter(|number| !wanted.contains(number))
        .collect()
    }

    fn peer(&self, selector: &Selector) -> Peer {
        let pods = Pods { namespace: (&selector.namespace).into(), labels: selector.labels.clone() };
        let members = selector.stands_for.iter().filter_map(|number| self.workloads.get(*number));
        let mut whom: Vec<Whom> =
            members.map(|workload| Whom::Workload(Arc::new(WorkloadRef::clone(workload)))).collect();
        whom.sort();
        Peer { target: Target::Pods(Arc::new(pods)), whom }
    }
}

fn is_pods(peer: &Peer) -> bool {
    matches!(peer.target, Target::Pods(_))
}

fn member<'a>(workload: &'a WorkloadRef, facts: &Facts<'a>, selections: &'a Selections) -> Member<'a> {
    let pods = facts.pods.iter().filter(|pod| !pod.host_network).map(|pod| &pod.labels);
    let template = facts.declared.map(|declared| &declared.labels).filter(|labels| !labels.is_empty());
    Member {
        namespace: &workload.namespace,
        label_sets: pods.chain(template).collect(),
        own: selections.get(workload).map(|selection| &selection.pods.labels),
    }
}

#[cfg(test)]
mod tests {
    use crate::infer::rules::{Plan, Target};
    use crate::infer::widen::{OverPermission, PeerWidth};
    use crate::infer::{Options, infer};
    use crate::review::{Decided, Review, day};
    use crate::testing::World;
    use netwright_record::Endpoint;
    use netwright_record::Protocol::Tcp;
    use std::path::Path;

    /// A server with three of the four clients of one team.
    fn plan(clients: &[&str], peers: PeerWidth, over_permission: Option<u32>) -> Plan {
        let mut world = World::new();
        let server = Endpoint::Workload(world.running("data", "db"));
        for name in ["a", "b", "c", "d"] {
            let client = world.workload("shop", "Deployment", name, &[("app", name)]);
            let labels = [("app", name), ("team", "shop")];
            world.template(&client, &labels);
            world.pod(&client, "n1", &labels);
            if clients.contains(&name) {
                world.edge(Endpoint::Workload(client), server.clone(), Tcp, 5432);
            }
        }
        let over_permission = over_permission.map(OverPermission);
        infer(&world.build(), &Options { peers, over_permission, ..Options::default() }, &Decided::default())
    }

    fn ingress(plan: &Plan) -> Vec<String> {
        let db = plan.policies.iter().find(|policy| policy.name == "db").unwrap();
        let peers = db.ingress.iter().flat_map(|rule| &rule.peers);
        peers
            .map(|peer| match &peer.target {
                Target::Pods(pods) => format!("{} {:?}", pods.namespace, pods.labels),
                Target::Block { cidr, .. } => cidr.to_string(),
            })
            .collect()
    }

    #[test]
    fn shared_labels_are_used_where_they_let_in_nobody_else() {
        let all = plan(&["a", "b", "c", "d"], PeerWidth::Labels, None);
        assert_eq!((ingress(&all), all.widened().pairs), (vec![r#"shop {"team": "shop"}"#.to_owned()], 0));
        let some = plan(&["a", "b", "c"], PeerWidth::Labels, None);
        assert_eq!((ingress(&some).len(), some.widened().pairs), (3, 0));
    }

    #[test]
    fn within_a_budget_shared_labels_let_in_others_and_that_is_counted() {
        let plan = plan(&["a", "b", "c"], PeerWidth::Labels, Some(50));
        assert_eq!((ingress(&plan), plan.widened().pairs), (vec![r#"shop {"team": "shop"}"#.to_owned()], 1));
    }

    #[test]
    fn a_whole_namespace_is_a_peer_only_if_asked_for() {
        let exact = plan(&["a", "b", "c"], PeerWidth::Workload, None);
        assert_eq!((ingress(&exact).len(), exact.widened().pairs), (3, 0));
        let wide = plan(&["a", "b", "c"], PeerWidth::Namespace, None);
        assert_eq!((ingress(&wide), wide.widened().pairs), (vec!["shop {}".to_owned()], 1));
        let bounded = plan(&["a", "b", "c"], PeerWidth::Namespace, Some(0));
        assert_eq!((ingress(&bounded).len(), bounded.widened().pairs), (3, 0));
    }

    #[test]
    fn a_pair_that_people_closed_is_let_in_by_no_wider_selector() {
        let mut world = World::new();
        let db = Endpoint::Workload(world.running("data", "db"));
        let [api, _blog] = ["api", "blog"].map(|name| world.running("shop", name));
        world.edge(Endpoint::Workload(api), db, Tcp, 5432);
        let observation = world.build();
        let options = Options { peers: PeerWidth::Namespace, ..Options::default() };
        let wide = infer(&observation, &options, &Decided::default());
        assert_eq!(ingress(&wide), ["shop {}"]);
        let review = "apiVersion: netwright.io/v1\nkind: Review\ndecisions:\n\
                      - {decision: deny, client: shop/blog, server: data/db, reason: it never may}\n";
        let review = Review::parse(Path::new("review.yaml"), review).unwrap();
        let decided = review.apply(&observation, day(observation.header.window.until));
        assert_eq!(ingress(&infer(&observation, &options, &decided)), [r#"shop {"app": "api"}"#]);
    }
}
