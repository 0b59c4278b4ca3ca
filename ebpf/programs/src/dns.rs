//! DNS answers, copied to a ring of their own: on their way out of the cgroup of a DNS server, or on their way into a pod
//! that asks a resolver elsewhere. No other cgroup carries these programs.

use crate::count::{counters, now};
use crate::maps::{DNS, DNS_SCRATCH};
use crate::packet::{self, Packet};
use aya_ebpf::bindings::BPF_RB_NO_WAKEUP;
use aya_ebpf::helpers::generated::{bpf_ringbuf_output, bpf_skb_load_bytes};
use aya_ebpf::macros::cgroup_skb;
use aya_ebpf::programs::SkBuffContext;
use core::hint::black_box;
use core::mem::offset_of;
use core::ptr;
use netwright_abi::{DNS_PAYLOAD, DnsAnswer, DnsHead, protocol};

const DNS_PORT: u16 = 53;
const UDP_HEADER: usize = 8;
/// A DNS header (RFC 1035, 4.1.1): anything shorter is no answer.
const SHORTEST: usize = 12;

/// On the cgroup of a DNS server.
#[cgroup_skb(egress)]
fn dns_egress(ctx: SkBuffContext) -> i32 {
    copy_answer(&ctx);
    1
}

/// On the cgroup of a pod that asks a resolver which no agent watches.
#[cgroup_skb(ingress)]
fn dns_ingress(ctx: SkBuffContext) -> i32 {
    copy_answer(&ctx);
    1
}

#[inline(always)]
fn copy_answer(ctx: &SkBuffContext) -> Option<()> {
    let packet = packet::read(ctx)?;
    if packet.protocol != protocol::UDP && packet.protocol != protocol::TCP {
        return None;
    }
    if packet.source_port != DNS_PORT {
        return None;
    }
    let message = packet.transport + transport_header(ctx, &packet)?;
    let length = (ctx.len() as usize).checked_sub(message).filter(|length| *length >= SHORTEST)?;
    copy(ctx, &packet, message, length)
}

#[inline(always)]
fn transport_header(ctx: &SkBuffContext, packet: &Packet) -> Option<usize> {
    if packet.protocol == protocol::UDP {
        return Some(UDP_HEADER);
    }
    // The data offset of TCP (RFC 9293, 3.1), in words, in the upper half of byte 12.
    let offset: u8 = ctx.load(packet.transport + 12).ok()?;
    Some(usize::from(offset >> 4) * 4)
}

#[inline(always)]
fn copy(ctx: &SkBuffContext, packet: &Packet, message: usize, length: usize) -> Option<()> {
    let counters = counters()?;
    counters.dns_seen += 1;
    let answer = DNS_SCRATCH.get_ptr_mut(0)?;
    // Hidden from the optimiser, or it proves the check away that the verifier wants to see.
    let copied = black_box(length.min(DNS_PAYLOAD));
    if copied == 0 || copied > DNS_PAYLOAD {
        return None;
    }
    if length > DNS_PAYLOAD {
        counters.dns_clipped += 1;
    }
    // SAFETY: a per-CPU slot. On both hooks a program on the same CPU may come in between only from an interrupt, with an answer of its own: then
    // one of the two is damaged, and counted where it is parsed.
    unsafe {
        (&raw mut (*answer).head).write(DnsHead {
            time: now(),
            client: packet.destination,
            server: packet.source,
            length: copied as u32,
            original_length: length as u32,
            protocol: packet.protocol,
            padding: [0; 7],
        });
        let payload = (&raw mut (*answer).payload).cast();
        if bpf_skb_load_bytes(ctx.skb.skb.cast(), message as u32, payload, copied as u32) != 0 {
            return None;
        }
        let ring = ptr::from_ref(&DNS).cast_mut().cast();
        let size = (offset_of!(DnsAnswer, payload) + copied) as u64;
        if bpf_ringbuf_output(ring, answer.cast(), size, u64::from(BPF_RB_NO_WAKEUP)) != 0 {
            counters.dns_ring_full += 1;
        }
    }
    Some(())
}
