//! `outlast`: remote sessions that outlast the connection.

fn main() {
    // Not a return from main: a thread may still sit in a read of standard input.
    std::process::exit(outlast::cli::run())
}
