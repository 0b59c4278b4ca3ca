//! UDP where a process names its peer, so that no application pod's packets meet a program: connect, sendmsg, bind, close.
//!
//! What arrives is seen only where it must be: on the cgroups of UDP servers ([`udp_ingress`]), which the agent learns from bind.
//! Who spoke first is decided where a pair of ends is new to this CPU: what goes to a peer that spoke to us
//! within [`CONVERSATION`] is an answer, and so is what comes from one we spoke to. Otherwise it is the sender who opens.
//!
//! `connect` sends nothing: getaddrinfo and Go's resolver connect sockets only to learn their source address. So it counts as an
//! attempt, and the attempt as established when the socket is closed and has received something. (A socket that stays
//! open, or only sends, is the agent's to confirm.)

use crate::address::is_loopback;
use crate::context::{address, pointer, word};
use crate::count::{Tally, add, announce, count, counters, last_carried, last_counted, now, touch};
use crate::kernel::has_received;
use crate::maps::{BOUND, OLD_PORTS, RECENTLY, netns_cookie_in_skb, old_until};
use crate::packet;
use crate::packets::namespace;
use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::{bpf_sock, bpf_sock_addr};
use aya_ebpf::helpers::bpf_get_current_cgroup_id;
use aya_ebpf::helpers::generated::{bpf_get_netns_cookie, bpf_skb_cgroup_id};
use aya_ebpf::macros::{cgroup_skb, cgroup_sock, cgroup_sock_addr};
use aya_ebpf::programs::{SkBuffContext, SockAddrContext, SockContext};
use netwright_abi::{
    Address, BoundKey, FlowKey, RECENT, Recent, UNSPECIFIED, announcement, bound, direction, mapped, protocol,
};

/// How long a conversation lasts without a word: the connection tracker's default for a UDP stream, 120 s.
const CONVERSATION: u64 = 120_000_000_000;
/// How often the time of an ongoing conversation is written to the map.
const REFRESH: u64 = 1_000_000_000;
/// The lowest port that the kernel gives out by default (`net.ipv4.ip_local_port_range`).
const FIRST_EPHEMERAL: u16 = 32768;
const AF_INET: u32 = 2;

/// Whether any flow was ever ambiguous: most nodes never see one, and need not look for it.
static mut AMBIGUITY: u32 = 0;

/// Which way a datagram goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Out,
    In,
}

/// A datagram's ends.
struct Ends {
    netns_cookie: u64,
    remote: Address,
    remote_port: u16,
    local_port: u16,
}

#[cgroup_sock_addr(connect4)]
fn connect4(ctx: SockAddrContext) -> i32 {
    if is_udp(&ctx) {
        connects(&ctx, peer4(&ctx));
    }
    1
}

#[cgroup_sock_addr(connect6)]
fn connect6(ctx: SockAddrContext) -> i32 {
    if is_udp(&ctx) {
        connects(&ctx, peer6(&ctx));
    }
    1
}

#[cgroup_sock_addr(sendmsg4)]
fn sendmsg4(ctx: SockAddrContext) -> i32 {
    sends(&ctx, peer4(&ctx));
    1
}

#[cgroup_sock_addr(sendmsg6)]
fn sendmsg6(ctx: SockAddrContext) -> i32 {
    sends(&ctx, peer6(&ctx));
    1
}

#[cgroup_sock_addr(bind4)]
fn bind4(ctx: SockAddrContext) -> i32 {
    if is_udp(&ctx) {
        binds(&ctx, peer4(&ctx));
    }
    1
}

#[cgroup_sock_addr(bind6)]
fn bind6(ctx: SockAddrContext) -> i32 {
    if is_udp(&ctx) {
        binds(&ctx, peer6(&ctx));
    }
    1
}

/// A socket is closed: the last chance to see whether a connected one was of use.
#[cgroup_sock(sock_release)]
fn sock_release(ctx: SockContext) -> i32 {
    if word!(ctx.sock, bpf_sock, protocol) == u32::from(protocol::UDP) {
        closes(&ctx);
    }
    1
}

/// On the cgroups of UDP servers only.
#[cgroup_skb(ingress)]
fn udp_ingress(ctx: SkBuffContext) -> i32 {
    receives(&ctx);
    1
}

/// A new socket each time, so the cache of recent ends would not know it.
#[inline(always)]
fn connects(ctx: &SockAddrContext, (remote, remote_port): (Address, u16)) {
    let ends = Ends { netns_cookie: own_namespace(ctx), remote, remote_port, local_port: local_port(ctx) };
    if ends.crosses() {
        meet(&ends, Way::Out, Tally::ATTEMPT, now(), current_cgroup);
    }
}

#[inline(always)]
fn sends(ctx: &SockAddrContext, (remote, remote_port): (Address, u16)) {
    let ends = Ends { netns_cookie: own_namespace(ctx), remote, remote_port, local_port: local_port(ctx) };
    datagram(&ends, Way::Out, current_cgroup);
}

#[inline(always)]
fn receives(ctx: &SkBuffContext) -> Option<()> {
    let packet = packet::read(ctx)?;
    if packet.protocol != protocol::UDP {
        return None;
    }
    let ends = Ends {
        netns_cookie: namespace(ctx),
        remote: packet.source,
        remote_port: packet.source_port,
        local_port: packet.destination_port,
    };
    // SAFETY: the context of a program type that may ask for it.
    datagram(&ends, Way::In, || unsafe { bpf_skb_cgroup_id(ctx.skb.skb) });
    Some(())
}

/// Notes a port that a process chose for itself, and tells the agent, so that it watches what arrives there.
#[inline(always)]
fn binds(ctx: &SockAddrContext, (local, port): (Address, u16)) {
    if port == 0 || is_loopback(&local) {
        return;
    }
    let Some(counters) = counters() else { return };
    let netns_cookie = own_namespace(ctx);
    let _ = BOUND.insert(BoundKey { netns_cookie, port, padding: [0; 6] }, bound::UNWATCHED, 0);
    let key = FlowKey {
        netns_cookie,
        local,
        remote: UNSPECIFIED,
        port,
        remote_port: 0,
        protocol: protocol::UDP,
        direction: direction::INGRESS,
        padding: [0; 2],
    };
    announce(announcement::LISTEN, &key, now(), current_cgroup(), counters);
}

#[inline(always)]
fn closes(ctx: &SockContext) {
    let sock = ctx.sock;
    // The port in network byte order, in the lower half of its word.
    let remote_port = u16::from_be(word!(sock, bpf_sock, dst_port) as u16);
    if remote_port == 0 || !has_received(sock.cast()) {
        return;
    }
    let remote = if word!(sock, bpf_sock, family) == AF_INET {
        mapped(word!(sock, bpf_sock, dst_ip4))
    } else {
        address!(sock, bpf_sock, dst_ip6)
    };
    // SAFETY: the context of a program type that may ask for it.
    let netns_cookie =
        if netns_cookie_in_skb() { unsafe { bpf_get_netns_cookie(ctx.as_ptr()) } } else { current_cgroup() };
    let ends = Ends { netns_cookie, remote, remote_port, local_port: 0 };
    add(&ends.key(direction::EGRESS), Tally::ANSWER, now());
}

#[inline(always)]
fn datagram(ends: &Ends, way: Way, cgroup: impl FnOnce() -> u64) {
    if !ends.crosses() {
        return;
    }
    let Some(recent) = RECENTLY.get_ptr_mut(ends.slot()) else { return };
    // SAFETY: a per-CPU slot. A program in interrupt context may write it in between; then a wrong hit can spare one
    // datagram its look-up, and a second later the next one has it.
    let recent = unsafe { &mut *recent };
    let now = now();
    if ends.is(recent) {
        if now.wrapping_sub(recent.counted) < REFRESH {
            return;
        }
        if ends.continues(recent, now) {
            recent.counted = now;
            return;
        }
    }
    let direction = meet(ends, way, Tally::BOTH, now, cgroup);
    *recent = Recent {
        netns_cookie: ends.netns_cookie,
        remote: ends.remote,
        ports: ends.ports(),
        direction: u32::from(direction),
        counted: now,
    };
}

/// A pair of ends new to this CPU: finds out who spoke first, counts, and returns the direction.
#[inline(always)]
fn meet(ends: &Ends, way: Way, tally: Tally, now: u64, cgroup: impl FnOnce() -> u64) -> u8 {
    let (mine, theirs) = match way {
        Way::Out => (direction::EGRESS, direction::INGRESS),
        Way::In => (direction::INGRESS, direction::EGRESS),
    };
    // Conversations share a key, and one of them may come here again when it lost its place in the cache: one a second is
    // counted. Each connect is one of its own.
    let is_connect = tally.established == 0;
    let counted_already = |direction| {
        !is_connect && last_carried(&ends.key(direction)).is_some_and(|last| now.wrapping_sub(last) < REFRESH)
    };
    if counted_already(mine) {
        return mine;
    }
    // Nobody can have spoken to a socket that has no port yet.
    if ends.local_port != 0 {
        if ends.is_fresh(theirs, now) {
            return theirs;
        }
        if ambiguity() && ends.is_fresh(direction::AMBIGUOUS, now) {
            return direction::AMBIGUOUS;
        }
    }
    let direction = if now < old_until() { ends.direction_of_old(mine) } else { mine };
    let direction = if direction == direction::EGRESS && ends.is_deaf() { direction::AMBIGUOUS } else { direction };
    if direction == direction::AMBIGUOUS {
        // SAFETY: one word that only ever becomes 1. (The BPF target has no atomic store; this is one all the same.)
        unsafe { (&raw mut AMBIGUITY).write_volatile(1) };
    }
    if direction == mine || !counted_already(direction) {
        count(&ends.key(direction), tally, now, cgroup);
    }
    direction
}

/// See [`AMBIGUITY`].
#[inline(always)]
fn ambiguity() -> bool {
    // SAFETY: one word, read whole.
    unsafe { (&raw const AMBIGUITY).read_volatile() != 0 }
}

impl Ends {
    /// Whether the peer is somewhere else. Port 0 is no peer's: a connect to it only asks for a route.
    #[inline(always)]
    fn crosses(&self) -> bool {
        !is_loopback(&self.remote) && self.remote_port != 0
    }

    /// Whether the flow in `direction` was active within a conversation's time.
    #[inline(always)]
    fn is_fresh(&self, direction: u8, now: u64) -> bool {
        last_counted(&self.key(direction)).is_some_and(|last| now.wrapping_sub(last) < CONVERSATION)
    }

    /// Whether the conversation is still the one in the cache; if so, its time is written.
    #[inline(always)]
    fn continues(&self, recent: &Recent, now: u64) -> bool {
        now.wrapping_sub(recent.counted) < CONVERSATION && touch(&self.key(recent.direction as u8), now)
    }

    /// Whether the local port is a process's own choice and nobody watches yet what arrives there: then the peer may have spoken first.
    #[inline(always)]
    fn is_deaf(&self) -> bool {
        let key = BoundKey { netns_cookie: self.netns_cookie, port: self.local_port, padding: [0; 6] };
        // SAFETY: one byte, read once.
        self.local_port != 0 && unsafe { BOUND.get(key) }.is_some_and(|watched| *watched == bound::UNWATCHED)
    }

    /// The direction of a conversation that may be older than the agent. On a port that was in use when the agent
    /// started, the side whose port is not from the kernel's range is the server; if that is both or neither, nobody knows.
    #[inline(always)]
    fn direction_of_old(&self, direction: u8) -> u8 {
        let word = OLD_PORTS.get(u32::from(self.local_port) / 64).copied().unwrap_or(0);
        if self.local_port == 0 || word >> (self.local_port % 64) & 1 == 0 {
            return direction;
        }
        match (self.local_port < FIRST_EPHEMERAL, self.remote_port < FIRST_EPHEMERAL) {
            (true, false) => direction::INGRESS,
            (false, true) => direction::EGRESS,
            _ => direction::AMBIGUOUS,
        }
    }

    #[inline(always)]
    fn key(&self, direction: u8) -> FlowKey {
        let egress = direction == direction::EGRESS;
        let ambiguous = direction == direction::AMBIGUOUS;
        FlowKey {
            netns_cookie: self.netns_cookie,
            // A UDP socket often has none; the namespace tells whose it is.
            local: UNSPECIFIED,
            remote: self.remote,
            port: if egress { self.remote_port } else { self.local_port },
            remote_port: if ambiguous { self.remote_port } else { 0 },
            protocol: protocol::UDP,
            direction,
            padding: [0; 2],
        }
    }

    #[inline(always)]
    fn ports(&self) -> u32 {
        u32::from(self.remote_port) << 16 | u32::from(self.local_port)
    }

    #[inline(always)]
    fn is(&self, recent: &Recent) -> bool {
        recent.ports == self.ports() && recent.netns_cookie == self.netns_cookie && recent.remote == self.remote
    }

    /// Where in the cache: a multiplicative hash (Knuth, TAOCP 6.4) over what tells ends apart most.
    #[inline(always)]
    fn slot(&self) -> u32 {
        let [high, low] = self.remote;
        let mixed = (high ^ low ^ self.netns_cookie.rotate_left(32) ^ u64::from(self.ports()))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 40) as u32 & (RECENT - 1)
    }
}

#[inline(always)]
fn is_udp(ctx: &SockAddrContext) -> bool {
    word!(ctx.sock_addr, bpf_sock_addr, protocol) == u32::from(protocol::UDP)
}

/// The address the process named; the port in network byte order in the lower half of its word.
#[inline(always)]
fn peer4(ctx: &SockAddrContext) -> (Address, u16) {
    (mapped(word!(ctx.sock_addr, bpf_sock_addr, user_ip4)), user_port(ctx))
}

#[inline(always)]
fn peer6(ctx: &SockAddrContext) -> (Address, u16) {
    (address!(ctx.sock_addr, bpf_sock_addr, user_ip6), user_port(ctx))
}

#[inline(always)]
fn user_port(ctx: &SockAddrContext) -> u16 {
    u16::from_be(word!(ctx.sock_addr, bpf_sock_addr, user_port) as u16)
}

/// The port the socket has, host byte order; 0 before the kernel has given it one.
#[inline(always)]
fn local_port(ctx: &SockAddrContext) -> u16 {
    let sock = pointer!(ctx.sock_addr, bpf_sock_addr, __bindgen_anon_1).cast::<bpf_sock>();
    if sock.is_null() { 0 } else { word!(sock, bpf_sock, src_port) as u16 }
}

/// What tells one pod's UDP flows from another's. It must be the same for hooks on packets, which on older kernels know the cgroup only.
#[inline(always)]
fn own_namespace(ctx: &SockAddrContext) -> u64 {
    // SAFETY: the context of a program type that may ask for it.
    if netns_cookie_in_skb() { unsafe { bpf_get_netns_cookie(ctx.as_ptr()) } } else { current_cgroup() }
}

#[inline(always)]
fn current_cgroup() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_get_current_cgroup_id() }
}
