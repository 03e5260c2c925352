//! What the fuzz targets share.

pub mod memory;
pub mod message;
pub mod scratch;
pub mod segment;
