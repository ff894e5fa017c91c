//! The protocol of Countersign without input or output (docs/PROTOCOL.md).

pub mod keys;
mod labels;
pub mod relay;
pub mod text;
pub mod time;
