//! What zstd unpacks with, kept from one file to the next: a segment of an agent is a few kilobytes, and a context of its own for each,
//! megabytes large, would take longer to make than all of the unpacking.

use std::cell::Cell;
use zstd::zstd_safe::{DCtx, ResetDirective};

/// A larger one is not kept, in bytes. What is written here has a window of 2 MiB.
const MOST_KEPT: usize = 4 << 20;

thread_local! {
    static KEPT: Cell<Option<DCtx<'static>>> = const { Cell::new(None) };
}

/// Does `work` with a context that nobody else uses, set to what zstd starts with. Each thread keeps one.
pub fn with_context<R>(work: impl FnOnce(&mut DCtx<'static>) -> R) -> R {
    let mut context = KEPT.take().unwrap_or_else(DCtx::create);
    let result = work(&mut context);
    // After an error in the middle of a frame, the next one would be taken for its rest.
    if context.sizeof() <= MOST_KEPT && context.reset(ResetDirective::SessionAndParameters).is_ok() {
        KEPT.set(Some(context));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use zstd::stream::read::Decoder;

    #[test]
    fn what_was_cut_short_or_had_another_window_leaves_no_trace() {
        let text = b"a segment".repeat(1000);
        let packed = zstd::encode_all(text.as_slice(), 3).unwrap();
        let half = packed.get(..packed.len() / 2).unwrap();
        let mut unpacked = Vec::new();
        with_context(|context| Decoder::with_context(half, context).read_to_end(&mut unpacked)).unwrap_err();
        let narrow = |context: &mut DCtx<'static>| {
            let mut decoder = Decoder::with_context(packed.as_slice(), context);
            decoder.window_log_max(10).unwrap();
            decoder.read_to_end(&mut Vec::new())
        };
        with_context(narrow).unwrap_err();
        unpacked.clear();
        with_context(|context| Decoder::with_context(packed.as_slice(), context).read_to_end(&mut unpacked)).unwrap();
        assert_eq!(unpacked, text);
    }

    #[test]
    fn one_is_kept_for_what_is_written_here() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        std::io::Write::write_all(&mut encoder, b"a segment").unwrap();
        let packed = encoder.finish().unwrap();
        with_context(|context| Decoder::with_context(packed.as_slice(), context).read_to_end(&mut Vec::new())).unwrap();
        assert!(KEPT.take().is_some_and(|context| context.sizeof() > 1 << 20));
    }
}
