//! How large the pages are that the system gives memory in.

/// Asks for memory in small pages, before any is taken that matters: the allocator asks for huge ones, and then thousands of
/// connections that come or go move the relay's memory in steps of 2 MiB, most of it unused.
///
/// For the whole process, so it is up to a program. Without it, or where it is refused, the relay only takes more memory.
pub fn use_small_pages() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn huge_pages_are_off() {
        super::use_small_pages();
        assert!(rustix::thread::transparent_huge_pages_are_disabled().unwrap());
    }
}
