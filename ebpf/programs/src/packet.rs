//! The headers of a packet, for the hooks that see packets.

use aya_ebpf::programs::SkBuffContext;
use netwright_abi::{Address, mapped};

const IPV6_HEADER: usize = 40;

/// What the network header says.
pub(crate) struct Packet {
    /// The source address.
    pub(crate) source: Address,
    /// The destination address.
    pub(crate) destination: Address,
    /// The transport protocol.
    pub(crate) protocol: u8,
    /// Where the transport header begins.
    pub(crate) transport: usize,
}

/// Ports and length of a UDP header (RFC 768), or the ports of TCP or SCTP: host byte order.
pub(crate) struct Ports {
    /// The source port.
    pub(crate) source: u16,
    /// The destination port.
    pub(crate) destination: u16,
}

/// Reads the network header. `None` for what is not IP, for later fragments (they have no transport header), and for IPv6 with
/// extension headers, which no datagram of DNS, UDP or SCTP carries but in fragments.
#[inline(always)]
pub(crate) fn read(ctx: &SkBuffContext) -> Option<Packet> {
    let first: u8 = ctx.load(0).ok()?;
    match first >> 4 {
        4 => ipv4(ctx, first),
        6 => ipv6(ctx),
        _ => None,
    }
}

/// Reads the ports that begin the transport header.
#[inline(always)]
pub(crate) fn ports(ctx: &SkBuffContext, packet: &Packet) -> Option<Ports> {
    let [a, b, c, d]: [u8; 4] = ctx.load(packet.transport).ok()?;
    Some(Ports { source: u16::from_be_bytes([a, b]), destination: u16::from_be_bytes([c, d]) })
}

#[inline(always)]
fn ipv4(ctx: &SkBuffContext, first: u8) -> Option<Packet> {
    let fragment: u16 = ctx.load(6).ok()?;
    if u16::from_be(fragment) & 0x1fff != 0 {
        return None;
    }
    Some(Packet {
        source: mapped(ctx.load(12).ok()?),
        destination: mapped(ctx.load(16).ok()?),
        protocol: ctx.load(9).ok()?,
        transport: usize::from(first & 0xf) * 4,
    })
}

#[inline(always)]
fn ipv6(ctx: &SkBuffContext) -> Option<Packet> {
    Some(Packet {
        source: ctx.load(8).ok()?,
        destination: ctx.load(24).ok()?,
        protocol: ctx.load(6).ok()?,
        transport: IPV6_HEADER,
    })
}
