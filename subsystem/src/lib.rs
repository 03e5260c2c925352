//! The remote end of Outlast: hosts live shells that survive the connection.
pub mod runspace;
pub mod sys;
