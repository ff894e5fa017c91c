//! The protocol of Countersign without input or output (docs/PROTOCOL.md).

pub mod keys;
mod labels;
pub mod otp;
pub mod seed;
pub mod text;
