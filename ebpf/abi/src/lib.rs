//! The types that the kernel programs and the agent share.
//!
//! Everything here crosses the line between kernel and user space as bytes: `repr(C)`, padding
//! spelt out (the kernel compares map keys byte by byte, so padding must be zero), codes as integers, sizes
//! asserted. A change to any of it raises [`ABI_VERSION`], which the object carries and the agent checks at load.
#![no_std]

/// The version of everything in this crate.
pub const ABI_VERSION: u32 = 1;

/// An IPv6 address, or an IPv4 one in its mapped form (`::ffff:a.b.c.d`): the sixteen bytes in network order, as two words read
/// from memory. One form for both families, so that an IPv4 client on a dual-stack listener makes the same key as on an IPv4 one;
/// words, because the BPF target compares and clears bytes one by one.
pub type Address = [u64; 2];

/// No address: `::`.
pub const UNSPECIFIED: Address = [0; 2];

/// The address with these bytes, network order.
pub const fn address(octets: [u8; 16]) -> Address {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = octets;
    [u64::from_ne_bytes([a, b, c, d, e, f, g, h]), u64::from_ne_bytes([i, j, k, l, m, n, o, p])]
}

/// The bytes of the address, network order.
pub const fn octets(address: Address) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h] = address[0].to_ne_bytes();
    let [i, j, k, l, m, n, o, p] = address[1].to_ne_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}

/// Transport protocols: the numbers of the IP header.
pub mod protocol {
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// SCTP.
    pub const SCTP: u8 = 132;
}

/// Who opened the connection or spoke first.
pub mod direction {
    /// The local end.
    pub const EGRESS: u8 = 1;
    /// The remote end.
    pub const INGRESS: u8 = 2;
    /// Not known: a bound UDP socket sent before anyone watched what it received.
    pub const AMBIGUOUS: u8 = 3;
}

/// The key of the flow map: one connection's meaning, without the ephemeral port.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// The network namespace's cookie (or the cgroup's id, where the kernel gives a packet program no cookie).
    pub netns_cookie: u64,
    /// The local address; unspecified where the socket had none yet (UDP).
    pub local: Address,
    /// The remote address.
    pub remote: Address,
    /// The server's port, host byte order: the remote one for egress, the local one otherwise.
    pub port: u16,
    /// For an ambiguous flow the remote port, host byte order; otherwise 0.
    pub remote_port: u16,
    /// One of [`protocol`].
    pub protocol: u8,
    /// One of [`direction`].
    pub direction: u8,
    /// Always zero.
    pub padding: [u8; 2],
}

/// The value of the flow map. The kernel adds to it concurrently; it only ever grows while the entry lives.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowValue {
    /// When the entry was made: nanoseconds of the monotonic clock, as coarse as a timer tick. Also tells one
    /// life of a key from the next after an eviction.
    pub first: u64,
    /// When it was last counted; same clock.
    pub last: u64,
    /// TCP and SCTP: attempts. UDP: conversations.
    pub connections: u64,
    /// How many of them are known to have carried something: an answer to a TCP or SCTP attempt, a UDP datagram. A UDP socket that was
    /// connected and closed again, and received nothing, is not among them (looking for a source address does that).
    pub established: u64,
    /// Payload bytes both ways, in the packet mode; else 0.
    pub bytes: u64,
}

/// What happened, counted per CPU. The agent's accounts must balance:
/// `counted` = what it read from the flow map + what it reports as lost.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Every connection or conversation that a hook counted or failed to count.
    pub counted: u64,
    /// Entries made in the flow map.
    pub inserted: u64,
    /// Connections whose key the flow map refused.
    pub map_full: u64,
    /// Announcements that found the ring full.
    pub ring_full: u64,
    /// DNS answers seen.
    pub dns_seen: u64,
    /// DNS answers that found their ring full.
    pub dns_ring_full: u64,
    /// DNS answers longer than [`DNS_PAYLOAD`].
    pub dns_clipped: u64,
}

/// What an [`Announcement`] announces.
pub mod announcement {
    /// A flow key that was not in the map.
    pub const FLOW: u32 = 1;
    /// A TCP socket listens, or a UDP socket was bound to a port of its choice: `key.local` and `key.port`.
    pub const LISTEN: u32 = 2;
}

/// An entry of the announcement ring.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// What it is about.
    pub key: FlowKey,
    /// The cgroup of the process, where the hook runs in that process's context; else 0.
    pub cgroup: u64,
    /// When; same clock as [`FlowValue::first`].
    pub time: u64,
    /// One of [`announcement`].
    pub kind: u32,
    /// Always zero.
    pub padding: u32,
}

/// How much of a DNS answer is copied. An answer over UDP without fragments is at most 1,472 bytes long,
/// and servers keep to 1,232.
pub const DNS_PAYLOAD: usize = 1472;

/// The head of an entry of the DNS ring; `length` bytes of the message follow.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DnsHead {
    /// When; same clock as [`FlowValue::first`].
    pub time: u64,
    /// Who asked.
    pub client: Address,
    /// Who answered.
    pub server: Address,
    /// How many bytes of the message follow, at most [`DNS_PAYLOAD`].
    pub length: u32,
    /// How long the message was.
    pub original_length: u32,
    /// One of [`protocol`]. Over TCP the message begins with its own two-byte length.
    pub protocol: u8,
    /// Always zero.
    pub padding: [u8; 7],
}

/// A whole entry of the DNS ring, as large as it can be.
#[repr(C)]
pub struct DnsAnswer {
    /// The head.
    pub head: DnsHead,
    /// The message, `head.length` bytes of it.
    pub payload: [u8; DNS_PAYLOAD],
}

/// A datagram's two ends, and when their flow was last counted: an entry of the per-CPU cache that spares most datagrams a look-up.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Recent {
    /// The network namespace's cookie.
    pub netns_cookie: u64,
    /// The remote address.
    pub remote: Address,
    /// The remote port and the local port, host byte order, as one word.
    pub ports: u32,
    /// One of [`direction`]; 0 where the flow is not ours to count.
    pub direction: u32,
    /// When the flow was last counted; same clock as [`FlowValue::first`].
    pub counted: u64,
}

/// How many entries the cache has on each CPU: a power of two.
pub const RECENT: u32 = 256;

/// Where the kernel keeps what the hooks read of its own structures: byte offsets, from its BTF.
/// (Rust has no CO-RE relocations; the agent fills this in at load. All zero means: unknown, do not look.)
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offsets {
    /// `sock.sk_cgrp_data.cgroup`
    pub sock_cgroup: u32,
    /// `cgroup.kn`
    pub cgroup_kn: u32,
    /// `kernfs_node.id`
    pub kernfs_id: u32,
    /// `sock.__sk_common.skc_incoming_cpu`: −1 until a connected UDP socket has received something.
    pub sock_incoming_cpu: u32,
}

/// The key of the map of UDP ports that processes chose for themselves.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BoundKey {
    /// As in [`FlowKey`].
    pub netns_cookie: u64,
    /// Host byte order.
    pub port: u16,
    /// Always zero.
    pub padding: [u8; 6],
}

/// Values of the map of bound ports.
pub mod bound {
    /// What arrives there is not watched yet.
    pub const UNWATCHED: u8 = 0;
    /// The agent has attached the hook that sees what arrives.
    pub const WATCHED: u8 = 1;
}

const _: () = {
    assert!(size_of::<FlowKey>() == 48);
    assert!(size_of::<FlowValue>() == 40);
    assert!(size_of::<Counters>() == 56);
    assert!(size_of::<Announcement>() == 72);
    assert!(size_of::<DnsHead>() == 56);
    assert!(size_of::<DnsAnswer>() == 56 + DNS_PAYLOAD);
    assert!(size_of::<Recent>() == 40);
    assert!(size_of::<BoundKey>() == 16);
    assert!(size_of::<Offsets>() == 16);
};

/// The mapped form of an IPv4 address given as the kernel keeps it (network byte order in memory).
#[inline(always)]
pub const fn mapped(ipv4: u32) -> Address {
    let [a, b, c, d] = ipv4.to_ne_bytes();
    [0, u64::from_ne_bytes([0, 0, 0xff, 0xff, a, b, c, d])]
}
