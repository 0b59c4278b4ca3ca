//! What survives a crash: segments on disk, each a whole observation file of one interval, and their assembly into one.

pub mod assemble;
pub mod segments;

pub use assemble::assemble;
pub use segments::Segments;
