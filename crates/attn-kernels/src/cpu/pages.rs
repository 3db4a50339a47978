//! Memory of large results: large pages, and memory that is used again.

/// Asks the system to back much memory, that is about to be written, with large pages.
///
/// Memory that is fresh from the system costs a fault for each page when it is first touched: for the
/// gradient of a bias that takes longer than to compute it, and for the gradients of a batch of short
/// rows as long. Whether memory is fresh only the allocator knows; what is not costs one call here.
/// Below a few large pages there are no whole ones to be had. Where this is not Linux, or the system
/// has no large pages, nothing happens.
pub(super) fn prefer_large_pages<T>(start: *const T, count: usize) {
    /// Of a large page on most processors. If it is larger, the system rounds.
    const LARGE: usize = 2 << 20;

    /// Two of them, wherever the memory begins.
    const MUCH: usize = 3 * LARGE;

    let bytes = count * size_of::<T>();
    if bytes < MUCH {
        return;
    }
    let first = (start as usize).next_multiple_of(LARGE);
    let end = (start as usize + bytes) / LARGE * LARGE;
    // Miri does not have `madvise`.
    #[cfg(all(target_os = "linux", not(miri)))]
    if first < end {
        // SAFETY: advice changes no contents, whoever owns the memory; that the system may ignore it is
        // no failure.
        unsafe { libc::madvise(first as *mut libc::c_void, end - first, libc::MADV_HUGEPAGE) };
    }
    #[cfg(not(all(target_os = "linux", not(miri))))]
    let _ = (first, end);
}

/// Tells the system's allocator to keep memory that is freed, for the next allocation; returns whether
/// it accepted that.
///
/// A training step frees and asks for the same large tensors again and again. glibc gives what is
/// large back to the system, which hands it out page by page, zeroed, a fault for each: a tenth of a
/// step on a processor is that. To be called once, at the start of a program that trains; the
/// process then stays as large as it has ever been. It does nothing where the allocator is not
/// glibc's, and is in vain where a program has chosen an allocator of its own.
pub fn keep_freed_memory() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: numbers that glibc checks; they change where memory comes from, not what is in it.
    return unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, i32::MAX) == 1
            && libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX) == 1
    };
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    false
}
