//! The kernel's own structures, read at the offsets the agent found in its BTF.

use crate::maps::offsets;
use aya_ebpf::helpers::bpf_probe_read_kernel;
use core::ptr::read_volatile;

/// The value of a field of the offsets.
macro_rules! offset {
    ($field:ident) => {{
        #[allow(unused_unsafe)] // Also used where the code around it is unsafe for another reason.
        // SAFETY: a field of a static.
        let offset = unsafe { read_volatile(&raw const (*offsets()).$field) as usize };
        offset
    }};
}

/// The id of the cgroup of a `struct sock`, which is the inode number of the cgroup's directory; 0 if the offsets are unknown.
///
/// The way for hooks that do not run in the process that owns the socket.
#[inline(always)]
pub(crate) fn cgroup_of(sock: *const u8) -> u64 {
    if offset!(sock_cgroup) == 0 {
        return 0;
    }
    // SAFETY: a read that fails is an error, not a fault.
    unsafe {
        let Ok(cgroup) = bpf_probe_read_kernel(sock.add(offset!(sock_cgroup)).cast::<*const u8>()) else { return 0 };
        let Ok(node) = bpf_probe_read_kernel(cgroup.add(offset!(cgroup_kn)).cast::<*const u8>()) else { return 0 };
        bpf_probe_read_kernel(node.add(offset!(kernfs_id)).cast()).unwrap_or(0)
    }
}

/// Whether a connected UDP socket has received anything. Without offsets: assumed.
#[inline(always)]
pub(crate) fn has_received(sock: *const u8) -> bool {
    const NEVER: i32 = -1;
    if offset!(sock_incoming_cpu) == 0 {
        return true;
    }
    // SAFETY: as above.
    unsafe { bpf_probe_read_kernel(sock.add(offset!(sock_incoming_cpu)).cast::<i32>()) }.is_ok_and(|cpu| cpu != NEVER)
}
