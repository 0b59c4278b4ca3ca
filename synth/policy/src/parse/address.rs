//! Blocks of addresses from manifests. For the reader of peers.

use super::path::Path;
use super::report::{Report, present};
use crate::error::{Problem, Remark};
use crate::model::IpBlock;
use ipnet::IpNet;
use serde_yaml::Value;

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
        if !cidr.contains(&hole) || hole.prefix_len() <= cidr.prefix_len() {
            report.error(&at, Problem::ExceptOutsideCidr { except: hole, cidr });
        }
        except.push(hole);
    }
    Some(IpBlock { cidr, except })
}

/// A block, its host bits cleared.
fn block(report: &mut Report, at: &Path, value: &Value) -> Option<IpNet> {
    let text = report.text(at, value)?;
    match parse(text) {
        Ok(block) => {
            if block != block.trunc() {
                report.warn(at, Remark::HostBits { value: text.to_owned(), read_as: block.trunc() });
            }
            Some(block.trunc())
        }
        Err(problem) => {
            report.error(at, problem);
            None
        }
    }
}

/// Two forms that the API server still lets pass (with a warning since 1.34) are refused: programs disagree about
/// which addresses they are, so there is no one meaning to prove.
fn parse(text: &str) -> Result<IpNet, Problem> {
    let ambiguous = |advice| Problem::AmbiguousCidr { value: text.to_owned(), advice };
    if has_leading_zero(text) {
        return Err(ambiguous("leave out the leading zeros"));
    }
    let block: IpNet = text.parse().map_err(|_| Problem::Cidr { value: text.to_owned() })?;
    match block {
        IpNet::V6(block) if block.addr().to_ipv4_mapped().is_some() => Err(ambiguous("write the IPv4 block")),
        _ => Ok(block),
    }
}

/// Whether it is an IPv4 block in which a number of several digits begins with 0: some read it as octal.
fn has_leading_zero(text: &str) -> bool {
    !text.contains(':')
        && text.split(['.', '/']).any(|number| {
            number.len() > 1 && number.starts_with('0') && number.bytes().all(|byte| byte.is_ascii_digit())
        })
}
