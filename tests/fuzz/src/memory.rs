//! How much memory an input may take.

#[path = "../../../protocol/tests/support/sys/mod.rs"]
mod sys;

#[global_allocator]
static ALLOCATOR: sys::Counting = sys::Counting;

/// Does `work` and insists that it has at most `bytes` allocated at any time.
pub fn within<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    let mut result = None;
    let (largest, together) = sys::measure(|| result = Some(work()));
    assert!(
        together <= bytes,
        "{together} bytes at one time, {largest} of them in one piece; {bytes} were allowed"
    );
    result.expect("the work was done")
}
