//! What the current thread allocates: the largest piece and the most at one time.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

/// The system's allocator with a note of what was asked for.
pub(crate) struct Counting;

fn note(size: usize) {
    // A thread that is ending has no notebook any more; nobody reads it then.
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(size)));
    let _ = LIVE.try_with(|live| {
        live.set(live.get().saturating_add_unsigned(size));
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

fn forget(size: usize) {
    let _ = LIVE.try_with(|live| live.set(live.get().saturating_sub_unsigned(size)));
}

// SAFETY: every call is passed on to the system's allocator unchanged; the notes are plain cells
// that allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as promised by our caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        forget(layout.size());
        // SAFETY: as promised by our caller.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as promised by our caller.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        forget(layout.size());
        note(size);
        // SAFETY: as promised by our caller.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Largest piece and most at one time that `work` allocates on this thread, in bytes.
pub(crate) fn measure(work: impl FnOnce()) -> (usize, usize) {
    LARGEST.set(0);
    let before = LIVE.get();
    PEAK.set(before);
    work();
    let peak = PEAK.get().saturating_sub(before);
    (LARGEST.get(), usize::try_from(peak).unwrap_or_default())
}
