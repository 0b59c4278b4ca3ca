//! The maps and constants that the agent reads, sizes and sets. Sizes here are defaults: the agent overrides them at load.

use aya_ebpf::btf_maps::{Array, LruHashMap, PerCpuArray, RingBuf};
use aya_ebpf::macros::btf_map;
use core::ptr;
use netwright_abi::{
    ABI_VERSION, Announcement, BoundKey, Counters, DnsAnswer, FlowKey, FlowValue, Offsets, RECENT, Recent,
};

/// Which version of the shared types this object was built with. The agent reads it before it loads anything.
#[unsafe(no_mangle)]
#[used]
static NETWRIGHT_ABI_VERSION: u32 = ABI_VERSION;

/// Where the running kernel keeps what the hooks read of its structures. Set by the agent.
#[unsafe(no_mangle)]
static OFFSETS: Offsets = Offsets { sock_cgroup: 0, cgroup_kn: 0, kernfs_id: 0, sock_incoming_cpu: 0 };

/// Until when (monotonic, nanoseconds) a UDP socket may be older than the agent. Set by the agent.
#[unsafe(no_mangle)]
static OLD_UNTIL: u64 = 0;

/// Whether `bpf_get_netns_cookie` may be called from cgroup_skb: since about Linux 6.15. Set by the agent.
#[unsafe(no_mangle)]
static NETNS_COOKIE_IN_SKB: u32 = 1;

/// The flows: looked up by each hook, read as a whole by the agent, which never deletes.
#[btf_map]
pub(crate) static FLOWS: LruHashMap<FlowKey, FlowValue, 16384> = LruHashMap::new();

/// One [`Counters`] a CPU.
#[btf_map]
pub(crate) static COUNTERS: PerCpuArray<Counters, 1> = PerCpuArray::new();

/// New keys and listening sockets.
#[btf_map]
pub(crate) static ANNOUNCEMENTS: RingBuf<Announcement, { 256 * 1024 }> = RingBuf::new();

/// DNS answers: a `DnsHead` and as many bytes as it says.
#[btf_map]
pub(crate) static DNS: RingBuf<u64, { 1024 * 1024 }> = RingBuf::new();

/// Where a DNS answer is put together: too large for the stack.
#[btf_map]
pub(crate) static DNS_SCRATCH: PerCpuArray<DnsAnswer, 1> = PerCpuArray::new();

/// The datagrams' ends seen last on this CPU, by hash.
#[btf_map]
pub(crate) static RECENTLY: PerCpuArray<Recent, { RECENT as usize }> = PerCpuArray::new();

/// The UDP ports that processes chose for themselves, and whether what arrives there is watched.
#[btf_map]
pub(crate) static BOUND: LruHashMap<BoundKey, u8, 4096> = LruHashMap::new();

/// The local UDP ports in use when the agent started, as bits, whatever the namespace: sockets on others are younger.
#[btf_map]
pub(crate) static OLD_PORTS: Array<u64, 1024> = Array::new();

/// See [`OFFSETS`]. Read anew at each use: a plain read would be folded to the default, and the verifier
/// knows the values, since the agent freezes the constants before it loads.
#[inline(always)]
pub(crate) fn offsets() -> *const Offsets {
    &raw const OFFSETS
}

/// See [`OLD_UNTIL`].
#[inline(always)]
pub(crate) fn old_until() -> u64 {
    // SAFETY: a static is valid to read.
    unsafe { ptr::read_volatile(&raw const OLD_UNTIL) }
}

/// See [`NETNS_COOKIE_IN_SKB`].
#[inline(always)]
pub(crate) fn netns_cookie_in_skb() -> bool {
    // SAFETY: a static is valid to read.
    unsafe { ptr::read_volatile(&raw const NETNS_COOKIE_IN_SKB) != 0 }
}
