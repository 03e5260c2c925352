//! Putting the remote end's program on other computers: the script that does it there, what it is
//! given, what it answers, and the program itself. No connection, no mux.

mod answer;
mod binary;
mod script;

pub use answer::{Answer, Entry, Sudo};
pub use binary::{Binary, Unfit};
pub use script::{Scope, Script, Verb, command};
