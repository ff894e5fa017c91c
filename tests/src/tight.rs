//! Limits of the relay as arguments of the program `tight-relay`, for it and for the tests that start it.

use std::time::Duration;

use countersign_relay::limits::Limits;

/// Sets a limit from `NAME=NUMBER`, times in milliseconds; `false`: there is none of this name.
///
/// # Panics
/// If it is no number.
#[must_use]
pub fn set(limits: &mut Limits, argument: &str) -> bool {
    let Some((name, value)) = argument.split_once('=') else { return false };
    let number = || value.parse::<usize>().expect("a number");
    let time = || Duration::from_millis(number() as u64);
    match name {
        "handshake_timeout" => limits.handshake_timeout = time(),
        "auth_timeout" => limits.auth_timeout = time(),
        "message_timeout" => limits.message_timeout = time(),
        "ping_interval" => limits.ping_interval = time(),
        "pong_timeout" => limits.pong_timeout = time(),
        "close_timeout" => limits.close_timeout = time(),
        "max_connections" => limits.max_connections = number(),
        "max_connections_per_ip" => limits.max_connections_per_ip = number(),
        "max_strangers" => limits.max_strangers = number(),
        "max_held" => limits.max_held = number(),
        "max_waiting" => limits.max_waiting = number(),
        "max_denied" => limits.max_denied = number(),
        "max_open_rate_table" => limits.max_open_rate_table = number(),
        "max_wake_table" => limits.max_wake_table = number(),
        "max_wakes_in_flight" => limits.max_wakes_in_flight = number(),
        "max_read_per_second_per_ip" => limits.max_read_per_second_per_ip = number(),
        _ => return false,
    }
    true
}
