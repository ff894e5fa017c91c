//! What stands between the parts. It sees every frame, in clear, as a relay does.

use rand_chacha::ChaCha20Rng;
use rand_core::RngCore as _;

/// Between whom, and in which direction, a frame travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    /// From a job.
    FromCi,
    /// To a job.
    ToCi,
    /// From the phone.
    FromPhone,
    /// To the phone.
    ToPhone,
}

/// What happens to a frame: each entry is delivered after its delay in milliseconds. An empty list drops it.
pub type Action = Vec<(u64, Vec<u8>)>;

/// Decides about every frame.
pub trait Adversary {
    /// What becomes of `frame`.
    fn act(&mut self, leg: Leg, frame: &[u8]) -> Action;
}

/// A network that does its job: 5 ms a leg.
pub struct Honest;

impl Adversary for Honest {
    fn act(&mut self, _: Leg, frame: &[u8]) -> Action {
        vec![(5, frame.to_vec())]
    }
}

/// Does anything to some frames: drops, delays (and so reorders), duplicates, flips, truncates, replays old ones, swaps tails between circuits.
pub struct Random {
    rng: ChaCha20Rng,
    /// One frame in this many is touched.
    one_in: u32,
    /// Frames that still are; then the network is honest, so that liveness can be judged.
    budget: u32,
    seen: Vec<(Leg, Vec<u8>)>,
}

impl Random {
    /// An adversary that touches one frame in `one_in`, at most `budget` times.
    #[must_use]
    pub fn new(rng: ChaCha20Rng, one_in: u32, budget: u32) -> Self {
        Self { rng, one_in, budget, seen: Vec::new() }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.rng.next_u32() as usize % bound.max(1)
    }

    /// An earlier frame of the same leg.
    fn earlier(&mut self, leg: Leg) -> Option<Vec<u8>> {
        let same: Vec<usize> = (0..self.seen.len()).filter(|at| self.seen[*at].0 == leg).collect();
        let at = *same.get(self.below(same.len()))?;
        Some(self.seen[at].1.clone())
    }
}

impl Adversary for Random {
    fn act(&mut self, leg: Leg, frame: &[u8]) -> Action {
        let mut action = vec![(5, frame.to_vec())];
        if self.budget > 0 && self.rng.next_u32().is_multiple_of(self.one_in) {
            self.budget -= 1;
            match self.below(8) {
                0 => action.clear(),
                1 => action[0].0 = 5 + self.below(20_000) as u64,
                2 => action.push((5 + self.below(3_000) as u64, frame.to_vec())),
                3 => {
                    let (at, bit) = (self.below(frame.len()), self.below(8));
                    if let Some(byte) = action[0].1.get_mut(at) {
                        *byte ^= 1 << bit;
                    }
                }
                4 => {
                    let keep = self.below(frame.len());
                    action[0].1.truncate(keep);
                }
                5 | 6 => action.extend(self.earlier(leg).map(|old| (10, old))),
                _ => {
                    // Swap: this frame's header, an earlier frame's tail (both DATA, or both INCOMING).
                    if let Some(old) = self.earlier(leg).filter(|old| old.first() == frame.first() && old.len() > 53 && frame.len() > 53) {
                        let header = if frame[0] == 0x21 { 53 } else { 5 };
                        action[0].1 = [&frame[..header], &old[header..]].concat();
                    }
                }
            }
        }
        self.seen.push((leg, frame.to_vec()));
        action
    }
}
