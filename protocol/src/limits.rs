//! Every bound of the wire, by the name PROTOCOL.md gives it.

use core::time::Duration;

/// Largest payload of one frame, in bytes. Checked before anything is allocated.
pub const MAX_FRAME: u32 = 1024 * 1024;

/// Largest payload of one frame before a session is attached, in bytes: a peer that has not yet
/// asked for anything sensible gets little memory.
pub const MAX_FRAME_BEFORE_ATTACH: u32 = 64 * 1024;

/// Bytes a login shell may print before the magic, e.g. from `.bashrc`.
pub const MAX_NOISE: usize = 64 * 1024;

/// Largest piece of output in one record, and of standard input in one frame, in bytes.
pub const MAX_CHUNK: usize = 64 * 1024;

/// Largest body of a submission in its own frame, in bytes; the rest follows in pieces of at most
/// this size.
pub const MAX_PIECE: usize = 1000 * 1024;

/// Largest script, argument list and environment of one invocation together, in bytes.
pub const MAX_SCRIPT: usize = 16 * 1024 * 1024;

/// Recent output of a session's terminal that is kept, in bytes.
pub const TERMINAL_HISTORY: usize = 1024 * 1024;

/// How long a client that holds a session again has to bring its visitor back.
pub const VISITOR_GRACE: Duration = Duration::from_secs(15);

/// Connections to a client's SSH agent that may be open at a time in one session.
pub const MAX_AGENT_CONNECTIONS: usize = 32;

/// Largest answer to a question of a program's, in bytes.
pub const MAX_ANSWER: usize = 1000;

/// Standard input a client may send beyond what the command has taken, in bytes.
pub const STDIN_WINDOW: u64 = 1024 * 1024;

/// Output a host may send to one reader beyond what was acknowledged as consumed, in bytes.
pub const MAX_CREDIT: u32 = 32 * 1024 * 1024;

/// Credit a client asks for when it has no measurement to go by, in bytes.
pub const DEFAULT_CREDIT: u32 = 4 * 1024 * 1024;

/// What a record costs of a reader's credit besides its output, in bytes: many small records
/// must not be cheaper to send than to keep.
pub const RECORD_COST: u64 = 64;

/// Invocations that may wait in one session's queue.
pub const MAX_QUEUE: usize = 1000;

/// Finished invocations whose outcome a host remembers, to answer a resend.
pub const MAX_OUTCOMES: usize = 4096;

/// Readers one attachment may have open.
pub const MAX_READERS: usize = 64;

/// Invocations a reader may ask to skip.
pub const MAX_SKIPS: usize = 256;

/// Time a peer has from connecting to its complete first request.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// Time a client gives the remote end to greet: a login shell's rc files run before it can.
pub const GREETING_TIME: Duration = Duration::from_secs(30);

/// Silence after which a client sends a ping.
pub const HEARTBEAT: Duration = Duration::from_secs(5);

/// Silence after which a link counts as dead.
pub const DEAD_AFTER: Duration = Duration::from_secs(20);

/// Time a peer has to answer an end that itself slept for as long as makes a link dead.
pub const AFTER_SLEEP: Duration = Duration::from_secs(3);

/// Shortest idle timeout, in seconds.
pub const MIN_IDLE_TIMEOUT: u32 = 60;

/// Idle timeout of a session that names none, in seconds: seven days.
pub const DEFAULT_IDLE_TIMEOUT: u32 = 7 * 24 * 3600;

/// How long an ended session stays listed with its outcome, in seconds: 72 hours.
pub const ENDED_RETENTION: u32 = 72 * 3600;
