//! The per-user background process that owns the connections.

/// Runs the mux until it has nothing left to hold; returns its exit code.
#[must_use]
pub fn serve() -> u8 {
    1
}
