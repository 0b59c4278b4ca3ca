//! The headers of a packet, for the hooks that see packets.
//!
//! Where these hooks run, the kernel has parsed the headers itself and left them in one piece: they are read in
//! place, which costs a bounds check and no call.

use crate::context::register;
use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::programs::SkBuffContext;
use netwright_abi::{Address, MAPPED_PREFIX};

const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
/// The longest header of IPv4: 15 words.
const IPV4_OPTIONS: usize = 60;

/// What the network header says, and the first words of the transport header.
pub(crate) struct Packet {
    /// The source address.
    pub(crate) source: Address,
    /// The destination address.
    pub(crate) destination: Address,
    /// The transport protocol.
    pub(crate) protocol: u8,
    /// Where the transport header begins.
    pub(crate) transport: usize,
    /// The source port, host byte order: UDP, TCP and SCTP begin with their ports.
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
    if at::<[u8; IPV4_HEADER]>(start, end, 0)?.first()? >> 4 == 4 { ipv4(ctx, start, end) } else { ipv6(start, end) }
}

/// A part of the packet, if it is there as a whole.
#[inline(always)]
fn at<'a, T>(start: usize, end: usize, offset: usize) -> Option<&'a T> {
    if start + offset + size_of::<T>() > end {
        return None;
    }
    // SAFETY: within the packet, as the verifier checks anew; bytes only, so any alignment will do.
    Some(unsafe { &*((start + offset) as *const T) })
}

#[inline(always)]
fn ipv4(ctx: &SkBuffContext, start: usize, end: usize) -> Option<Packet> {
    let header: &[u8; IPV4_HEADER] = at(start, end, 0)?;
    if header[6] & 0x1f != 0 || header[7] != 0 {
        return None;
    }
    let transport = usize::from(header[0] & 0xf) * 4;
    let ports: [u8; 4] = if transport == IPV4_HEADER {
        *at(start, end, IPV4_HEADER)?
    } else if transport <= IPV4_OPTIONS {
        ctx.load(transport).ok()?
    } else {
        return None;
    };
    Some(Packet {
        source: mapped([header[12], header[13], header[14], header[15]]),
        destination: mapped([header[16], header[17], header[18], header[19]]),
        protocol: header[9],
        transport,
        source_port: u16::from_be_bytes([ports[0], ports[1]]),
        destination_port: u16::from_be_bytes([ports[2], ports[3]]),
    })
}

#[inline(always)]
fn ipv6(start: usize, end: usize) -> Option<Packet> {
    let version: &u8 = at(start, end, 0)?;
    if version >> 4 != 6 {
        return None;
    }
    let ports: [u8; 4] = *at(start, end, IPV6_HEADER)?;
    Some(Packet {
        source: *at(start, end, 8)?,
        destination: *at(start, end, 24)?,
        protocol: *at(start, end, 6)?,
        transport: IPV6_HEADER,
        source_port: u16::from_be_bytes([ports[0], ports[1]]),
        destination_port: u16::from_be_bytes([ports[2], ports[3]]),
    })
}

#[inline(always)]
fn mapped(ipv4: [u8; 4]) -> Address {
    let [a, b, c, d] = ipv4;
    let mut address = [0; 16];
    address[..12].copy_from_slice(&MAPPED_PREFIX);
    address[12] = a;
    address[13] = b;
    address[14] = c;
    address[15] = d;
    address
}
