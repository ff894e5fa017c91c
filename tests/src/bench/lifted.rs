//! The relay with the limits of a circuit, on reading and on OPENs of one connection lifted, for rows that do more of it than a job ever does.
//!
//! A circuit carries 64 messages and 64 KiB at most, so a closed loop through the real program would measure OPENs. Everything
//! else is the program's: same library, same runtime, same pages, same allocator (this executable must have the same one).

use countersign_relay::{
    Config, Relay,
    limits::{self, Limits},
};

/// Serves with this configuration, but for its limits, until the process is killed; `ready` is told the URL.
///
/// # Errors
/// What stops the relay from starting, as text.
pub fn serve(config: Config, ready: impl FnOnce(&Relay)) -> Result<(), String> {
    countersign_relay::use_small_pages();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let mut lifted = Limits::default().without_addresses();
        lifted.max_messages_per_circuit = u32::MAX;
        lifted.max_bytes_per_circuit = u32::MAX;
        lifted.max_read_per_second = usize::MAX;
        lifted.max_proofs_per_connection = u32::MAX;
        lifted.max_connections = limits::MAX_CONNECTIONS;
        let config = Config { limits: lifted, ..config };
        let relay = Relay::bind(config).await.map_err(|error| error.to_string())?;
        ready(&relay);
        relay.serve(std::future::pending()).await;
        Ok(())
    })
}
