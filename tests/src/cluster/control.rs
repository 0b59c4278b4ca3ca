//! What a cluster has once: etcd, the API server, the controller manager and the scheduler.

use super::cgroups;
use super::command::{Step, until_ok, wait};
use super::component::{Component, Place};
use super::door;
use super::kubectl::Kubectl;
use super::names::Names;
use super::network;
use super::options::Options;
use super::pki::Authority;
use super::tools::Tools;
use anyhow::Result;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// etcd listens on the loopback of the control plane's namespace, the same in every cluster.
const ETCD: &str = "http://127.0.0.1:2379";
const ETCD_PEERS: &str = "http://127.0.0.1:2380";

/// The control plane of a cluster. Any of its parts can be made to fail.
#[derive(Debug)]
pub struct Control {
    /// The store of the API server.
    pub etcd: Component,
    /// The API server.
    pub api_server: Component,
    /// Controllers: ReplicaSets, Jobs, endpoints, service accounts and so on.
    pub controller_manager: Component,
    /// The scheduler.
    pub scheduler: Component,
    door: Component,
}

impl Control {
    /// Makes the namespace, starts etcd and the API server, and the door by which this machine reaches it.
    /// Returns the control plane and the URL of that door.
    pub(super) fn start(
        names: Names,
        directory: &Path,
        tools: &Tools,
        authority: &Authority,
        options: &Options,
    ) -> Result<(Self, String)> {
        network::make_control(names)?;
        let place =
            Place { cgroup: cgroups::make(&names.control())?, namespaces: vec![network::enter(&names.control())] };
        let part = |name: &str, program| Component::new(name, &place, program, directory.join(format!("{name}.log")));
        let hyperkube = |name: &str, arguments: Vec<String>| {
            part(name, [vec![tools.hyperkube.display().to_string(), name.to_owned()], arguments].concat())
        };
        let (door, port) = door::open(&place, names.api_server(), directory)?;
        let control = Self {
            etcd: part("etcd", etcd(directory, options.fsync)),
            api_server: hyperkube("kube-apiserver", api_server(names, authority, options)),
            controller_manager: hyperkube("kube-controller-manager", controller_manager(directory, authority, options)),
            scheduler: hyperkube("kube-scheduler", scheduler(directory)),
            door,
        };
        for (name, user) in
            [("kube-controller-manager", "system:kube-controller-manager"), ("kube-scheduler", "system:kube-scheduler")]
        {
            let server = format!("https://{}", names.api_server());
            fs::write(directory.join(format!("{name}.kubeconfig")), authority.kubeconfig(&server, user, None)?)?;
        }
        control.etcd.start()?;
        control.api_server.start()?;
        Ok((control, format!("https://127.0.0.1:{port}")))
    }

    /// Waits until the API server answers, and starts those who need it.
    pub(super) fn finish(&self, kubectl: &Kubectl) -> Result<()> {
        self.wait_for_api_server(kubectl)?;
        self.controller_manager.start()?;
        self.scheduler.start()
    }

    /// Waits until the API server says that it is ready.
    ///
    /// # Errors
    /// It does not within a minute, or it or etcd has ended; the message has the end of its log.
    pub fn wait_for_api_server(&self, kubectl: &Kubectl) -> Result<()> {
        wait("the API server", Duration::from_secs(60), || {
            for part in [&self.etcd, &self.door, &self.api_server] {
                part.pid()?;
            }
            match until_ok(kubectl.run(&["get", "--raw", "/readyz"]))? {
                Step::Done(_) => Ok(Step::Done(())),
                Step::NotYet(reason) => Ok(Step::NotYet(format!("{reason}\n{}", self.api_server.log_tail()))),
            }
        })
    }
}

fn etcd(directory: &Path, fsync: bool) -> Vec<String> {
    let mut program = vec!["etcd".to_owned(), format!("--data-dir={}", directory.join("etcd").display())];
    program.extend([
        format!("--listen-client-urls={ETCD}"),
        format!("--advertise-client-urls={ETCD}"),
        format!("--listen-peer-urls={ETCD_PEERS}"),
        format!("--initial-advertise-peer-urls={ETCD_PEERS}"),
        format!("--initial-cluster=default={ETCD_PEERS}"),
    ]);
    if !fsync {
        program.push("--unsafe-no-fsync".into());
    }
    program
}

fn api_server(names: Names, authority: &Authority, options: &Options) -> Vec<String> {
    let file = |name: &str| authority.file(name).display().to_string();
    let mut arguments = vec![
        format!("--etcd-servers={ETCD}"),
        format!("--advertise-address={}", names.control_address()),
        format!("--secure-port={}", names.api_server().port()),
        format!("--client-ca-file={}", file("ca.crt")),
        format!("--tls-cert-file={}", file("api-server.crt")),
        format!("--tls-private-key-file={}", file("api-server.key")),
        format!("--kubelet-client-certificate={}", file("kubelet-client.crt")),
        format!("--kubelet-client-key={}", file("kubelet-client.key")),
        // Names of nodes are resolved nowhere.
        "--kubelet-preferred-address-types=InternalIP".into(),
        format!("--service-account-key-file={}", file("service-account.pub")),
        format!("--service-account-signing-key-file={}", file("service-account.key")),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        format!("--service-cluster-ip-range={}", names.services()),
        "--authorization-mode=Node,RBAC".into(),
        "--enable-admission-plugins=NodeRestriction,PodSecurity".into(),
        "--allow-privileged".into(),
        "--endpoint-reconciler-type=lease".into(),
    ];
    arguments.extend(options.api_server_arguments.iter().cloned());
    arguments
}

fn controller_manager(directory: &Path, authority: &Authority, options: &Options) -> Vec<String> {
    let mut arguments = kubeconfigs(directory, "kube-controller-manager");
    arguments.extend([
        "--use-service-account-credentials".to_owned(),
        format!("--service-account-private-key-file={}", authority.file("service-account.key").display()),
        format!("--root-ca-file={}", authority.file("ca.crt").display()),
    ]);
    arguments.extend(options.controller_manager_arguments.iter().cloned());
    arguments
}

fn scheduler(directory: &Path) -> Vec<String> {
    kubeconfigs(directory, "kube-scheduler")
}

fn kubeconfigs(directory: &Path, name: &str) -> Vec<String> {
    let path = directory.join(format!("{name}.kubeconfig"));
    let path = path.display();
    let options = ["--kubeconfig", "--authentication-kubeconfig", "--authorization-kubeconfig"];
    let mut arguments: Vec<String> = options.iter().map(|option| format!("{option}={path}")).collect();
    arguments.extend(["--leader-elect=false".into(), "--bind-address=127.0.0.1".into()]);
    arguments.push(format!("--cert-dir={}", directory.join("pki").join(name).display()));
    arguments
}
