//! Draws a dependency graph: one module a format. All are deterministic, and text from outside cannot leave its place.

pub mod dot;
pub mod drawing;
pub mod graphml;
pub mod json;
pub mod mermaid;

#[cfg(test)]
mod tests {
    use crate::graph::DependencyGraph;
    use crate::graph::views::By;
    use crate::testing::World;
    use netwright_record::Protocol::{Tcp, Udp};
    use netwright_record::{Endpoint, Observation};

    /// Text that ends a string, an element, a script or a line in one of the formats, or acts on a terminal.
    const HOSTILE: &str = "a\"b\\N\n]]> --> </script><b>&quot;#quot;\u{1b}[31m\u{202e}{|}[(;%%'\r\u{2028}\0";

    fn world(name: &str) -> World {
        let mut world = World::new();
        let [front, api] = ["front", "api"].map(|name| Endpoint::Workload(world.running("shop", name)));
        let outside = Endpoint::ExternalName { names: [name.into()].into() };
        world.edge(front.clone(), api.clone(), Tcp, 8080);
        world.edge(front.clone(), api.clone(), Udp, 8125);
        world.edge(api.clone(), outside, Tcp, 443);
        world.edge(api, Endpoint::Node { name: name.into(), workload: None }, Tcp, 10250).activity.failed = 1;
        world.edge(Endpoint::Internet, front, Tcp, 8080);
        world
    }

    fn exports(name: &str) -> [(&'static str, String); 4] {
        view(name, By::Endpoint)
    }

    fn view(name: &str, by: By) -> [(&'static str, String); 4] {
        let observation = world(name).build();
        let graph = DependencyGraph::new(&observation).view(by, &observation.inventory);
        [
            ("dot", super::dot::write(&graph)),
            ("mermaid", super::mermaid::write(&graph)),
            ("graphml", super::graphml::write(&graph)),
            ("json", super::json::write(&graph).unwrap()),
        ]
    }

    #[test]
    fn each_format_draws_the_same_graph() {
        for (format, text) in exports("billing.example") {
            insta::assert_snapshot!(format, text);
        }
    }

    #[test]
    fn hostile_names_change_neither_the_lines_nor_the_structure() {
        for ((format, plain), (_, hostile)) in exports("billing.example").into_iter().zip(exports(HOSTILE)) {
            assert_eq!(plain.lines().count(), hostile.lines().count(), "{format}: {hostile}");
            for active in ["</script>", "<b>", "]]>", "\u{1b}", "\u{202e}", "\0", "\r", "\u{2028}"] {
                assert!(!hostile.contains(active), "{format} holds {active:?}: {hostile}");
            }
        }
    }

    #[test]
    fn a_quote_is_escaped_in_dot_and_in_mermaid() {
        let quotes = |text: &str| text.matches('"').count() - text.matches("\\\"").count();
        let (plain, hostile) = (exports("billing.example"), exports(HOSTILE));
        let [(_, plain_dot), (_, plain_mermaid), ..] = &plain;
        let [(_, dot), (_, mermaid), ..] = &hostile;
        assert_eq!(quotes(plain_dot), quotes(dot));
        assert_eq!(plain_mermaid.matches('"').count(), mermaid.matches('"').count());
        assert!(dot.contains(r#"a\"b\\\\N"#), "{dot}");
    }

    #[test]
    fn the_order_of_the_edges_does_not_matter() {
        let mut world = world("billing.example");
        let write = |observation: &Observation| {
            let graph = DependencyGraph::new(observation).view(By::Endpoint, &observation.inventory);
            super::dot::write(&graph)
        };
        let first = write(&world.observation);
        world.observation.edges.reverse();
        assert_eq!(first, write(&world.observation));
    }
}
