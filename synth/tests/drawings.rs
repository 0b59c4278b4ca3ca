//! What is drawn is read by the programs it is drawn for: Graphviz takes the DOT, networkx the GraphML, and both see the
//! graph that the JSON has, whatever the names in it are.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed, as it should")]

#[path = "common/command.rs"]
mod command;
mod common;

use command::{netwright, stderr, stdout};
use common::shop;
use netwright_record::inventory::WorkloadRef;
use netwright_record::{Endpoint, Protocol, file};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const HOSTILE: &str = "a\"b\\N\n]]> --> </data><b>&quot;#quot;\u{1b}[31m\u{202e}{|}[(;%%'\r\u{2028}\0é";
const VIEWS: [&str; 4] = ["endpoint", "workload", "namespace", "service-account"];

/// The shop, and every kind of name that comes from outside, hostile.
fn observation(folder: &Path) -> String {
    let mut world = shop();
    let hostile = WorkloadRef { namespace: HOSTILE.into(), kind: HOSTILE.into(), name: HOSTILE.into() };
    let account = world.running("other", "account");
    world.declared(&account).service_account = Some(HOSTILE.into());
    let ends = [
        Endpoint::Node { name: HOSTILE.into(), workload: Some(hostile.clone()) },
        Endpoint::Node { name: HOSTILE.into(), workload: None },
        Endpoint::ExternalName { names: [HOSTILE.into()].into() },
        Endpoint::Workload(account),
    ];
    for (port, end) in (1..).zip(ends) {
        world.edge(Endpoint::Workload(hostile.clone()), end, Protocol::Tcp, port);
    }
    let path = folder.join("observation");
    file::write_path(&world.build(), &path).unwrap();
    path.to_str().unwrap().to_owned()
}

fn drawn(observation: &str, format: &str, by: &str) -> String {
    let output = netwright(&["graph", observation, "--format", format, "--by", by]);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

/// What a program makes of `input`; none if it is not there.
fn piped(command: &mut Command, input: &str) -> Option<Value> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().ok()?;
    let mut stdin = child.stdin.take().unwrap();
    let written = input.to_owned();
    // Its output may fill the pipe before it has read everything.
    let writer = std::thread::spawn(move || stdin.write_all(written.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.is_empty(), "{told}\n{input}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn graphviz_sees_the_same_nodes_groups_and_arrows() {
    let folder = tempfile::tempdir().unwrap();
    let observation = observation(folder.path());
    for by in VIEWS {
        let json: Value = serde_json::from_str(&drawn(&observation, "json", by)).unwrap();
        let Some(read) = piped(Command::new("dot").arg("-Tdot_json"), &drawn(&observation, "dot", by)) else {
            eprintln!("skipped: there is no dot (Debian package graphviz)");
            return;
        };
        let nodes = json["nodes"].as_array().unwrap();
        let groups: BTreeSet<&str> = nodes.iter().map(|node| node["group"].as_str().unwrap()).collect();
        let links = json["links"].as_array().unwrap();
        let arrows: BTreeSet<String> =
            links.iter().map(|link| format!("{} {} {}", link["client"], link["server"], link["established"])).collect();
        let clusters = usize::try_from(read["_subgraph_cnt"].as_u64().unwrap()).unwrap();
        assert_eq!(clusters, groups.len(), "{by}");
        assert_eq!(read["objects"].as_array().unwrap().len() - clusters, nodes.len(), "{by}");
        assert_eq!(read["edges"].as_array().unwrap().len(), arrows.len(), "{by}");
    }
}

/// The Python that holds networkx: that of the second opinions on policies, which depend on it, or the system's.
fn python() -> Option<PathBuf> {
    let beside = std::env::var_os("NETWRIGHT_NCA").map(|nca| PathBuf::from(nca).with_file_name("python3"));
    let has_it = |python: &PathBuf| {
        let found = Command::new(python).args(["-c", "import networkx"]).stderr(Stdio::null()).status();
        found.is_ok_and(|status| status.success())
    };
    [beside, Some("python3".into())].into_iter().flatten().find(has_it)
}

const READ: &str = "
import json, sys, networkx
graph = networkx.read_graphml(sys.stdin.buffer, force_multigraph=True)
json.dump({
    'directed': graph.is_directed(),
    'nodes': {name: data for name, data in graph.nodes(data=True)},
    'links': [[client, server, data] for client, server, data in graph.edges(data=True)],
}, sys.stdout)
";

#[test]
fn networkx_reads_what_the_json_says() {
    let folder = tempfile::tempdir().unwrap();
    let observation = observation(folder.path());
    let Some(python) = python() else {
        eprintln!("skipped: no Python with networkx (make setup)");
        return;
    };
    for by in VIEWS {
        let json: Value = serde_json::from_str(&drawn(&observation, "json", by)).unwrap();
        let read = piped(Command::new(&python).args(["-c", READ]), &drawn(&observation, "graphml", by)).unwrap();
        assert_eq!(read["directed"], true);
        let nodes = json["nodes"].as_array().unwrap();
        let labels: BTreeMap<String, &Value> =
            nodes.iter().map(|node| (format!("n{}", node["id"]), &node["label"])).collect();
        let found = read["nodes"].as_object().unwrap();
        assert_eq!(found.iter().map(|(id, node)| (id.clone(), &node["label"])).collect::<BTreeMap<_, _>>(), labels);
        let key = |client: String, server: String, data: &Value| {
            format!("{client} {server} {} {} {}", data["port"], data["protocol"], data["connections"])
        };
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let found = read["links"].as_array().unwrap().iter();
        let mut found: Vec<String> = found.map(|link| key(text(&link[0]), text(&link[1]), &link[2])).collect();
        let links = json["links"].as_array().unwrap().iter();
        let mut links: Vec<String> =
            links.map(|link| key(format!("n{}", link["client"]), format!("n{}", link["server"]), link)).collect();
        found.sort();
        links.sort();
        assert_eq!(found, links, "{by}");
    }
}

/// No program that reads Mermaid is at hand: what would end a text or a line must not be there.
#[test]
fn in_mermaid_a_text_ends_where_it_should() {
    let folder = tempfile::tempdir().unwrap();
    let observation = observation(folder.path());
    for by in VIEWS {
        let text = drawn(&observation, "mermaid", by);
        for line in text.lines().filter(|line| line.contains('"')) {
            assert_eq!(line.matches('"').count(), 2, "{line}");
            let (before, rest) = line.split_once('"').unwrap();
            let (inside, after) = rest.rsplit_once('"').unwrap();
            let around: String = format!("{before}{after}").split_whitespace().collect();
            assert!(around.chars().all(|char| char.is_ascii_alphanumeric() || "-.>|()[]{}".contains(char)), "{line}");
            let marks = inside.replace("<br/>", "");
            assert!(marks.chars().all(|char| char.is_alphanumeric() || " .-/:,#;".contains(char)), "{line}");
        }
    }
}
