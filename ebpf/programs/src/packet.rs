//! The headers of a packet, for the hooks that see packets.
//!
//! Where these hooks run, the kernel has parsed the headers itself and left them in one piece: they are read in place, word by
//! word, which costs a bounds check and no call.

use crate::context::register;
use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::programs::SkBuffContext;
use core::arch::asm;
use netwright_abi::{Address, mapped};

const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
const PORTS: usize = 4;

/// What the network header says, and the ports: UDP, TCP and SCTP begin with them.
pub(crate) struct Packet {
    /// The source address.
    pub(crate) source: Address,
    /// The destination address.
    pub(crate) destination: Address,
    /// The transport protocol.
    pub(crate) protocol: u8,
    /// Where the transport header begins.
    pub(crate) transport: usize,
    /// The source port, host byte order.
    pub(crate) source_port: u16,
    /// The destination port, host byte order.
    pub(crate) destination_port: u16,
}

/// Reads the headers. `None` for what is not IP, for later fragments (they have no transport header), and for IPv6 with
/// extension headers, which no datagram of DNS, UDP or SCTP carries but in fragments.
#[inline(always)]
pub(crate) fn read(ctx: &SkBuffContext) -> Option<Packet> {
    let start = register!(ctx.skb.skb, __sk_buff, data, 0) as usize;
    let end = register!(ctx.skb.skb, __sk_buff, data_end, 0) as usize;
    if start + IPV4_HEADER + PORTS > end {
        return None;
    }
    match word::<0>(start) >> 4 & 0xf {
        4 => ipv4(ctx, start),
        6 if start + IPV6_HEADER + PORTS <= end => Some(ipv6(start)),
        _ => None,
    }
}

/// RFC 791. Words are in memory order: the first byte is the lowest.
#[inline(always)]
fn ipv4(ctx: &SkBuffContext, start: usize) -> Option<Packet> {
    let fragment = word::<4>(start) >> 16;
    if fragment & 0x1f != 0 || fragment >> 8 != 0 {
        return None;
    }
    let transport = (word::<0>(start) & 0xf) as usize * 4;
    // Options are rare; a call reads what lies behind them.
    let ports = if transport == IPV4_HEADER { word::<20>(start) } else { ctx.load(transport).ok()? };
    Some(Packet {
        source: mapped(word::<12>(start)),
        destination: mapped(word::<16>(start)),
        protocol: (word::<8>(start) >> 8) as u8,
        transport,
        source_port: u16::from_be(ports as u16),
        destination_port: u16::from_be((ports >> 16) as u16),
    })
}

/// RFC 8200.
#[inline(always)]
fn ipv6(start: usize) -> Packet {
    let ports = word::<40>(start);
    Packet {
        source: [two::<8, 12>(start), two::<16, 20>(start)],
        destination: [two::<24, 28>(start), two::<32, 36>(start)],
        protocol: (word::<4>(start) >> 16) as u8,
        transport: IPV6_HEADER,
        source_port: u16::from_be(ports as u16),
        destination_port: u16::from_be((ports >> 16) as u16),
    }
}

/// A word of the packet as one instruction: an IP header may lie at any even address, and for that the compiler would take
/// bytes one by one.
#[inline(always)]
fn word<const OFFSET: usize>(start: usize) -> u32 {
    let value: u64;
    // SAFETY: the verifier refuses the program unless the bounds were checked before.
    unsafe {
        asm!(
            "{value} = *(u32 *)({start} + {offset})",
            value = out(reg) value,
            start = in(reg) start,
            offset = const OFFSET,
            options(nostack, readonly, preserves_flags),
        );
    }
    value as u32
}

#[inline(always)]
fn two<const FIRST: usize, const SECOND: usize>(start: usize) -> u64 {
    u64::from(word::<FIRST>(start)) | u64::from(word::<SECOND>(start)) << 32
}
