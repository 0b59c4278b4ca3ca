//! Reading a whole hash map with a few system calls. One look-up a key would be two calls an entry.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// `BPF_MAP_LOOKUP_BATCH` of `enum bpf_cmd` (include/uapi/linux/bpf.h, since Linux 5.6).
const LOOKUP_BATCH: libc::c_long = 24;
/// Entries asked for at once. A bucket with more makes the kernel say ENOSPC.
const ENTRIES: usize = 4096;

/// `union bpf_attr`, the part for batches.
#[repr(C)]
struct Attributes {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// Types that are plain bytes: no padding, every pattern valid.
///
/// # Safety
/// `repr(C)`, without padding, of integers only.
pub(super) unsafe trait Plain: Copy {}

// SAFETY: the layouts are asserted, and their padding spelt out, in netwright-abi.
unsafe impl Plain for netwright_abi::FlowKey {}
// SAFETY: as above.
unsafe impl Plain for netwright_abi::FlowValue {}

/// Every entry of a hash map with keys `K` and values `V`, each once, while others write to it: what is inserted meanwhile
/// may be missed, what was there before is not.
pub(super) fn entries<K: Plain + Default, V: Plain + Default>(map: BorrowedFd<'_>) -> io::Result<Vec<(K, V)>> {
    let mut found = Vec::new();
    let mut keys = vec![K::default(); ENTRIES];
    let mut values = vec![V::default(); ENTRIES];
    // The kernel keeps its place (a bucket number) here; it is opaque and at most a key long.
    let mut place = [0u64; 16];
    let mut first = true;
    loop {
        let mut next = [0u64; 16];
        let mut attributes = Attributes {
            in_batch: if first { 0 } else { place.as_ptr() as u64 },
            out_batch: next.as_mut_ptr() as u64,
            keys: keys.as_mut_ptr() as u64,
            values: values.as_mut_ptr() as u64,
            count: u32::try_from(keys.len()).unwrap_or(u32::MAX),
            map_fd: map.as_raw_fd().unsigned_abs(),
            elem_flags: 0,
            flags: 0,
        };
        // SAFETY: the buffers live across the call and hold `count` entries of the sizes the map was made with.
        let result =
            unsafe { libc::syscall(libc::SYS_bpf, LOOKUP_BATCH, &raw mut attributes, size_of::<Attributes>()) };
        let error = (result != 0).then(io::Error::last_os_error);
        match error.as_ref().map(io::Error::raw_os_error) {
            // A bucket holds more than there is room for: try again with more, from the same place.
            Some(Some(libc::ENOSPC)) => {
                keys.resize(keys.len() * 2, K::default());
                values.resize(values.len() * 2, V::default());
                continue;
            }
            Some(Some(libc::ENOENT)) | None => {}
            Some(_) => return Err(error.unwrap_or_else(io::Error::last_os_error)),
        }
        let count = attributes.count as usize;
        found.extend(keys.iter().copied().zip(values.iter().copied()).take(count));
        if error.is_some() {
            return Ok(found);
        }
        place = next;
        first = false;
    }
}
