//! Blocks of addresses from manifests. For the reader of peers.
//!
//! The API server reads them with `netutils.ParseCIDRSloppy`, which keeps two forms alive that Go's own reader gave
//! up: numbers with leading zeros, and IPv4 blocks in IPv6 notation. It warns about them since 1.34, and so do we.

use super::path::Path;
use super::report::{Report, present};
use super::value::Value;
use crate::error::{Problem, Remark};
use crate::model::IpBlock;
use ipnet::{IpNet, Ipv4Net};
use std::net::IpAddr;

/// Reads `ipBlock`; `None` if its `cidr` is no block.
pub(crate) fn read(report: &mut Report, at: &Path, value: &Value) -> Option<IpBlock> {
    let object = report.object(at, value, &["cidr", "except"])?;
    let cidr_at = at.field("cidr");
    let Some(cidr) = present(object, "cidr") else {
        report.error(&cidr_at, Problem::Missing { advice: "write a block like 192.0.2.0/24 or 2001:db8::/64" });
        return None;
    };
    let cidr = block(report, &cidr_at, cidr)?;
    let list = at.field("except");
    let mut except = Vec::new();
    for (index, value) in report.list(&list, present(object, "except")).iter().enumerate() {
        let at = list.item(index);
        let Some(hole) = block(report, &at, value) else { continue };
        // The API server looks at the first address and compares the prefixes as they are written.
        if !cidr.block.contains(&hole.block.addr()) || hole.written_prefix <= cidr.written_prefix {
            report.error(&at, Problem::ExceptOutsideCidr { except: hole.block, cidr: cidr.block });
        }
        // In mixed notations (`0.0.0.0/8` except `::ffff:0.0.0.0/97`) that admits a hole wider than its block.
        let all = hole.block.prefix_len() < cidr.block.prefix_len();
        except.push(if all { cidr.block } else { hole.block });
    }
    Some(IpBlock { cidr: cidr.block, except })
}

/// A block, its host bits cleared; told where that or its notation is worth a word.
fn block(report: &mut Report, at: &Path, value: &Value) -> Option<Block> {
    let text = report.text(at, value)?;
    let Some(block) = parse(text) else {
        report.error(at, Problem::Cidr { value: text.to_owned() });
        return None;
    };
    let (value, read_as) = (text.to_owned(), block.block);
    match block.form {
        Form::Plain => {}
        Form::HostBits => report.warn(at, Remark::HostBits { value, read_as }),
        Form::Legacy => report.warn(at, Remark::LegacyCidr { value, read_as }),
    }
    Some(block)
}

/// A block as the API server understands it.
struct Block {
    /// The addresses, host bits cleared. IPv4 in IPv6 notation is IPv4.
    block: IpNet,
    /// The prefix length as it is written: up to 128 for IPv4 in IPv6 notation.
    written_prefix: u8,
    form: Form,
}

/// What is to be said about the notation of a block.
enum Form {
    Plain,
    HostBits,
    Legacy,
}

fn parse(text: &str) -> Option<Block> {
    let (address, prefix) = text.split_once('/')?;
    let (short_address, short_prefix) = (without_zeros(address), without_zeros(prefix));
    let zeros = short_address != address || short_prefix != prefix;
    if !short_prefix.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let written_prefix = short_prefix.parse().ok()?;
    let block = IpNet::new(short_address.parse().ok()?, written_prefix).ok()?;
    let mapped = matches!(block.addr(), IpAddr::V6(address) if address.to_ipv4_mapped().is_some());
    let form = match block != block.trunc() {
        _ if zeros || mapped => Form::Legacy,
        true => Form::HostBits,
        false => Form::Plain,
    };
    Some(Block { block: unmapped(block.trunc()), written_prefix, form })
}

/// `::ffff:10.0.0.0/104` holds what 10.0.0.0/8 holds (`net.IPNet.Contains`): a network number that begins with the 96
/// bits of mapped addresses is one of IPv4. With a shorter prefix it is cut off, and no IPv4 address is inside.
fn unmapped(block: IpNet) -> IpNet {
    let mapped = match block {
        IpNet::V6(v6) => v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96)),
        IpNet::V4(_) => None,
    };
    mapped.and_then(|(address, prefix)| Ipv4Net::new(address, prefix).ok()).map_or(block, IpNet::V4)
}

/// The text with each number in it shortened to what it is without leading zeros.
fn without_zeros(text: &str) -> String {
    let mut shortened = String::with_capacity(text.len());
    let mut in_number = false;
    for (index, c) in text.char_indices() {
        let next_is_digit = text.as_bytes().get(index + 1).is_some_and(u8::is_ascii_hexdigit);
        if c == '0' && !in_number && next_is_digit {
            continue;
        }
        in_number = c.is_ascii_hexdigit();
        shortened.push(c);
    }
    shortened
}
