//! The protocol of Countersign without input or output (docs/PROTOCOL.md).

pub mod channel;
pub mod keys;
mod labels;
pub mod relay;
pub mod request;
pub mod text;
pub mod time;
