//! Every limit of a request (docs/PROTOCOL.md §5).

/// Longest life of a request, seconds.
pub const MAX_TTL: u32 = 600;
/// Life of a request unless asked otherwise, seconds.
pub const DEFAULT_TTL: u32 = 300;
/// Most codes in one approval.
pub const MAX_CODES: u8 = 20;
/// Longest life that may be asked of the first code, seconds: that of the longest step.
pub const MAX_MIN_LIFE: u8 = 120;
/// How far the clocks of CI and phone may be apart, seconds.
pub const MAX_SKEW: u64 = 90;
/// How long after its end a request stays in the replay memory, seconds.
pub const REPLAY_MARGIN: u64 = 300;
/// Most requests in the replay memory of one pairing.
pub const MAX_REPLAY: usize = 256;
/// Largest first message, bytes.
pub const MAX_M1: usize = 12_288;
/// How long the phone waits for M3, milliseconds.
pub const CONFIRM_TIMEOUT_MS: u64 = 30_000;
/// How long a session whose connection was lost keeps its place, milliseconds.
pub const RESUME_GRACE_MS: u64 = 20_000;
/// How often CI renews an OPEN that waits for the phone, milliseconds.
pub const WAIT_REFRESH_MS: u64 = 25_000;
