//! Sessions in columns, as PowerShell's Get-PSSession shows them.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};
use outlast_protocol::control::session::{Hop, Session};

use super::clean;

/// Heading and least width of every column.
const COLUMNS: [(&str, u16); 6] = [
    ("Id", 4),
    ("Name", 16),
    ("ComputerName", 16),
    ("State", 14),
    ("ConfigurationName", 22),
    ("Availability", 12),
];
/// And of those that say what a session does.
const DOING: [(&str, u16); 4] = [
    ("Durability", 12),
    ("Queued", 8),
    ("For", 6),
    ("Activity", 8),
];

/// The table; nothing at all for no sessions.
#[must_use]
pub fn sessions(sessions: &[Session]) -> String {
    lay_out(&COLUMNS, sessions.iter().map(columns).collect())
}

/// The table with what each session does, how long already, and how much waits behind it; below it
/// each computer's SSH connection.
#[must_use]
pub fn activities(sessions: &[Session], now_ms: u64) -> String {
    let mut text = doing(sessions, now_ms);
    let mut told: Vec<(&str, &[Hop])> = Vec::new();
    for session in sessions {
        let way = (session.computer_name.as_str(), session.route.as_slice());
        if !way.1.is_empty() && !told.contains(&way) {
            told.push(way);
        }
    }
    for (computer, route) in told {
        text.push('\n');
        for hop in route {
            text.push_str(&connection(computer, hop));
        }
    }
    text
}

/// One SSH connection in lines.
fn connection(computer: &str, hop: &Hop) -> String {
    let Hop {
        host, port, user, ..
    } = hop;
    let strict = match hop.strict_kex {
        true => "strict key exchange",
        false => "no strict key exchange",
    };
    let agreed = [&hop.kex, &hop.cipher, &hop.mac].map(String::as_str);
    let agreed: Vec<&str> = agreed.into_iter().filter(|it| !it.is_empty()).collect();
    let mut lines = vec![
        format!("{computer}: {user}@{host} port {port}, {}", hop.server),
        format!("  agreed on {}, {strict}", agreed.join(", ")),
        format!("  host key {}", hop.host_key),
        format!("  authenticated by {}", hop.authentication.join(" and ")),
    ];
    if !hop.key.is_empty() {
        lines.push(format!("  with {}", hop.key));
    }
    if !hop.weaker.is_empty() {
        lines.push(format!("  weaker than ssh: {}", hop.weaker));
    }
    let lines = lines.iter().map(|line| clean(line) + "\n");
    lines.collect()
}

fn doing(sessions: &[Session], now_ms: u64) -> String {
    let heads = [&COLUMNS[..], &DOING[..]].concat();
    let rows = sessions.iter().map(|session| {
        let since = session.running_since_ms;
        let mut row = columns(session);
        row.extend([
            clean(&session.durability),
            session.queued.to_string(),
            since.map_or(String::new(), |since| lasting(now_ms.saturating_sub(since))),
            occupation(session),
        ]);
        row
    });
    lay_out(&heads, rows.collect())
}

/// What it does, in one line.
fn occupation(session: &Session) -> String {
    let what = match &session.asks {
        Some(asked) => format!(
            "{} (waits for an answer: {})",
            session.activity,
            asked.trim()
        ),
        None => session.activity.clone(),
    };
    clean(&what).replace(['\n', '\t'], " ")
}

fn columns(session: &Session) -> Vec<String> {
    vec![
        session.id.to_string(),
        session.name.to_string(),
        clean(&session.computer_name),
        session.state.to_string(),
        clean(&session.configuration),
        session.availability.to_string(),
    ]
}

/// A length of time in its two largest units.
fn lasting(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

fn lay_out(heads: &[(&str, u16)], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .add_row(heads.iter().map(|(heading, _)| (*heading).to_owned()))
        .add_row(heads.iter().map(|(heading, _)| "-".repeat(heading.len())));
    for row in rows {
        table.add_row(row);
    }
    for (column, (_, width)) in table.column_iter_mut().zip(heads) {
        column.set_padding((0, 1));
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(*width)));
    }
    if let Some(id) = table.column_mut(0) {
        id.set_cell_alignment(CellAlignment::Right);
    }
    let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::session::tests::{hop, session};

    #[test]
    fn the_table_is_the_one_people_know() {
        let long = session(12, "a-name-that-is-too-long");
        assert_eq!(
            sessions(&[session(1, "Session1"), long]),
            "\
\x20Id Name                    ComputerName    State         ConfigurationName     Availability
 -- ----                    ------------    -----         -----------------     ------------
  1 Session1                server1         Opened        bash                  Available
 12 a-name-that-is-too-long server1         Opened        bash                  Available
"
        );
        assert_eq!(sessions(&[]), "");
    }

    #[test]
    fn each_connection_stands_below_the_table_once() {
        let mut there = session(1, "Session1");
        let mut weaker = hop("server1.example");
        weaker.weaker = "key exchange".into();
        weaker.mac = "hmac-sha2-256".into();
        there.route = vec![hop("jump"), weaker];
        let table = activities(&[there.clone(), there], 0);
        let (_, below) = table.split_once("\n\n").unwrap();
        assert_eq!(
            below,
            "\
server1: me@jump port 22, SSH-2.0-OpenSSH_9.2
  agreed on curve25519-sha256, aes128-gcm@openssh.com, strict key exchange
  host key ssh-ed25519 SHA256:host
  authenticated by publickey
  with /k ED25519 SHA256:key
server1: me@server1.example port 22, SSH-2.0-OpenSSH_9.2
  agreed on curve25519-sha256, aes128-gcm@openssh.com, hmac-sha2-256, strict key exchange
  host key ssh-ed25519 SHA256:host
  authenticated by publickey
  with /k ED25519 SHA256:key
  weaker than ssh: key exchange
"
        );
    }

    #[test]
    fn what_a_session_does_stands_behind_it() {
        let mut busy = session(1, "Session1");
        busy.durability = "boot".into();
        busy.running_since_ms = Some(1_000_000);
        busy.activity = "make -j4\n\x1b[2J".into();
        busy.queued = 2;
        let mut asks = session(3, "asks");
        asks.activity = "sudo make install".into();
        asks.asks = Some("[sudo] password for ada:".into());
        let table = activities(&[busy, session(2, "idle"), asks], 1_000_000 + 192_000);
        let lines: Vec<_> = table.lines().collect();
        assert!(
            lines[0].ends_with("Availability Durability  Queued  For   Activity"),
            "{table}"
        );
        assert!(
            lines[2].ends_with("Available    boot        2       3m12s make -j4 \u{fffd}[2J"),
            "{table}"
        );
        assert!(lines[3].ends_with("Available                0"), "{table}");
        let waits = "sudo make install (waits for an answer: [sudo] password for ada:)";
        assert!(lines[4].ends_with(waits), "{table}");
        assert_eq!(lasting(90_000_000), "1d1h");
        assert_eq!(lasting(59_999), "59s");
        assert_eq!(lasting(3_660_000), "1h1m");
    }
}
