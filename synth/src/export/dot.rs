//! DOT, for Graphviz: `netwright graph FILE --format dot | dot -Tsvg`.

use super::drawing::{Arrow, arrows, lines, title};
use crate::graph::vertex::Folded;
use crate::graph::{Graph, Group, Vertex};
use netwright_record::Endpoint;
use std::fmt::Write;

/// Dark text on light fills (contrast at least 7:1), so that the drawing can be read in print and by everyone.
pub(crate) const HEAD: &str = r##"digraph netwright {
  graph [rankdir=LR, nodesep=0.35, ranksep=1.1, pad=0.3, fontname="Helvetica,Arial,sans-serif", fontsize=13, bgcolor="#ffffff", newrank=true];
  node [shape=box, style="rounded,filled", fontname="Helvetica,Arial,sans-serif", fontsize=12, margin="0.18,0.09", color="#41546b", fillcolor="#ffffff", fontcolor="#15202b", penwidth=1.1];
  edge [fontname="Helvetica,Arial,sans-serif", fontsize=10, color="#41546b", fontcolor="#15202b", arrowsize=0.7, penwidth=1.1];
"##;

/// The graph in DOT.
pub fn write(graph: &Graph<Vertex>) -> String {
    let mut out = String::from(HEAD);
    for (number, (group, vertices)) in graph.groups().into_iter().enumerate() {
        let _ = writeln!(out, "  subgraph cluster_{number} {{");
        let _ = writeln!(out, "    label={}; {}", quoted(&[title(&group)]), frame(&group));
        for (id, vertex) in vertices {
            let _ = writeln!(out, "    n{id} [label={}{}];", quoted(&lines(vertex)), shape(vertex));
        }
        out.push_str("  }\n");
    }
    for Arrow { client, server, established, ports } in arrows(graph) {
        let style = if established { "" } else { ", style=dashed, color=\"#9c2f2f\", fontcolor=\"#8a1f1f\"" };
        let _ = writeln!(out, "  n{client} -> n{server} [label={}{style}];", quoted(&ports));
    }
    out.push_str("}\n");
    out
}

pub(crate) fn frame(group: &Group) -> &'static str {
    match group {
        Group::Namespace(_) | Group::Namespaces => {
            r##"labeljust=l; style="rounded,filled"; color="#8fa3ba"; fillcolor="#eef3f8"; fontcolor="#15202b";"##
        }
        Group::Infrastructure => {
            r##"labeljust=l; style="rounded,filled"; color="#a9a08c"; fillcolor="#f5f2ea"; fontcolor="#15202b";"##
        }
        Group::Outside => r##"labeljust=l; style="rounded,dashed"; color="#6b7785"; fontcolor="#15202b";"##,
    }
}

fn shape(vertex: &Vertex) -> &'static str {
    match vertex {
        Vertex::Endpoint(endpoint) => shape_of_endpoint(endpoint),
        Vertex::Folded(Folded::Nodes | Folded::HostNetworkWorkload(_)) => NODE,
        Vertex::Folded(Folded::UnnamedAddresses | Folded::OutsideServers) => ", shape=ellipse, style=filled",
        Vertex::Folded(Folded::Namespace { .. }) => ", shape=folder, style=filled",
        Vertex::Folded(Folded::ServiceAccount { .. } | Folded::UnknownServiceAccount(_)) => "",
    }
}

const NODE: &str = ", shape=box3d, style=filled";

fn shape_of_endpoint(endpoint: &Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Workload(_) => "",
        Endpoint::Node { .. } => NODE,
        Endpoint::ApiServer => ", shape=hexagon, style=filled",
        Endpoint::LinkLocal { .. } => ", shape=note, style=filled",
        Endpoint::ExternalName { .. } | Endpoint::External { .. } => ", shape=ellipse, style=filled",
        Endpoint::Internet => ", shape=doubleoctagon, style=filled",
    }
}

/// A quoted label of several lines. Graphviz reads backslashes and HTML entities inside quotes.
pub(crate) fn quoted(lines: &[String]) -> String {
    let escaped = lines.iter().map(|line| {
        line.chars().fold(String::new(), |mut safe, char| {
            match char {
                '"' => safe.push_str("\\\""),
                '\\' => safe.push_str("\\\\"),
                '&' => safe.push_str("&amp;"),
                '<' => safe.push_str("&lt;"),
                '>' => safe.push_str("&gt;"),
                _ => safe.push(char),
            }
            safe
        })
    });
    format!("\"{}\"", escaped.collect::<Vec<_>>().join("\\n"))
}
