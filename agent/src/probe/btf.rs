//! Where the running kernel keeps a field: byte offsets from its BTF.
//!
//! A reader for the two things asked of it (a member's offset, a member's type), over the format of
//! Documentation/bpf/btf.rst. The libraries that do more either keep struct members to themselves or are not under a licence we can link.

use netwright_abi::Offsets;
use std::fs;

const VMLINUX: &str = "/sys/kernel/btf/vmlinux";
const MAGIC: u16 = 0xeb9f;
const HEADER: usize = 24;
const TYPE_HEADER: usize = 12;

const KIND_INT: u32 = 1;
const KIND_PTR: u32 = 2;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_TYPEDEF: u32 = 8;
const KIND_VOLATILE: u32 = 9;
const KIND_CONST: u32 = 10;
const KIND_RESTRICT: u32 = 11;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;
const KIND_DECL_TAG: u32 = 17;
const KIND_TYPE_TAG: u32 = 18;
const KIND_ENUM64: u32 = 19;

/// Why the kernel's structures are not known.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    /// No BTF: the kernel was built without `CONFIG_DEBUG_INFO_BTF`.
    #[error("cannot read {VMLINUX} (a kernel built with CONFIG_DEBUG_INFO_BTF has it): {0}")]
    Unreadable(#[from] std::io::Error),
    /// Not BTF, or damaged.
    #[error("{VMLINUX} is not valid BTF at byte {0}")]
    Malformed(usize),
    /// A structure has another shape than any known kernel's.
    #[error("this kernel's BTF has no `{0}`")]
    Missing(String),
}

/// The offsets that the hooks need. Reads about 5 MB once; O(types).
pub fn offsets() -> Result<Offsets, BtfError> {
    let data = fs::read(VMLINUX)?;
    let types = Types::parse(&data)?;
    let offset = |path: &str| types.offset(path);
    Ok(Offsets {
        sock_cgroup: offset("sock.sk_cgrp_data.cgroup")?,
        cgroup_kn: offset("cgroup.kn")?,
        kernfs_id: offset("kernfs_node.id")?,
        sock_incoming_cpu: offset("sock.__sk_common.skc_incoming_cpu")?,
    })
}

/// The type section, with the position of each type.
struct Types<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// `positions[id - 1]` is where type `id` stands.
    positions: Vec<usize>,
}

impl<'a> Types<'a> {
    fn parse(data: &'a [u8]) -> Result<Self, BtfError> {
        let word = |at: usize| word(data, at).ok_or(BtfError::Malformed(at));
        if data.get(..2) != Some(&MAGIC.to_ne_bytes()) {
            return Err(BtfError::Malformed(0));
        }
        let header = word(4)? as usize;
        let section = |offset: usize, length: usize| {
            let from = header.checked_add(offset)?;
            data.get(from..from.checked_add(length)?)
        };
        let types = section(word(8)? as usize, word(12)? as usize).ok_or(BtfError::Malformed(8))?;
        let strings = section(word(16)? as usize, word(20)? as usize).ok_or(BtfError::Malformed(16))?;
        let mut parsed = Self { types, strings, positions: Vec::new() };
        let mut at = 0;
        while at < types.len() {
            parsed.positions.push(at);
            at += parsed.size(at).ok_or(BtfError::Malformed(HEADER + at))?;
        }
        Ok(parsed)
    }

    fn kind(&self, at: usize) -> Option<u32> {
        Some(word(self.types, at + 4)? >> 24 & 0x1f)
    }

    fn entries(&self, at: usize) -> Option<usize> {
        Some((word(self.types, at + 4)? & 0xffff) as usize)
    }

    /// How many bytes the type takes.
    fn size(&self, at: usize) -> Option<usize> {
        let entries = self.entries(at)?;
        let tail = match self.kind(at)? {
            KIND_INT | KIND_VAR | KIND_DECL_TAG => 4,
            KIND_ARRAY => 12,
            KIND_STRUCT | KIND_UNION | KIND_DATASEC | KIND_ENUM64 => 12 * entries,
            KIND_ENUM | KIND_FUNC_PROTO => 8 * entries,
            _ => 0,
        };
        Some(TYPE_HEADER + tail)
    }

    fn name(&self, at: usize) -> Option<&'a [u8]> {
        self.string(word(self.types, at)? as usize)
    }

    fn string(&self, at: usize) -> Option<&'a [u8]> {
        self.strings.get(at..)?.split(|byte| *byte == 0).next()
    }

    /// The offset in bytes of `structure.member.member…`.
    fn offset(&self, path: &str) -> Result<u32, BtfError> {
        let missing = || BtfError::Missing(path.to_owned());
        let mut parts = path.split('.');
        let structure = parts.next().unwrap_or_default().as_bytes();
        let mut at = *self
            .positions
            .iter()
            .find(|at| self.kind(**at) == Some(KIND_STRUCT) && self.name(**at) == Some(structure))
            .ok_or_else(missing)?;
        let mut bits = 0;
        for member in parts {
            let (offset, next) = self.member(at, member.as_bytes(), 0).ok_or_else(missing)?;
            bits += offset;
            at = next;
        }
        Ok(bits / 8)
    }

    /// The offset in bits of a member, looked for in nameless members too, and the type it has.
    fn member(&self, at: usize, name: &[u8], depth: usize) -> Option<(u32, usize)> {
        const DEEPEST: usize = 8;
        if depth > DEEPEST || !matches!(self.kind(at)?, KIND_STRUCT | KIND_UNION) {
            return None;
        }
        let flagged = word(self.types, at + 4)? >> 31 == 1;
        (0..self.entries(at)?).find_map(|index| {
            let entry = at + TYPE_HEADER + 12 * index;
            let offset = word(self.types, entry + 8)?;
            // With the flag the upper eight bits are the size of a bit field.
            let offset = if flagged { offset & 0x00ff_ffff } else { offset };
            let own_name = self.string(word(self.types, entry)? as usize)?;
            let of_type = self.resolve(word(self.types, entry + 4)?);
            if own_name == name {
                // A member that is no structure has no members: its own position never matches one.
                return Some((offset, of_type.unwrap_or(at)));
            }
            let (inner, of_type) = own_name.is_empty().then(|| self.member(of_type?, name, depth + 1)).flatten()?;
            Some((offset + inner, of_type))
        })
    }

    /// The type itself, behind names and qualifiers.
    fn resolve(&self, id: u32) -> Option<usize> {
        let mut id = id;
        for _ in 0..32 {
            let at = *self.positions.get((id as usize).checked_sub(1)?)?;
            match self.kind(at)? {
                KIND_TYPEDEF | KIND_VOLATILE | KIND_CONST | KIND_RESTRICT | KIND_TYPE_TAG => {
                    id = word(self.types, at + 8)?;
                }
                KIND_PTR => return None,
                _ => return Some(at),
            }
        }
        None
    }
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_fields_of_the_running_kernel() {
        if !std::path::Path::new(VMLINUX).exists() {
            eprintln!("skipped: no {VMLINUX}");
            return;
        }
        assert!(offsets().unwrap().sock_cgroup > 0);
        // A socket begins with its addresses, which is relied on by others too.
        let data = fs::read(VMLINUX).unwrap();
        let types = Types::parse(&data).unwrap();
        assert_eq!(types.offset("sock.__sk_common.skc_daddr").unwrap(), 0);
        assert_eq!(types.offset("sock.__sk_common.skc_num").unwrap(), 14);
        assert!(types.offset("sock.no_such_member").is_err());
    }

    #[test]
    fn damaged_input_is_an_error() {
        for data in [&b""[..], b"\x9f\xeb", b"not btf at all, but long enough to be looked at", &[0xff; 64]] {
            assert!(Types::parse(data).is_err());
        }
        let mut huge = vec![0; 24];
        huge[..2].copy_from_slice(&MAGIC.to_ne_bytes());
        huge[12..16].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert!(Types::parse(&huge).is_err());
    }
}
