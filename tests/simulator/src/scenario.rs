//! Worlds that are made on purpose.
