//! The rights that recording takes, and which of them this process lacks.

use std::fs;

/// A capability, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Capability {
    /// As capabilities(7) writes it.
    pub(super) name: &'static str,
    /// Its number (include/uapi/linux/capability.h).
    bit: u32,
    /// Whether CAP_SYS_ADMIN does as well, which it was a part of before Linux 5.8.
    is_of_admin: bool,
    /// What it is needed for: `needed to …`.
    pub(super) purpose: &'static str,
}

/// The ones that are needed: all there are.
pub(super) const NEEDED: [Capability; 3] = [
    Capability { name: "CAP_BPF", bit: 39, is_of_admin: true, purpose: "load programs and make maps" },
    Capability {
        name: "CAP_PERFMON",
        bit: 38,
        is_of_admin: true,
        purpose: "read packets and kernel structures in them",
    },
    Capability { name: "CAP_NET_ADMIN", bit: 12, is_of_admin: false, purpose: "attach them to cgroups" },
];

const SYS_ADMIN: u32 = 21;

impl Capability {
    /// Whether this process has it, or one that it is a part of.
    pub(super) fn is_held(self) -> bool {
        self.is_among(effective(&fs::read_to_string("/proc/self/status").unwrap_or_default()))
    }

    fn is_among(self, set: u64) -> bool {
        let has = |bit: u32| set >> bit & 1 == 1;
        has(self.bit) || self.is_of_admin && has(SYS_ADMIN)
    }
}

/// Makes of an error from the kernel what to do about it, where rights are what is missing: the kernel says no more than that it will not.
pub(super) fn explain(error: anyhow::Error) -> anyhow::Error {
    let missing: Vec<String> = NEEDED
        .into_iter()
        .filter(|capability| !capability.is_held())
        .map(|capability| format!("{} (needed to {})", capability.name, capability.purpose))
        .collect();
    if missing.is_empty() {
        return error;
    }
    tracing::debug!("{error:#}");
    anyhow::anyhow!("cannot watch without {}: grant this to the agent, or run it as root", missing.join(" and "))
}

/// The effective set in the text of `/proc/PID/status`.
fn effective(status: &str) -> u64 {
    status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_set_is_read() {
        assert_eq!(effective("CapPrm:\tffff\nCapEff:\t0000000000001000\n"), 1 << 12);
        assert_eq!(effective("Name:\tx\n"), 0);
    }

    #[test]
    fn the_older_larger_right_stands_for_two() {
        let held = |set: u64| NEEDED.map(|capability| capability.is_among(set));
        assert_eq!(held(1 << SYS_ADMIN), [true, true, false]);
        assert_eq!(held(1 << 39 | 1 << 12), [true, false, true]);
    }
}
