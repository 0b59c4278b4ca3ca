//! Loads the programs, tells them about this kernel, and attaches them.

use super::btf;
use super::read::monotonic_now;
use aya::maps::{Array, HashMap};
use aya::programs::{
    CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, CgroupSock, CgroupSockAddr, Program, ProgramError, ProgramType,
    SockOps,
};
use aya::{Ebpf, EbpfLoader};
use netwright_abi::{ABI_VERSION, Offsets, bound};
use std::any::Any;
use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The programs, as built for this version.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/netwright"));

/// How long after the start a UDP socket may still be in a conversation older than the agent.
const OLD_CONVERSATIONS: u64 = 120_000_000_000;

/// What to watch, and with how much memory.
#[derive(Debug, Clone)]
pub struct Config {
    /// The cgroup (v2) at and below which to watch.
    pub cgroup: PathBuf,
    /// Entries of the flow map.
    pub flow_entries: u32,
    /// Bytes of the announcement ring: a power of two and a multiple of the page size.
    pub announcement_bytes: u32,
    /// Bytes of the DNS ring, likewise.
    pub dns_bytes: u32,
    /// How to see UDP; `None` for the best this kernel has.
    pub udp: Option<UdpHooks>,
    /// Whether to watch SCTP; `None` to do so where the kernel has it.
    pub sctp: Option<bool>,
    /// Local UDP ports in use before the start.
    pub old_ports: BTreeSet<u16>,
}

impl Config {
    /// The defaults: a node's worth of flows (16,384 keys), 256 KiB of announcements, 1 MiB of DNS answers.
    pub fn new(cgroup: PathBuf) -> Self {
        Self {
            cgroup,
            flow_entries: 16384,
            announcement_bytes: 256 * 1024,
            dns_bytes: 1024 * 1024,
            udp: None,
            sctp: None,
            old_ports: BTreeSet::new(),
        }
    }
}

/// How UDP is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum UdpHooks {
    /// Where a process names its peer, and on packets of UDP servers only. The cheaper way.
    Sockets,
    /// On each packet of each socket, both ways.
    Packets,
    /// Not at all: for measuring what TCP alone costs.
    Off,
}

/// Why nothing is watched.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The object and the agent were built from different versions.
    #[error("the BPF object has ABI version {found:?}, this agent {ABI_VERSION}: build both from one source")]
    Abi {
        /// What the object says, if it says anything.
        found: Option<u32>,
    },
    /// The object was refused as a whole.
    #[error("cannot load the BPF programs: {0}; `netwright-agent doctor` says what this host lacks")]
    Load(#[from] aya::EbpfError),
    /// One program was refused.
    #[error(
        "cannot {what} the BPF program {program}: {}; `netwright-agent doctor` says what this host lacks",
        reason(cause)
    )]
    Program {
        /// What was being done: load or attach.
        what: &'static str,
        /// Which program.
        program: String,
        /// Why.
        cause: ProgramError,
    },
    /// A map is not what it should be.
    #[error("cannot use the BPF map {map}: {reason}")]
    Map {
        /// Which map.
        map: &'static str,
        /// Why.
        reason: String,
    },
    /// The cgroup could not be opened.
    #[error("cannot open the cgroup {path}: {source}")]
    Cgroup {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

fn reason(error: &ProgramError) -> String {
    match error {
        ProgramError::LoadError { io_error, verifier_log } => {
            let log = verifier_log.to_string();
            let tail: Vec<_> = log.lines().rev().take(60).collect();
            format!("{io_error}; the verifier's last words: {}", tail.into_iter().rev().collect::<Vec<_>>().join(" | "))
        }
        other => {
            std::error::Error::source(other).map_or_else(|| other.to_string(), |source| format!("{other}: {source}"))
        }
    }
}

/// The programs. Dropping it detaches them and frees the maps.
pub struct Probe {
    pub(super) ebpf: Ebpf,
    /// How UDP is seen.
    pub udp: UdpHooks,
    sctp: bool,
    /// What is attached; dropping a link detaches it.
    links: Vec<Link>,
    /// Which fallbacks were taken and what they cost, in words.
    pub notes: Vec<String>,
}

impl Probe {
    /// Loads everything and attaches nothing yet. What watches existing servers is attached first, so that a
    /// question that is seen is not answered unseen; then [`Probe::attach`].
    pub fn load(config: &Config) -> Result<Self, ProbeError> {
        let mut notes = Vec::new();
        let kernel = Kernel::ask(config, &mut notes);
        let mut probe =
            Self { ebpf: load(config, &kernel)?, udp: kernel.udp, sctp: kernel.sctp, notes, links: Vec::new() };
        probe.set_old_ports(&config.old_ports)?;
        probe.load_programs()?;
        Ok(probe)
    }

    /// Attaches what sees flows, at and below `cgroup`.
    pub fn attach(&mut self, cgroup: &Path) -> Result<(), ProbeError> {
        self.attach_tcp(cgroup)?;
        match self.udp {
            UdpHooks::Sockets => self.attach_udp(cgroup)?,
            UdpHooks::Packets => self.attach_both(cgroup, "packets")?,
            UdpHooks::Off => {}
        }
        if self.sctp {
            self.attach_both(cgroup, "sctp")?;
        }
        Ok(())
    }

    /// Watches what UDP servers in `cgroup` receive. The ports stay ambiguous until [`Probe::port_is_watched`].
    pub fn watch_udp_server(&mut self, cgroup: &Path) -> Result<(), ProbeError> {
        match self.udp {
            UdpHooks::Sockets => self.attach_skb("udp_ingress", cgroup, CgroupSkbAttachType::Ingress),
            UdpHooks::Packets | UdpHooks::Off => Ok(()),
        }
    }

    /// Says that what arrives at a bound UDP port is watched from now on.
    pub fn port_is_watched(&mut self, netns_cookie: u64, port: u16) -> Result<(), ProbeError> {
        let mut map: HashMap<_, [u8; 16], u8> = self.map("BOUND")?;
        let mut key = [0; 16];
        for (to, from) in key.iter_mut().zip(netns_cookie.to_ne_bytes().into_iter().chain(port.to_ne_bytes())) {
            *to = from;
        }
        map.insert(key, bound::WATCHED, 0).map_err(|error| ProbeError::Map { map: "BOUND", reason: error.to_string() })
    }

    /// Watches the answers that a DNS server in `cgroup` gives.
    pub fn watch_dns_server(&mut self, cgroup: &Path) -> Result<(), ProbeError> {
        self.attach_skb("dns_egress", cgroup, CgroupSkbAttachType::Egress)
    }

    /// Watches the answers that come into `cgroup`, from a resolver which no agent watches.
    pub fn watch_dns_client(&mut self, cgroup: &Path) -> Result<(), ProbeError> {
        self.attach_skb("dns_ingress", cgroup, CgroupSkbAttachType::Ingress)
    }

    /// Detaches every program, and keeps the maps to be read a last time (and the programs, to be attached again).
    pub fn detach(&mut self) {
        self.links.clear();
    }

    /// Lets go of what was attached to cgroups that are gone: each holds a file descriptor.
    pub fn release_gone(&mut self) {
        self.links.retain(|link| inode(&link.cgroup) == Some(link.inode));
    }

    fn set_old_ports(&mut self, ports: &BTreeSet<u16>) -> Result<(), ProbeError> {
        let mut words = vec![0u64; 1024];
        for port in ports {
            if let Some(word) = words.get_mut(usize::from(port / 64)) {
                *word |= 1 << (port % 64);
            }
        }
        let mut map: Array<_, u64> = self.map("OLD_PORTS")?;
        for (index, word) in (0..).zip(words).filter(|(_, word)| *word != 0) {
            map.set(index, word, 0).map_err(|error| ProbeError::Map { map: "OLD_PORTS", reason: error.to_string() })?;
        }
        Ok(())
    }

    fn load_programs(&mut self) -> Result<(), ProbeError> {
        self.program::<SockOps>("tcp")?.load().map_err(failed("load", "tcp"))?;
        let packets = ["packets_egress", "packets_ingress"];
        match self.udp {
            UdpHooks::Sockets => {
                for name in SOCKET_HOOKS {
                    self.program::<CgroupSockAddr>(name)?.load().map_err(failed("load", name))?;
                }
                self.program::<CgroupSock>("sock_release")?.load().map_err(failed("load", "sock_release"))?;
            }
            UdpHooks::Packets => self.load_skb(&packets)?,
            UdpHooks::Off => {}
        }
        if self.sctp {
            self.load_skb(&["sctp_egress", "sctp_ingress"])?;
        }
        self.load_skb(&["dns_egress", "dns_ingress", "udp_ingress"])
    }

    fn load_skb(&mut self, names: &[&str]) -> Result<(), ProbeError> {
        names.iter().try_for_each(|name| self.program::<CgroupSkb>(name)?.load().map_err(failed("load", name)))
    }

    fn attach_tcp(&mut self, cgroup: &Path) -> Result<(), ProbeError> {
        let program: &mut SockOps = self.program("tcp")?;
        // `Single` with links: they stack with other owners' links all the same, and more is EINVAL.
        let id = program.attach(open(cgroup)?, CgroupAttachMode::Single).map_err(failed("attach", "tcp"))?;
        let link = program.take_link(id).map_err(failed("attach", "tcp"))?;
        self.links.push(Link::new(cgroup, link));
        Ok(())
    }

    fn attach_udp(&mut self, cgroup: &Path) -> Result<(), ProbeError> {
        for name in SOCKET_HOOKS {
            let program: &mut CgroupSockAddr = self.program(name)?;
            let id = program.attach(open(cgroup)?, CgroupAttachMode::Single).map_err(failed("attach", name))?;
            let link = program.take_link(id).map_err(failed("attach", name))?;
            self.links.push(Link::new(cgroup, link));
        }
        let name = "sock_release";
        let program: &mut CgroupSock = self.program(name)?;
        let id = program.attach(open(cgroup)?, CgroupAttachMode::Single).map_err(failed("attach", name))?;
        let link = program.take_link(id).map_err(failed("attach", name))?;
        self.links.push(Link::new(cgroup, link));
        Ok(())
    }

    fn attach_skb(&mut self, name: &str, cgroup: &Path, attach_type: CgroupSkbAttachType) -> Result<(), ProbeError> {
        let program: &mut CgroupSkb = self.program(name)?;
        let id =
            program.attach(open(cgroup)?, attach_type, CgroupAttachMode::Single).map_err(failed("attach", name))?;
        let link = program.take_link(id).map_err(failed("attach", name))?;
        self.links.push(Link::new(cgroup, link));
        Ok(())
    }

    /// Attaches `FAMILY_egress` and `FAMILY_ingress`.
    fn attach_both(&mut self, cgroup: &Path, family: &str) -> Result<(), ProbeError> {
        self.attach_skb(&format!("{family}_egress"), cgroup, CgroupSkbAttachType::Egress)?;
        self.attach_skb(&format!("{family}_ingress"), cgroup, CgroupSkbAttachType::Ingress)
    }

    fn program<'a, P>(&'a mut self, name: &str) -> Result<&'a mut P, ProbeError>
    where
        &'a mut P: TryFrom<&'a mut Program, Error = ProgramError>,
    {
        let program = self
            .ebpf
            .program_mut(name)
            .ok_or(ProbeError::Map { map: "programs", reason: format!("the object has no {name}") })?;
        program.try_into().map_err(failed("load", name))
    }
}

/// A program attached to a cgroup, with what tells the cgroup from a later one of the same name: its inode number.
struct Link {
    cgroup: PathBuf,
    inode: u64,
    /// Held to be dropped.
    _link: Box<dyn Any>,
}

impl Link {
    fn new(cgroup: &Path, link: impl Any) -> Self {
        Self { cgroup: cgroup.into(), inode: inode(cgroup).unwrap_or(0), _link: Box::new(link) }
    }
}

/// The hooks where a process names its peer.
const SOCKET_HOOKS: [&str; 6] = ["bind4", "bind6", "connect4", "connect6", "sendmsg4", "sendmsg6"];

/// What was found out about the running kernel.
struct Kernel {
    offsets: Offsets,
    udp: UdpHooks,
    netns_cookie_in_skb: bool,
    sctp: bool,
}

impl Kernel {
    fn ask(config: &Config, notes: &mut Vec<String>) -> Self {
        let offsets = btf::offsets().unwrap_or_else(|reason| {
            notes.push(format!("accepted connections are named by address only, and every connected UDP socket counts as used: {reason}"));
            Offsets::default()
        });
        let netns_cookie_in_skb = cookie_in_skb();
        if !netns_cookie_in_skb {
            notes.push(
                "packets carry no network namespace cookie before Linux 6.15: UDP flows are told apart by cgroup"
                    .into(),
            );
        }
        Self {
            offsets,
            udp: config.udp.unwrap_or(UdpHooks::Sockets),
            netns_cookie_in_skb,
            sctp: config.sctp.unwrap_or_else(has_sctp),
        }
    }
}

/// Whether `bpf_get_netns_cookie` may be called from cgroup_skb.
pub fn cookie_in_skb() -> bool {
    aya::sys::is_helper_supported(ProgramType::CgroupSkb, aya::sys::BpfHelper::BPF_FUNC_get_netns_cookie)
        .unwrap_or(false)
}

/// Whether the kernel has SCTP, built in or as a loaded module.
pub fn has_sctp() -> bool {
    Path::new("/proc/net/sctp").exists()
}

fn load(config: &Config, kernel: &Kernel) -> Result<Ebpf, ProbeError> {
    check_abi()?;
    let old_until = monotonic_now() + OLD_CONVERSATIONS;
    let cookie = u32::from(kernel.netns_cookie_in_skb);
    let offsets = words(&kernel.offsets);
    EbpfLoader::new()
        .override_global("OFFSETS", &offsets, true)
        .override_global("OLD_UNTIL", &old_until, true)
        .override_global("NETNS_COOKIE_IN_SKB", &cookie, true)
        .map_max_entries("FLOWS", config.flow_entries)
        .map_max_entries("ANNOUNCEMENTS", config.announcement_bytes)
        .map_max_entries("DNS", config.dns_bytes)
        .load(OBJECT)
        .map_err(ProbeError::Load)
}

/// Reads the version out of the object before anything of it is loaded.
fn check_abi() -> Result<(), ProbeError> {
    let found = abi_version_of(OBJECT);
    if found == Some(ABI_VERSION) { Ok(()) } else { Err(ProbeError::Abi { found }) }
}

/// The value of the symbol `NETWRIGHT_ABI_VERSION`.
fn abi_version_of(object: &[u8]) -> Option<u32> {
    use object::{Object as _, ObjectSection as _, ObjectSymbol as _};
    let file = object::File::parse(object).ok()?;
    let symbol = file.symbols().find(|symbol| symbol.name() == Ok("NETWRIGHT_ABI_VERSION"))?;
    let section = file.section_by_index(symbol.section_index()?).ok()?;
    let bytes = section.data_range(symbol.address(), 4).ok()??;
    bytes.try_into().ok().map(u32::from_le_bytes)
}

/// The offsets as the words they are in memory.
fn words(offsets: &Offsets) -> [u32; 4] {
    [offsets.sock_cgroup, offsets.cgroup_kn, offsets.kernfs_id, offsets.sock_incoming_cpu]
}

fn open(cgroup: &Path) -> Result<File, ProbeError> {
    File::open(cgroup).map_err(|source| ProbeError::Cgroup { path: cgroup.into(), source })
}

/// A cgroup's id is the inode number of its directory; `None` if it is gone.
pub fn inode(cgroup: &Path) -> Option<u64> {
    std::fs::metadata(cgroup).ok().map(|metadata| metadata.ino())
}

fn failed(what: &'static str, program: &str) -> impl FnOnce(ProgramError) -> ProbeError {
    let program = program.to_owned();
    move |cause| ProbeError::Program { what, program, cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_object() {
        assert_eq!(abi_version_of(OBJECT), Some(ABI_VERSION));
    }

    #[test]
    fn what_is_no_object_has_no_version() {
        assert_eq!(abi_version_of(b"not an object"), None);
        assert_eq!(abi_version_of(OBJECT.get(..OBJECT.len() / 2).unwrap()), None);
    }
}
