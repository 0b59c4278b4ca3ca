//! Names both ends of every flow.
