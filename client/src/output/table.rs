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

/// The table; nothing at all for no sessions.
#[must_use]
pub fn sessions(sessions: &[Session]) -> String {
    if sessions.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .add_row(COLUMNS.map(|(heading, _)| heading.to_owned()))
        .add_row(COLUMNS.map(|(heading, _)| "-".repeat(heading.len())));
    for session in sessions {
        table.add_row([
            session.id.to_string(),
            session.name.to_string(),
            clean(&session.computer_name),
            session.state.to_string(),
            clean(&session.configuration),
            session.availability.to_string(),
        ]);
    }
    for (column, (_, width)) in table.column_iter_mut().zip(COLUMNS) {
        column.set_padding((0, 1));
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width)));
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
}
