//! CI jobs, the relay's switch and a phone in one thread and in virtual time, with an adversary on every leg.
//!
//! The parts are the real ones: `ci::Exchange`, `relay::switch::Switch`, `phone::Phone`. Only sockets, clocks and the human are simulated, so a
//! run is decided by its seed.

mod adversary;
mod human;
mod node;
mod world;

pub use adversary::{Action, Adversary, Honest, Leg, Random};
pub use human::{Human, Mood};
pub use node::{Disk, JobId};
pub use world::{End, Seed, World};
