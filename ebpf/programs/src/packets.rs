//! The other way to see UDP: on every packet of every socket, both ways. It counts bytes and needs no knowledge of the
//! kernel's structures, but every packet of every protocol pays for it; the agent takes it only when told to.

use crate::count::{Tally, add, count, last_counted, now};
use crate::maps::netns_cookie_in_skb;
use crate::packet;
use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::{bpf_get_netns_cookie, bpf_skb_cgroup_id};
use aya_ebpf::macros::cgroup_skb;
use aya_ebpf::programs::SkBuffContext;
use netwright_abi::{Address, FlowKey, direction, protocol};

/// As at the sockets: 120 s without a word end a conversation.
const CONVERSATION: u64 = 120_000_000_000;
const UDP_HEADER: usize = 8;

#[cgroup_skb(egress)]
fn packets_egress(ctx: SkBuffContext) -> i32 {
    datagram(&ctx, true);
    1
}

#[cgroup_skb(ingress)]
fn packets_ingress(ctx: SkBuffContext) -> i32 {
    datagram(&ctx, false);
    1
}

#[inline(always)]
fn datagram(ctx: &SkBuffContext, out: bool) -> Option<()> {
    let packet = packet::read(ctx)?;
    if packet.protocol != protocol::UDP {
        return None;
    }
    let (local, remote, local_port, remote_port) = if out {
        (packet.source, packet.destination, packet.source_port, packet.destination_port)
    } else {
        (packet.destination, packet.source, packet.destination_port, packet.source_port)
    };
    if crate::address::is_own(&local, &remote) {
        return None;
    }
    let netns_cookie = namespace(ctx);
    let key = |direction| {
        key(
            netns_cookie,
            local,
            remote,
            if direction == direction::EGRESS { remote_port } else { local_port },
            direction,
        )
    };
    let (mine, theirs) =
        if out { (direction::EGRESS, direction::INGRESS) } else { (direction::INGRESS, direction::EGRESS) };
    let now = now();
    let fresh = |direction| last_counted(&key(direction)).is_some_and(|last| now.wrapping_sub(last) < CONVERSATION);
    let payload = u64::from(ctx.len()).saturating_sub((packet.transport + UDP_HEADER) as u64);
    let tally = Tally { connections: 0, established: 0, bytes: payload };
    if fresh(theirs) {
        add(&key(theirs), tally, now);
    } else if fresh(mine) {
        add(&key(mine), tally, now);
    } else {
        // SAFETY: the context of a program type that may ask for it.
        count(&key(mine), Tally { connections: 1, established: 1, ..tally }, now, || unsafe {
            bpf_skb_cgroup_id(ctx.skb.skb)
        });
    }
    Some(())
}

/// What tells one pod's flows from another's: the namespace, or the cgroup where the kernel does not say.
#[inline(always)]
pub(crate) fn namespace(ctx: &SkBuffContext) -> u64 {
    // SAFETY: the agent has probed which of the two this kernel has.
    unsafe { if netns_cookie_in_skb() { bpf_get_netns_cookie(ctx.as_ptr()) } else { bpf_skb_cgroup_id(ctx.skb.skb) } }
}

#[inline(always)]
fn key(netns_cookie: u64, local: Address, remote: Address, port: u16, direction: u8) -> FlowKey {
    FlowKey { netns_cookie, local, remote, port, remote_port: 0, protocol: protocol::UDP, direction, padding: [0; 2] }
}
