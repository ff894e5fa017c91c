//! `countersign-core` as a web page would have it: with a random source for this target.

pub use countersign_core;
