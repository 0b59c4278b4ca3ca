//! Loads from a program's context, each as one instruction with a constant offset.
//!
//! The verifier takes no other form, and LLVM merges loads of different arms (volatile or not) into one at a
//! computed offset. Written as assembly, they stay apart.

/// The field `$field` of the context `$context`, which is a pointer to `$type`; `u32` fields.
macro_rules! word {
    ($context:expr, $type:ty, $field:ident) => {
        $crate::context::word!($context, $type, $field, 0)
    };
    ($context:expr, $type:ty, $field:ident, $index:literal) => {
        $crate::context::register!($context, $type, $field, $index) as u32
    };
}

/// The same as the whole register: a packet's bounds are declared as words, and become pointers when they are loaded.
macro_rules! register {
    ($context:expr, $type:ty, $field:ident, $index:literal) => {{
        let context: *mut $type = $context;
        let value: u64;
        // SAFETY: reads a field of the context, which the verifier checks.
        unsafe {
            core::arch::asm!(
                "{value} = *(u32 *)({context} + {offset})",
                value = out(reg) value,
                context = in(reg) context,
                offset = const core::mem::offset_of!($type, $field) + 4 * $index,
                options(nostack, readonly, preserves_flags),
            );
        }
        value
    }};
}

/// Four words as an address: two by two, as they lie in memory on this little-endian target.
macro_rules! address {
    ($context:expr, $type:ty, $field:ident) => {
        [
            $crate::context::register!($context, $type, $field, 0)
                | $crate::context::register!($context, $type, $field, 1) << 32,
            $crate::context::register!($context, $type, $field, 2)
                | $crate::context::register!($context, $type, $field, 3) << 32,
        ]
    };
}

/// A pointer in the context.
macro_rules! pointer {
    ($context:expr, $type:ty, $field:ident) => {{
        let context: *mut $type = $context;
        let value: u64;
        // SAFETY: as for a word.
        unsafe {
            core::arch::asm!(
                "{value} = *(u64 *)({context} + {offset})",
                value = out(reg) value,
                context = in(reg) context,
                offset = const core::mem::offset_of!($type, $field),
                options(nostack, readonly, preserves_flags),
            );
        }
        value as *mut core::ffi::c_void
    }};
}

pub(crate) use {address, pointer, register, word};
