//! What decisions do to the edges of small observations.

use super::*;
use crate::testing::{World, address};
use netwright_record::Endpoint;
use netwright_record::Protocol::{Tcp, Udp};
use proptest::prelude::*;
use std::net::IpAddr;

/// The decisions in `entries`, each `allow shop/a -> shop/b 80/TCP until 2027-01-31`; what must end and says nothing ends on
/// the last day of 2026.
fn review(entries: &[&str]) -> Review {
    let entry = |text: &&str| {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [action, client, "->", server, rest @ ..] = words.as_slice() else { panic!("{text}") };
        let (port, expires) = match rest {
            [] => (None, None),
            ["until", date] => (None, Some(*date)),
            [port] => (Some(*port), None),
            [port, "until", date] => (Some(*port), Some(*date)),
            _ => panic!("{text}"),
        };
        let must = matches!(*action, "allow" | "ignore").then_some("2026-12-31");
        let field = |name: &str, value: Option<&str>| value.map(|value| format!("  {name}: \"{value}\"\n"));
        let fields = [
            Some(format!("- decision: {action}\n  reason: \"{text}\"\n")),
            field("client", Some(client)),
            field("server", Some(server)),
            field("port", port),
            field("expires", expires.or(must)),
        ];
        fields.into_iter().flatten().collect::<String>()
    };
    let head = "apiVersion: netwright.io/v1\nkind: Review\ndecisions:";
    let entries: String = entries.iter().map(entry).collect();
    let list = if entries.is_empty() { " []\n".to_owned() } else { format!("\n{entries}") };
    Review::parse(Path::new("review.yaml"), &format!("{head}{list}")).unwrap()
}

fn today() -> Date {
    Date::constant(2026, 11, 15)
}

fn decided(world: &World, entries: &[&str]) -> Decided {
    review(entries).apply(&world.build(), today())
}

/// `shop/a` calls `shop/b` on 80, 81 and 82/UDP; `shop/b` is exposed on 8080 to two clients.
fn world() -> World {
    let mut world = World::new();
    let [a, b] = ["a", "b"].map(|name| Endpoint::Workload(world.running("shop", name)));
    world.running("jobs", "quarterly");
    world.edge(a.clone(), b.clone(), Tcp, 80);
    world.edge(a.clone(), b.clone(), Tcp, 81);
    world.edge(a, b.clone(), Udp, 82);
    world.edge(Endpoint::Internet, b, Tcp, 8080).client_addresses = ["203.0.113.9", "198.18.9.9"].map(address).into();
    world
}

/// The position of the edge on `port`.
fn edge(world: &World, port: u16) -> usize {
    world.build().edges.iter().position(|edge| edge.port == port).unwrap()
}

fn actions(world: &World, decided: &Decided) -> Vec<(u16, &'static str)> {
    let ports = [80, 81, 82, 8080];
    let of = |port| decided.of(edge(world, port)).map_or("", |decision| decision.action.as_str());
    ports.into_iter().map(|port| (port, of(port))).collect()
}

#[test]
fn the_first_that_matches_holds_and_notes_change_nothing() {
    let world = world();
    let decided = decided(
        &world,
        &["note shop/a -> shop/b 80/TCP", "ignore shop/a -> shop/b 80/TCP", "deny shop/a -> shop/* 80-82/TCP"],
    );
    assert_eq!(actions(&world, &decided), [(80, "ignore"), (81, "deny"), (82, ""), (8080, "")]);
    let notes: Vec<usize> = decided.notes(edge(&world, 80)).map(|note| note.number).collect();
    assert_eq!((notes, decided.notes(edge(&world, 81)).count()), (vec![0], 0));
    assert_eq!((decided.contradicting.len(), decided.unused.len()), (0, 0), "the first is an exception: {decided:?}");
    assert_eq!(decided.edges(Action::Deny).collect::<Vec<_>>(), [edge(&world, 81)]);
}

#[test]
fn two_that_contradict_are_reported_with_how_many_edges() {
    let world = world();
    let decided = decided(&world, &["deny shop/a -> *", "allow shop/* -> shop/b"]);
    assert_eq!(actions(&world, &decided), [(80, "deny"), (81, "deny"), (82, "deny"), (8080, "")]);
    let [pair] = decided.contradicting.as_slice() else { panic!("{decided:?}") };
    assert_eq!((pair.first, pair.second, pair.edges, pair.edge), (0, 1, 3, Some(edge(&world, 80))));
}

#[test]
fn what_has_expired_does_nothing_and_is_reported() {
    let world = world();
    let entries = ["deny shop/a -> shop/b until 2026-11-15", "allow shop/a -> shop/b until 2026-11-14"];
    let decided = decided(&world, &entries);
    assert_eq!(decided.expired, [1], "the last day counts");
    assert_eq!(actions(&world, &decided)[0], (80, "deny"));
    let later = review(&entries).apply(&world.build(), Date::constant(2026, 11, 16));
    assert_eq!((later.expired.as_slice(), later.of(0)), ([0, 1].as_slice(), None));
    assert!(later.unused.is_empty() && later.contradicting.is_empty() && later.additional.is_empty());
}

#[test]
fn what_was_never_seen_is_allowed_where_both_ends_and_the_port_are_named() {
    let world = world();
    let decided = decided(
        &world,
        &[
            "allow jobs/quarterly -> shop/b 5432/TCP",
            "allow shop/b -> 198.51.100.0/24 443/TCP",
            "allow shop/a -> shop/b 80/TCP",
            "allow shop/a -> shop/b 80-90/TCP",
        ],
    );
    let shown: Vec<String> = decided.additional.iter().map(shown).collect();
    assert_eq!(
        shown,
        [
            "0: jobs/Deployment/quarterly -> shop/Deployment/b 5432/TCP",
            "1: shop/Deployment/b -> 198.51.100.0/24 [] 443/TCP",
            "3: shop/Deployment/a -> shop/Deployment/b 80-90/TCP",
        ]
    );
    assert!(decided.unused.is_empty(), "{decided:?}");
}

fn shown(additional: &Additional) -> String {
    let who = |who: &Who| match who {
        Who::Workload(workload) => workload.to_string(),
        Who::Block { cidr, except } => {
            format!("{cidr} [{}]", except.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        }
    };
    let Additional { decision, client, server, ports, .. } = additional;
    format!("{decision}: {} -> {} {ports}", who(client), who(server))
}

#[test]
fn what_matches_nothing_is_reported_with_the_reason() {
    let mut world = world();
    world.workload("shop", "Job", "b", &[("app", "b")]);
    let decided = decided(
        &world,
        &[
            "allow jobs/quarterly -> shop/a",
            "allow jobs/monthly -> shop/a 80/TCP",
            "allow jobs/quarterly -> shop/b 80/TCP",
            "deny jobs/* -> *",
            "ignore shop/c -> *",
        ],
    );
    let why: Vec<_> = decided.unused.iter().map(|unused| (unused.decision, unused.why)).collect();
    assert_eq!(
        why,
        [
            (0, WhyUnused::NoPort),
            (1, WhyUnused::NoWorkload("client")),
            (2, WhyUnused::SeveralWorkloads("server")),
            (3, WhyUnused::NoEdge),
            (4, WhyUnused::NoEdge),
        ]
    );
    assert!(decided.additional.is_empty());
}

#[test]
fn exposure_is_narrowed_by_an_exception_and_a_rule() {
    let world = world();
    let entries = ["allow 203.0.113.0/24 -> shop/b", "deny internet -> shop/b"];
    let decided = decided(&world, &entries);
    let exposed = edge(&world, 8080);
    assert_eq!(actions(&world, &decided)[3], (8080, "deny"));
    let of = |text| decided.of_address(exposed, address(text)).unwrap().action;
    assert_eq!((of("203.0.113.9"), of("198.18.9.9")), (Action::Allow, Action::Deny));
    let shown: Vec<String> = decided.additional.iter().map(shown).collect();
    assert_eq!(shown, ["0: 203.0.113.0/24 [] -> shop/Deployment/b 8080/TCP"]);
    assert!(decided.contradicting.is_empty() && decided.unused.is_empty(), "{decided:?}");
}

#[test]
fn the_rule_before_its_exception_is_a_contradiction_and_opens_nothing() {
    let decided = decided(&world(), &["deny internet -> shop/b", "allow 203.0.113.0/24 -> shop/b 8080/TCP"]);
    assert_eq!((decided.additional.len(), decided.contradicting.len()), (0, 1), "{decided:?}");
}

#[test]
fn a_denied_block_of_clients_is_left_out_of_what_is_open_to_all() {
    let world = world();
    let exposed = edge(&world, 8080);
    let one = decided(&world, &["deny 198.18.0.0/15 -> shop/b"]);
    assert_eq!((one.of(exposed), one.excepted(exposed).count()), (None, 1));
    assert_eq!(one.of_address(exposed, address("198.18.9.9")).map(|of| of.number), Some(0));
    let all = decided(&world, &["deny 198.18.0.0/15 -> shop/b", "deny 203.0.113.0/24 -> *"]);
    assert_eq!(actions(&world, &all)[3], (8080, "deny"), "nobody is left");
    let nobody_came = decided(&world, &["deny 192.0.2.0/24 -> *"]);
    assert_eq!((nobody_came.excepted(exposed).count(), nobody_came.unused.len()), (1, 0));
}

#[test]
fn what_is_denied_before_is_taken_out_of_what_is_allowed() {
    let world = world();
    let decided = decided(
        &world,
        &[
            "deny 203.0.113.128/25 -> shop/*",
            "allow 203.0.113.0/24 -> shop/a 443/TCP",
            "deny shop/a -> shop/b 8080/TCP",
            "allow shop/a -> shop/b 8000-8100/TCP",
            "allow 0.0.0.0/0 -> jobs/quarterly 443/TCP",
        ],
    );
    let shown: Vec<String> = decided.additional.iter().map(shown).collect();
    assert_eq!(shown[0], "1: 203.0.113.0/24 [203.0.113.128/25] -> shop/Deployment/a 443/TCP");
    assert!(shown[1].contains("169.254.0.0/16") && shown[1].contains("100.100.100.200/32"), "{shown:?}");
    assert_eq!(shown.len(), 2);
    let overruled = Unused { decision: 3, why: WhyUnused::Overruled(2) };
    assert!(decided.unused.contains(&overruled), "{:?}", decided.unused);
    assert!(decided.contradicting.iter().any(|pair| (pair.first, pair.second, pair.edges) == (2, 3, 0)));
}

#[test]
fn metadata_is_opened_by_its_name_whatever_else_allows() {
    let mut world = World::new();
    let [job, other] = ["job", "other"].map(|name| Endpoint::Workload(world.running("shop", name)));
    let metadata = address("169.254.169.254");
    world.edge(job.clone(), Endpoint::LinkLocal { address: metadata }, Tcp, 80);
    world.edge(other, Endpoint::LinkLocal { address: metadata }, Tcp, 80);
    let name = Endpoint::ExternalName { names: ["rebind.example".into()].into() };
    world.edge(job, name, Tcp, 443).server_addresses = [metadata, address("198.18.0.7")].into();
    let decided =
        decided(&world, &["allow shop/* -> *", "allow shop/* -> rebind.example", "allow shop/job -> metadata 80/TCP"]);
    let opened: Vec<(usize, IpAddr)> = decided.opened.keys().copied().collect();
    let observation = world.build();
    let [(edge, opened)] = opened.as_slice() else { panic!("{opened:?}") };
    assert_eq!((observation.edges[*edge].client.to_string().as_str(), *opened), ("shop/Deployment/job", metadata));
    assert_eq!(decided.opened(*edge, metadata).map(|of| of.number), Some(2));
}

#[test]
fn some_addresses_of_a_name_are_decided_apart_and_all_of_them_together() {
    let mut world = World::new();
    let a = Endpoint::Workload(world.running("shop", "a"));
    let name = Endpoint::ExternalName { names: ["objects.example".into()].into() };
    world.edge(a, name, Tcp, 443).server_addresses = ["198.18.0.7", "203.0.113.7"].map(address).into();
    let some = decided(&world, &["deny * -> 198.18.0.0/15"]);
    assert_eq!(some.of(0), None);
    assert!(
        some.of_address(0, address("198.18.0.7")).is_some() && some.of_address(0, address("203.0.113.7")).is_none()
    );
    let all = decided(&world, &["deny * -> 198.18.0.0/15", "deny * -> 203.0.113.7"]);
    assert_eq!(all.of(0).map(|of| of.action), Some(Action::Deny));
    world.observation.edges[0].addresses_dropped = 1;
    assert_eq!(decided(&world, &["deny * -> 198.18.0.0/15", "deny * -> 203.0.113.7"]).of(0), None, "not all are known");
}

#[test]
fn the_example_of_the_documentation_is_read() {
    let review = Review::parse(Path::new("example.yaml"), include_str!("example.yaml")).unwrap();
    let actions: Vec<&str> = review.decisions.iter().map(|decision| decision.action.as_str()).collect();
    assert_eq!(actions, ["allow", "allow", "deny", "allow", "deny", "ignore", "note"]);
}

#[test]
fn without_decisions_nothing_is_decided() {
    assert_eq!(decided(&world(), &[]), Decided::default());
    assert_eq!(Review::beside(Path::new("/nowhere")).unwrap(), Review::default());
}

#[test]
fn the_day_is_that_of_utc() {
    assert_eq!(day("2026-11-22T23:59:59Z".parse().unwrap()), Date::constant(2026, 11, 22));
}

/// Ends and patterns that meet often.
fn side() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["*", "n/a", "n/b", "n/*", "*/a", "m/*", "m/a", "n/Deployment/a", "outside", "m/Job/a"])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The index finds the same as trying every pattern.
    #[test]
    fn what_holds_is_the_first_that_matches(
        entries in prop::collection::vec((0..3usize, side(), side(), 0..3u16), 0..12),
        calls in prop::collection::vec((0..4usize, 0..4usize, 80..83u16), 1..12),
    ) {
        let mut world = World::new();
        let ends = [("n", "a"), ("n", "b"), ("m", "a"), ("m", "c")].map(|(namespace, name)| {
            Endpoint::Workload(world.running(namespace, name))
        });
        for (client, server, port) in calls {
            world.edge(ends[client].clone(), ends[server].clone(), Tcp, port);
        }
        let mut texts = Vec::new();
        for (action, client, server, port) in entries {
            let port = if port == 0 { String::new() } else { format!(" {}/TCP", 79 + port) };
            let text = format!("{} {client} -> {server}{port}", ["allow", "deny", "ignore"][action]);
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        let review = review(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let (observation, mut used) = (world.build(), vec![false; review.decisions.len()]);
        let decided = review.apply(&observation, today());
        for (number, edge) in observation.edges.iter().enumerate() {
            let matching: Vec<&Decision> = review.decisions.iter().filter(|decision| {
                decision.client.extent(&edge.client).is_some()
                    && decision.server.extent(&edge.server).is_some()
                    && decision.is_about(&Ports::one(edge.protocol, edge.port))
            }).collect();
            matching.iter().for_each(|decision| used[decision.number] = true);
            prop_assert_eq!(decided.of(number), matching.first().copied());
        }
        for unused in &decided.unused {
            prop_assert!(!used[unused.decision]);
        }
        for additional in &decided.additional {
            prop_assert_eq!(review.decisions[additional.decision].action, Action::Allow);
        }
    }
}
