//! GraphML, for Gephi, yEd, Cytoscape and networkx: every link of its own, with its activity.

use super::drawing::{lines, title};
use crate::graph::vertex::Folded;
use crate::graph::{Graph, Link, Vertex};
use crate::text::plain;
use netwright_record::Endpoint;
use std::fmt::Write;

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key id="label" for="node" attr.name="label" attr.type="string"/>
  <key id="kind" for="node" attr.name="kind" attr.type="string"/>
  <key id="group" for="node" attr.name="group" attr.type="string"/>
  <key id="protocol" for="edge" attr.name="protocol" attr.type="string"/>
  <key id="port" for="edge" attr.name="port" attr.type="int"/>
  <key id="services" for="edge" attr.name="services" attr.type="string"/>
  <key id="established" for="edge" attr.name="established" attr.type="boolean"/>
  <key id="connections" for="edge" attr.name="connections" attr.type="long"/>
  <key id="failed" for="edge" attr.name="failed" attr.type="long"/>
  <key id="first" for="edge" attr.name="first" attr.type="string"/>
  <key id="last" for="edge" attr.name="last" attr.type="string"/>
  <graph id="netwright" edgedefault="directed">
"#;

/// The graph in GraphML.
pub fn write(graph: &Graph<Vertex>) -> String {
    let mut out = String::from(HEAD);
    for (id, vertex) in graph.vertices() {
        let _ = writeln!(out, "    <node id=\"n{id}\">");
        data(&mut out, "label", &lines(vertex).join(" "));
        data(&mut out, "kind", kind(vertex));
        data(&mut out, "group", &title(&vertex.group()));
        out.push_str("    </node>\n");
    }
    for (number, (client, server, link)) in graph.links().enumerate() {
        let _ = writeln!(out, "    <edge id=\"e{number}\" source=\"n{client}\" target=\"n{server}\">");
        self::link(&mut out, link);
        out.push_str("    </edge>\n");
    }
    out.push_str("  </graph>\n</graphml>\n");
    out
}

fn link(out: &mut String, link: &Link) {
    let services = link.services.iter();
    let services: Vec<String> =
        services.map(|service| plain(&format!("{}/{}:{}", service.namespace, service.name, service.port))).collect();
    data(out, "protocol", link.protocol.as_str());
    data(out, "port", &link.port.to_string());
    data(out, "services", &services.join(" "));
    data(out, "established", &link.activity.established().to_string());
    data(out, "connections", &link.activity.connections.to_string());
    data(out, "failed", &link.activity.failed.to_string());
    data(out, "first", &link.activity.first.to_string());
    data(out, "last", &link.activity.last.to_string());
}

/// What a vertex is, in the words of the JSON format.
fn kind(vertex: &Vertex) -> &'static str {
    match vertex {
        Vertex::Endpoint(endpoint) => kind_of_endpoint(endpoint),
        Vertex::Folded(Folded::HostNetworkWorkload(_)) => "host-network-workload",
        Vertex::Folded(Folded::Namespace { .. }) => "namespace",
        Vertex::Folded(Folded::ServiceAccount { .. }) => "service-account",
        Vertex::Folded(Folded::UnknownServiceAccount(_)) => "unknown-service-account",
        Vertex::Folded(Folded::Nodes) => "nodes",
        Vertex::Folded(Folded::UnnamedAddresses) => "unnamed-addresses",
        Vertex::Folded(Folded::OutsideServers) => "outside-servers",
    }
}

fn kind_of_endpoint(endpoint: &Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Workload(_) => "workload",
        Endpoint::Node { .. } => "node",
        Endpoint::ApiServer => "api-server",
        Endpoint::LinkLocal { .. } => "link-local",
        Endpoint::ExternalName { .. } => "external-name",
        Endpoint::External { .. } => "external",
        Endpoint::Internet => "internet",
    }
}

/// One element; `text` has no control characters any more, which XML could not hold even escaped.
fn data(out: &mut String, key: &str, text: &str) {
    let _ = writeln!(out, "      <data key=\"{key}\">{}</data>", escaped(text));
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut safe, char| {
        match char {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            _ => safe.push(char),
        }
        safe
    })
}
