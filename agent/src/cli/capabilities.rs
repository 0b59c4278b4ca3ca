//! The rights that recording takes, and which of them this process lacks.

use std::fs;

/// A capability, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Capability {
    /// As capabilities(7) writes it.
    pub(super) name: &'static str,
    /// Its number (include/uapi/linux/capability.h).
    bit: u32,
    /// What it is needed for: `needed to …`.
    pub(super) purpose: &'static str,
}

/// The ones that are needed: all there are.
pub(super) const NEEDED: [Capability; 3] = [
    Capability { name: "CAP_BPF", bit: 39, purpose: "load programs and make maps" },
    Capability { name: "CAP_PERFMON", bit: 38, purpose: "read packets and kernel structures in them" },
    Capability { name: "CAP_NET_ADMIN", bit: 12, purpose: "attach them to cgroups" },
];

impl Capability {
    /// Whether this process has it.
    pub(super) fn is_held(self) -> bool {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        effective(&status) >> self.bit & 1 == 1
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
}
