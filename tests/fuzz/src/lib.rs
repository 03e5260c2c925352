//! What the fuzz targets share.

pub mod message;
pub mod scratch;
pub mod segment;
