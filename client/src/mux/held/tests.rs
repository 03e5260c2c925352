//! A held session without a link behind it.

use outlast_protocol::id::SessionName;
use outlast_protocol::session::{Buffering, Life};

use super::*;

/// One that is attached like that.
pub(in crate::mux) fn held(mode: AttachMode) -> Rc<Held> {
    let target = Target {
        destination: "server".to_owned(),
        ..Target::default()
    };
    let info = SessionInfo {
        instance: InstanceId(uuid::Uuid::from_u128(1)),
        name: SessionName::new("job").unwrap(),
        configuration: "bash".to_owned(),
        life: Life::Live,
        holder: None,
        running: None,
        queued: 0,
        running_since_ms: None,
        activity: String::new(),
        asks: None,
        created_ms: 1,
        disconnected_ms: None,
        expires_ms: None,
        idle_timeout: IdleTimeout::Never,
        buffering: Buffering::Spool,
        host_pid: 1,
        first: Seq(1),
        next: Seq(1),
        extensions: Vec::new(),
    };
    Held::new(target, Surroundings::default(), info, mode)
}
