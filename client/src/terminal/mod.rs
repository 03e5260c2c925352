//! The terminal in front of the user: its modes, its size, its keys, and what is drawn on it.

mod clusters;
pub mod detach;
pub mod keys;
pub mod portable;
pub mod raw;
pub mod screen;
pub mod size;
pub mod status;
