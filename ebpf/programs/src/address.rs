//! What is asked of addresses in the one form that keys use.

use netwright_abi::Address;

/// Loopback, or a pod that talks to its own address: never crosses anything a policy governs.
#[inline(always)]
pub(crate) fn is_own(local: &Address, remote: &Address) -> bool {
    is_loopback(remote) || local == remote
}

/// 127.0.0.0/8 or ::1.
#[inline(always)]
pub(crate) fn is_loopback(address: &Address) -> bool {
    const IPV6: u64 = u64::to_be(1);
    const IPV4: u64 = u64::to_be(0x0000_ffff_7f00_0000);
    const IPV4_MASK: u64 = u64::to_be(0xffff_ffff_ff00_0000);
    let [high, low] = *address;
    high == 0 && (low == IPV6 || low & IPV4_MASK == IPV4)
}
