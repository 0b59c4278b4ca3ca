//! Mermaid, for Markdown pages: `netwright graph FILE --format mermaid`.

use super::drawing::{Arrow, arrows, lines, title};
use crate::graph::vertex::Folded;
use crate::graph::{Graph, Vertex};
use netwright_record::Endpoint;
use std::fmt::Write;

/// The graph as a Mermaid flowchart.
pub fn write(graph: &Graph<Vertex>) -> String {
    let mut out = String::from("flowchart LR\n");
    for (number, (group, vertices)) in graph.groups().into_iter().enumerate() {
        let _ = writeln!(out, "  subgraph g{number}[{}]", quoted(&[title(&group)]));
        for (id, vertex) in vertices {
            let (open, close) = brackets(vertex);
            let _ = writeln!(out, "    n{id}{open}{}{close}", quoted(&lines(vertex)));
        }
        out.push_str("  end\n");
    }
    for Arrow { client, server, established, ports } in arrows(graph) {
        let arrow = if established { "-->" } else { "-.->" };
        let _ = writeln!(out, "  n{client} {arrow}|{}| n{server}", quoted(&ports));
    }
    out
}

fn brackets(vertex: &Vertex) -> (&'static str, &'static str) {
    match vertex {
        Vertex::Endpoint(endpoint) => brackets_of_endpoint(endpoint),
        Vertex::Folded(Folded::Nodes | Folded::HostNetworkWorkload(_)) => ("[", "]"),
        Vertex::Folded(Folded::UnnamedAddresses | Folded::OutsideServers) => ("([", "])"),
        Vertex::Folded(Folded::Namespace { .. }) => ("[[", "]]"),
        Vertex::Folded(Folded::ServiceAccount { .. } | Folded::UnknownServiceAccount(_)) => ("(", ")"),
    }
}

fn brackets_of_endpoint(endpoint: &Endpoint) -> (&'static str, &'static str) {
    match endpoint {
        Endpoint::Workload(_) => ("(", ")"),
        Endpoint::Node { .. } | Endpoint::LinkLocal { .. } => ("[", "]"),
        Endpoint::ApiServer => ("{{", "}}"),
        Endpoint::ExternalName { .. } | Endpoint::External { .. } | Endpoint::Internet => ("([", "])"),
    }
}

/// A quoted text of several lines. What could mean anything to Mermaid, Markdown or HTML becomes a character code.
fn quoted(lines: &[String]) -> String {
    let escaped = lines.iter().map(|line| {
        line.chars().fold(String::new(), |mut safe, char| {
            if char.is_alphanumeric() || matches!(char, ' ' | '.' | '-' | '/' | ':' | ',') {
                safe.push(char);
            } else {
                let _ = write!(safe, "#{};", u32::from(char));
            }
            safe
        })
    });
    format!("\"{}\"", escaped.collect::<Vec<_>>().join("<br/>"))
}
