//! A session as a JSON object. The field names are a promise.

use jiff::Timestamp;
use outlast_protocol::control::session::{Hop, Session};
use serde::Serialize;

/// A session, for programs.
#[derive(Debug, Serialize)]
pub struct SessionObject {
    id: u32,
    name: String,
    computer_name: String,
    state: String,
    availability: String,
    configuration_name: String,
    instance_id: String,
    idle_timeout_s: Option<u32>,
    created_on: Option<String>,
    disconnected_on: Option<String>,
    expires_on: Option<String>,
    running: Option<String>,
    running_since: Option<String>,
    /// What runs, in words.
    activity: Option<String>,
    /// What a program asks that waits for an answer.
    asks: Option<String>,
    /// How many commands wait behind that.
    queued: u32,
    /// Why it is over, or who else holds it, in words.
    note: Option<String>,
    /// What it outlives: `connection`, `last-logout` or `boot`.
    durability: Option<String>,
    /// The SSH connections on the way, the nearest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    route: Vec<HopObject>,
    /// The invocation that was started in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    invocation_id: Option<String>,
}

impl SessionObject {
    /// A session in which that invocation was started.
    #[must_use]
    pub fn started(session: &Session, invocation: Option<&str>) -> Self {
        Self {
            invocation_id: invocation.map(str::to_owned),
            ..Self::from(session)
        }
    }
}

impl From<&Session> for SessionObject {
    fn from(session: &Session) -> Self {
        Self {
            id: session.id,
            name: session.name.to_string(),
            computer_name: session.computer_name.clone(),
            state: session.state.to_string(),
            availability: session.availability.to_string(),
            configuration_name: session.configuration.clone(),
            instance_id: session.instance.to_string(),
            idle_timeout_s: session.idle_timeout_s,
            created_on: time(session.created_ms),
            disconnected_on: session.disconnected_ms.and_then(time),
            expires_on: session.expires_ms.and_then(time),
            running: session.running.map(|invocation| invocation.to_string()),
            running_since: session.running_since_ms.and_then(time),
            activity: (!session.activity.is_empty()).then(|| session.activity.clone()),
            asks: session.asks.clone(),
            queued: session.queued,
            note: (!session.note.is_empty()).then(|| session.note.clone()),
            durability: (!session.durability.is_empty()).then(|| session.durability.clone()),
            route: session.route.iter().map(HopObject::from).collect(),
            invocation_id: None,
        }
    }
}

/// An SSH connection, for programs.
#[derive(Debug, Serialize)]
struct HopObject {
    host: String,
    port: u16,
    user: String,
    server: String,
    kex: String,
    cipher: String,
    /// None where the cipher does it itself.
    mac: Option<String>,
    host_key: String,
    strict_kex: bool,
    authentication: Vec<String>,
    /// The key that was accepted.
    key: Option<String>,
    /// In which way a recent `ssh` would have done better.
    weaker: Option<String>,
}

impl From<&Hop> for HopObject {
    fn from(hop: &Hop) -> Self {
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        Self {
            host: hop.host.clone(),
            port: hop.port,
            user: hop.user.clone(),
            server: hop.server.clone(),
            kex: hop.kex.clone(),
            cipher: hop.cipher.clone(),
            mac: some(&hop.mac),
            host_key: hop.host_key.clone(),
            strict_kex: hop.strict_kex,
            authentication: hop.authentication.clone(),
            key: some(&hop.key),
            weaker: some(&hop.weaker),
        }
    }
}

/// Unix milliseconds as RFC 3339 in UTC; none for a time outside the calendar.
#[must_use]
pub fn time(milliseconds: u64) -> Option<String> {
    let milliseconds = i64::try_from(milliseconds).ok()?;
    let time = Timestamp::from_millisecond(milliseconds).ok()?;
    Some(format!("{time:.3}"))
}

#[cfg(test)]
pub(crate) mod tests {
    use outlast_protocol::control::session::{Availability, Hop, Session, State};
    use outlast_protocol::id::{InstanceId, SessionName};

    /// A session whose instance ID is its number.
    pub(crate) fn session(id: u32, name: &str) -> Session {
        Session {
            id,
            name: SessionName::new(name).unwrap(),
            computer_name: "server1".into(),
            state: State::Opened,
            availability: Availability::Available,
            configuration: "bash".into(),
            instance: InstanceId(uuid::Uuid::from_u128(id.into())),
            idle_timeout_s: Some(604_800),
            created_ms: 1_700_000_000_123,
            disconnected_ms: None,
            expires_ms: None,
            running: None,
            running_since_ms: None,
            activity: String::new(),
            asks: None,
            queued: 0,
            note: String::new(),
            route: Vec::new(),
            durability: String::new(),
        }
    }

    /// A connection with nothing special about it.
    pub(crate) fn hop(host: &str) -> Hop {
        Hop {
            host: host.into(),
            port: 22,
            user: "me".into(),
            server: "SSH-2.0-OpenSSH_9.2".into(),
            kex: "curve25519-sha256".into(),
            cipher: "aes128-gcm@openssh.com".into(),
            host_key: "ssh-ed25519 SHA256:host".into(),
            strict_kex: true,
            authentication: vec!["publickey".into()],
            key: "/k ED25519 SHA256:key".into(),
            ..Hop::default()
        }
    }

    #[test]
    fn the_way_to_a_session_is_told_where_there_is_one() {
        let mut there = session(1, "Session1");
        there.route = vec![hop("jump"), hop("server1")];
        let json = crate::output::json::sessions(&[there]);
        let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
        let last = &parsed[0]["route"][1];
        assert_eq!(last["host"], "server1");
        assert_eq!(last["kex"], "curve25519-sha256");
        assert_eq!(last["authentication"][0], "publickey");
        assert_eq!(last["key"], "/k ED25519 SHA256:key");
        assert!(last["mac"].is_null() && last["weaker"].is_null());
    }

    #[test]
    fn the_object_has_the_promised_fields() {
        assert_eq!(
            crate::output::json::sessions(&[session(1, "Session1")]),
            r#"[
  {
    "id": 1,
    "name": "Session1",
    "computer_name": "server1",
    "state": "Opened",
    "availability": "Available",
    "configuration_name": "bash",
    "instance_id": "00000000-0000-0000-0000-000000000001",
    "idle_timeout_s": 604800,
    "created_on": "2023-11-14T22:13:20.123Z",
    "disconnected_on": null,
    "expires_on": null,
    "running": null,
    "running_since": null,
    "activity": null,
    "asks": null,
    "queued": 0,
    "note": null,
    "durability": null
  }
]
"#
        );
        assert_eq!(crate::output::json::sessions(&[]), "[]\n");
    }

    #[test]
    fn no_time_is_beyond_the_calendar() {
        assert_eq!(super::time(0).as_deref(), Some("1970-01-01T00:00:00.000Z"));
        assert_eq!(super::time(u64::MAX), None);
    }
}
