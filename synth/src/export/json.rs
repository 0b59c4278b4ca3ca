//! JSON, for programs and pages: the endpoints and links as they are in the observation.

use super::drawing::{lines, title};
use crate::graph::{Graph, Vertex};
use crate::text;
use netwright_record::{FlatSet, Protocol, ServiceRef, Time};
use serde::Serialize;

#[derive(Serialize)]
struct Document<'a> {
    nodes: Vec<Node<'a>>,
    links: Vec<Link<'a>>,
}

#[derive(Serialize)]
struct Node<'a> {
    id: usize,
    label: String,
    group: String,
    endpoint: &'a Vertex,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Link<'a> {
    client: usize,
    server: usize,
    protocol: Protocol,
    port: u16,
    services: &'a FlatSet<ServiceRef>,
    established: bool,
    connections: u64,
    failed: u64,
    first: Time,
    last: Time,
    days_active: usize,
}

/// The graph in JSON. What means something to HTML is written as `\u…` too, so that the text can stand in a page: these
/// characters occur inside strings only.
pub fn write(graph: &Graph<Vertex>) -> Result<String, serde_json::Error> {
    let nodes = graph.vertices().map(|(id, vertex)| Node {
        id,
        label: lines(vertex).join(" "),
        group: title(&vertex.group()),
        endpoint: vertex,
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
    let text = text::json(&Document { nodes: nodes.collect(), links: links.collect() })?;
    Ok(text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"))
}
