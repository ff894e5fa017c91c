//! The protocol of Countersign without input or output (docs/PROTOCOL.md).

pub mod backoff;
pub mod channel;
pub mod ci;
pub mod keys;
mod labels;
pub mod otp;
pub mod pairing;
pub mod phone;
pub mod relay;
pub mod request;
pub mod seed;
pub mod text;
pub mod time;
#[cfg(test)]
mod vectors;
