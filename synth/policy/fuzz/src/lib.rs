//! What the fuzz targets do with their bytes, in a library so that ordinary tests can do it too.
//!
//! A body returns if all is well and panics if not. What once made one panic or never return is kept under
//! `regressions/`, with the corner cases found beside; the tests of this crate feed it to them again.

mod choices;
pub mod evaluate;
pub mod parse;
pub mod replay;
