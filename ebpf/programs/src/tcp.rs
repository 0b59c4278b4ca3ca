//! TCP at the socket: connect attempted, established from either side, listening. No work on any packet.

use crate::address::is_own;
use crate::context::{address, pointer, word};
use crate::count::{Tally, announce, count, counters, now};
use crate::kernel::cgroup_of;
use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::bpf_sock_ops;
use aya_ebpf::helpers::generated::{bpf_get_netns_cookie, bpf_skc_to_tcp_sock};
use aya_ebpf::macros::sock_ops;
use aya_ebpf::programs::SockOpsContext;
use netwright_abi::{Address, FlowKey, announcement, direction, mapped, protocol};

const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;

// enum in include/uapi/linux/bpf.h, "BPF_SOCK_OPS_*_CB".
const TCP_CONNECT: u32 = 3;
const ACTIVE_ESTABLISHED: u32 = 4;
const PASSIVE_ESTABLISHED: u32 = 5;
const TCP_LISTEN: u32 = 11;

/// Called for each TCP socket below the cgroup, about nine times a connection; five of these leave at once. The others share
/// one path: what is counted seldom is as often fetched from memory, program included.
#[sock_ops]
fn tcp(ctx: SockOpsContext) -> u32 {
    let (direction, tally) = match word!(ctx.ops, bpf_sock_ops, op) {
        TCP_CONNECT => (direction::EGRESS, Tally::ATTEMPT),
        ACTIVE_ESTABLISHED => (direction::EGRESS, Tally::ANSWER),
        PASSIVE_ESTABLISHED => (direction::INGRESS, Tally::BOTH),
        TCP_LISTEN => {
            listen(&ctx);
            return 1;
        }
        _ => return 1,
    };
    counts(&ctx, direction, tally);
    1
}

#[inline(always)]
fn counts(ctx: &SockOpsContext, direction: u8, tally: Tally) {
    let Some((local, remote)) = addresses(ctx.ops) else { return };
    if is_own(&local, &remote) {
        return;
    }
    let port = if direction == direction::EGRESS { remote_port(ctx.ops) } else { local_port(ctx.ops) };
    let key = key(ctx, local, remote, port, direction);
    count(&key, tally, now(), || cgroup(ctx.ops));
}

#[inline(always)]
fn listen(ctx: &SockOpsContext) {
    let Some((local, remote)) = addresses(ctx.ops) else { return };
    let Some(counters) = counters() else { return };
    let key = key(ctx, local, remote, local_port(ctx.ops), direction::INGRESS);
    announce(announcement::LISTEN, &key, now(), cgroup(ctx.ops), counters);
}

#[inline(always)]
fn key(ctx: &SockOpsContext, local: Address, remote: Address, port: u16, direction: u8) -> FlowKey {
    FlowKey {
        // SAFETY: the context of a program type that may ask for it (since Linux 5.15).
        netns_cookie: unsafe { bpf_get_netns_cookie(ctx.as_ptr()) },
        local,
        remote,
        port,
        remote_port: 0,
        protocol: protocol::TCP,
        direction,
        padding: [0; 2],
    }
}

/// Local and remote, or `None` for a family that is not IP.
#[inline(always)]
fn addresses(ops: *mut bpf_sock_ops) -> Option<(Address, Address)> {
    match word!(ops, bpf_sock_ops, family) {
        AF_INET => Some((mapped(word!(ops, bpf_sock_ops, local_ip4)), mapped(word!(ops, bpf_sock_ops, remote_ip4)))),
        AF_INET6 => Some((address!(ops, bpf_sock_ops, local_ip6), address!(ops, bpf_sock_ops, remote_ip6))),
        _ => None,
    }
}

/// Host byte order already.
#[inline(always)]
fn local_port(ops: *mut bpf_sock_ops) -> u16 {
    word!(ops, bpf_sock_ops, local_port) as u16
}

/// The port in network byte order stands in the upper half on little-endian machines.
#[inline(always)]
fn remote_port(ops: *mut bpf_sock_ops) -> u16 {
    u32::from_be(word!(ops, bpf_sock_ops, remote_port)) as u16
}

/// The cgroup of the socket's owner, through the kernel's structures: what runs while a connection is accepted is not that process.
#[inline(always)]
fn cgroup(ops: *mut bpf_sock_ops) -> u64 {
    let sk = pointer!(ops, bpf_sock_ops, __bindgen_anon_2);
    if sk.is_null() {
        return 0;
    }
    // SAFETY: a socket of the context, not null.
    let sock = unsafe { bpf_skc_to_tcp_sock(sk) };
    if sock.is_null() { 0 } else { cgroup_of(sock.cast()) }
}
