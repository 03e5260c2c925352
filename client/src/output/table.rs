//! Sessions in columns, as PowerShell's Get-PSSession shows them.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};
use outlast_protocol::control::session::Session;

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
const DOING: [(&str, u16); 3] = [("Queued", 8), ("For", 6), ("Activity", 8)];

/// The table; nothing at all for no sessions.
#[must_use]
pub fn sessions(sessions: &[Session]) -> String {
    lay_out(&COLUMNS, sessions.iter().map(columns).collect())
}

/// The table with what each session does, how long already, and how much waits behind it.
#[must_use]
pub fn activities(sessions: &[Session], now_ms: u64) -> String {
    let heads = [&COLUMNS[..], &DOING[..]].concat();
    let rows = sessions.iter().map(|session| {
        let since = session.running_since_ms;
        let mut row = columns(session);
        row.extend([
            session.queued.to_string(),
            since.map_or(String::new(), |since| lasting(now_ms.saturating_sub(since))),
            doing(session),
        ]);
        row
    });
    lay_out(&heads, rows.collect())
}

/// What it does, in one line.
fn doing(session: &Session) -> String {
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
    use crate::output::session::tests::session;

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
    fn what_a_session_does_stands_behind_it() {
        let mut busy = session(1, "Session1");
        busy.running_since_ms = Some(1_000_000);
        busy.activity = "make -j4\n\x1b[2J".into();
        busy.queued = 2;
        let mut asks = session(3, "asks");
        asks.activity = "sudo make install".into();
        asks.asks = Some("[sudo] password for ada:".into());
        let table = activities(&[busy, session(2, "idle"), asks], 1_000_000 + 192_000);
        let lines: Vec<_> = table.lines().collect();
        assert!(
            lines[0].ends_with("Availability Queued  For   Activity"),
            "{table}"
        );
        assert!(
            lines[2].ends_with("Available    2       3m12s make -j4 \u{fffd}[2J"),
            "{table}"
        );
        assert!(lines[3].ends_with("Available    0"), "{table}");
        let waits = "sudo make install (waits for an answer: [sudo] password for ada:)";
        assert!(lines[4].ends_with(waits), "{table}");
        assert_eq!(lasting(90_000_000), "1d1h");
        assert_eq!(lasting(59_999), "59s");
        assert_eq!(lasting(3_660_000), "1h1m");
    }
}
