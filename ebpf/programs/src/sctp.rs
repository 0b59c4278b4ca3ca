//! SCTP by the first packets of an association. Attached at the root, and only on hosts whose kernel has SCTP at all.

use crate::address::is_own;
use crate::count::{Tally, count, now};
use crate::packet;
use crate::packets::namespace;
use aya_ebpf::helpers::generated::bpf_skb_cgroup_id;
use aya_ebpf::macros::cgroup_skb;
use aya_ebpf::programs::SkBuffContext;
use netwright_abi::{FlowKey, direction, protocol};

/// The common header of SCTP (RFC 9260, 3.1); the type of the first chunk follows.
const COMMON_HEADER: usize = 12;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;

#[cgroup_skb(egress)]
fn sctp_egress(ctx: SkBuffContext) -> i32 {
    handshake(&ctx, true);
    1
}

#[cgroup_skb(ingress)]
fn sctp_ingress(ctx: SkBuffContext) -> i32 {
    handshake(&ctx, false);
    1
}

#[inline(always)]
fn handshake(ctx: &SkBuffContext, out: bool) -> Option<()> {
    let packet = packet::read(ctx)?;
    if packet.protocol != protocol::SCTP {
        return None;
    }
    let chunk: u8 = ctx.load(packet.transport + COMMON_HEADER).ok()?;
    // The client sends INIT and receives INIT ACK; for the server it is the other way round.
    let (direction, tally) = match (chunk, out) {
        (INIT, true) => (direction::EGRESS, Tally::ATTEMPT),
        (INIT_ACK, false) => (direction::EGRESS, Tally::ANSWER),
        (INIT, false) => (direction::INGRESS, Tally::ATTEMPT),
        (INIT_ACK, true) => (direction::INGRESS, Tally::ANSWER),
        _ => return None,
    };
    let (local, remote) = if out { (packet.source, packet.destination) } else { (packet.destination, packet.source) };
    if is_own(&local, &remote) {
        return None;
    }
    let server_port = if chunk == INIT { packet.destination_port } else { packet.source_port };
    let key = FlowKey {
        netns_cookie: namespace(ctx),
        local,
        remote,
        port: server_port,
        remote_port: 0,
        protocol: protocol::SCTP,
        direction,
        padding: [0; 2],
    };
    // SAFETY: the context of a program type that may ask for it.
    count(&key, tally, now(), || unsafe { bpf_skb_cgroup_id(ctx.skb.skb) });
    Some(())
}
