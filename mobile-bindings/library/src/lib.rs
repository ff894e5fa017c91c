//! The phone engine (`countersign-mobile`) as the one library that an app brings. A package of its own, because the allocator is its choice: a program in Rust
//! that embeds the engine makes its own.

/// Everything that Rust frees is wiped: also the buffers in which uniffi carries bytes over the boundary, and what a QR reader or a picture decoder worked on.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> = zeroizing_alloc::ZeroAlloc(std::alloc::System);

engine::uniffi_reexport_scaffolding!();
