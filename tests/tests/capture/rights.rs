//! What the agent may do and what it says where it may not: three capabilities, and no other right.

use crate::agent::{self, Agent, observe, out};
use crate::scene::{Scene, path};
use std::fs;
use std::os::unix::fs::chown;
use std::process::{Command, Output};

/// `nobody`, as every distribution numbers it.
const NOBODY: u32 = 65534;
const ALL: [&str; 3] = ["bpf", "perfmon", "net_admin"];

/// The agent's own words run as nobody, with these capabilities alone. Its program is copied to where nobody may read it.
fn as_nobody(scene: &Scene, capabilities: &[&str], command: &[String]) -> Vec<String> {
    let program = scene.directory().join("netwright-agent");
    if !program.exists() {
        fs::copy(netwright_tests::world::prerequisites::program("netwright-agent").unwrap(), &program).unwrap();
    }
    let set = capabilities.iter().fold("-all".to_owned(), |set, capability| format!("{set},+{capability}"));
    let id = NOBODY.to_string();
    let mut all: Vec<String> =
        ["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups", "--no-new-privs"].map(str::to_owned).to_vec();
    all.extend([format!("--inh-caps={set}"), format!("--ambient-caps={set}"), format!("--bounding-set={set}")]);
    let is_agent = |word: &String| word.ends_with("/netwright-agent");
    let own = path(&program).to_owned();
    all.extend(command.iter().map(|word| if is_agent(word) { own.clone() } else { word.clone() }));
    all
}

fn run(command: &[String]) -> Output {
    let (program, arguments) = command.split_first().unwrap();
    Command::new(program).args(arguments).output().unwrap()
}

fn nobodys_directory(scene: &Scene) {
    chown(scene.directory(), Some(NOBODY), Some(NOBODY)).unwrap();
}

#[test]
fn three_capabilities_are_enough_to_record() {
    let Some(scene) = Scene::open("rights") else { return };
    let (client, server) = (scene.pod("client"), scene.pod("server"));
    let listener = server.listen("0.0.0.0:8080");
    let _old = client.tcp(server.at(8080));
    nobodys_directory(&scene);
    let command = as_nobody(&scene, &ALL, &observe(&scene, &out(&scene)));
    let agent = Agent::run(&scene, "agent", command);
    client.tcp(server.at(8080)).close();
    client.udp().send_to(server.at(9), b"x");
    agent.stop().assert(
        &[&client, &server],
        &["client -> server TCP 8080: 2", "client -> server UDP 9: 1", "server <- client TCP 8080: 2"],
    );
    listener.close();
}

#[test]
fn without_one_of_them_it_is_named() {
    let Some(scene) = Scene::open("rights-missing") else { return };
    nobodys_directory(&scene);
    for missing in ALL {
        let given: Vec<&str> = ALL.into_iter().filter(|capability| *capability != missing).collect();
        let name = format!("CAP_{}", missing.to_uppercase());

        let doctor = run(&as_nobody(&scene, &given, &["/netwright-agent".into(), "doctor".into()]));
        let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
        let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("missing")).collect();
        assert!(matches!(lines.as_slice(), [line] if line.contains(&name)), "{said}");
        assert_eq!(doctor.status.code(), Some(3));

        let observing = run(&as_nobody(&scene, &given, &observe(&scene, &out(&scene))));
        let said = String::from_utf8_lossy(&observing.stderr).into_owned();
        assert_eq!(observing.status.code(), Some(1), "{said}");
        assert!(said.contains(&name) && said.lines().count() == 1, "{said}");
        assert!(!agent::out(&scene).exists());
    }
}
