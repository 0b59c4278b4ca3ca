//! JSON, for programs and pages: the endpoints and links as they are in the observation.

use super::drawing::{lines, title};
use crate::graph::{DependencyGraph, group};
use netwright_record::{Endpoint, Protocol, ServiceRef, Time};
use serde::Serialize;
use std::collections::BTreeSet;

#[derive(Serialize)]
struct Graph<'a> {
    nodes: Vec<Node<'a>>,
    links: Vec<Link<'a>>,
}

#[derive(Serialize)]
struct Node<'a> {
    id: usize,
    label: String,
    group: String,
    endpoint: &'a Endpoint,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Link<'a> {
    client: usize,
    server: usize,
    protocol: Protocol,
    port: u16,
    services: &'a BTreeSet<ServiceRef>,
    established: bool,
    connections: u64,
    failed: u64,
    first: Time,
    last: Time,
    days_active: usize,
}

/// The graph in JSON. `<` and the line separators of JavaScript are written as `\u…`, so that the text can stand in
/// a page.
pub fn write(graph: &DependencyGraph) -> Result<String, serde_json::Error> {
    let nodes = graph.endpoints().map(|(id, endpoint)| Node {
        id,
        label: lines(endpoint).join(" "),
        group: title(&group(endpoint)),
        endpoint,
    });
    let links = graph.links().map(|(client, server, link)| Link {
        client,
        server,
        protocol: link.protocol,
        port: link.port,
        services: &link.services,
        established: link.activity.established(),
        connections: link.activity.connections,
        failed: link.activity.failed,
        first: link.activity.first,
        last: link.activity.last,
        days_active: link.activity.hours.days(),
    });
    let text = serde_json::to_string_pretty(&Graph { nodes: nodes.collect(), links: links.collect() })?;
    Ok(escaped(&text) + "\n")
}

/// These characters occur inside strings only, where `\u…` means the same.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, char| {
        match char {
            '\n' => safe.push('\n'),
            '<' | '>' | '&' | '\u{80}'.. => {
                let mut units = [0; 2];
                for unit in char.encode_utf16(&mut units) {
                    safe.push_str(&format!("\\u{unit:04x}"));
                }
            }
            _ => safe.push(char),
        }
        safe
    })
}
