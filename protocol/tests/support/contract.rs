//! PROTOCOL.md as the tests read it: headings, and the tables below them.

/// The page.
pub const TEXT: &str = include_str!("../../PROTOCOL.md");

/// A heading with what stands between it and the next one.
pub struct Section {
    /// The heading's number, e.g. `7.3`.
    pub number: String,
    /// The heading without its number.
    pub title: String,
    lines: Vec<&'static str>,
}

/// All sections in their order.
pub fn sections() -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut code = false;
    for line in TEXT.lines() {
        code ^= line.starts_with("```");
        if let Some(heading) = line.strip_prefix("##").filter(|_| !code) {
            let heading = heading.trim_start_matches('#').trim();
            let (number, title) = heading.split_once(' ').expect("a number and a title");
            sections.push(Section {
                number: number.trim_end_matches('.').into(),
                title: title.into(),
                lines: Vec::new(),
            });
        } else if let Some(section) = sections.last_mut() {
            section.lines.push(line);
        }
    }
    sections
}

/// The one section whose title contains `part`.
pub fn section(part: &str) -> Section {
    let mut found: Vec<Section> = sections();
    found.retain(|section| section.title.contains(part));
    assert_eq!(found.len(), 1, "sections about {part}");
    found.remove(0)
}

impl Section {
    /// The cells of the section's table, whose first column has that heading; no rows if there
    /// is no such table.
    pub fn table(&self, first_column: &str) -> Vec<Vec<String>> {
        let heading = format!("| {first_column} |");
        self.lines
            .iter()
            .skip_while(|line| !line.starts_with(&heading))
            .skip(2)
            .take_while(|line| line.starts_with('|'))
            .map(|line| cells(line))
            .collect()
    }

    /// The sections below this one.
    pub fn below(&self) -> Vec<Self> {
        let prefix = format!("{}.", self.number);
        let mut below = sections();
        below.retain(|section| section.number.starts_with(&prefix));
        below
    }
}

fn cells(line: &str) -> Vec<String> {
    line.trim_matches('|')
        .replace("\\|", "\u{1}")
        .split('|')
        .map(|cell| cell.trim().trim_matches('`').replace('\u{1}', "|"))
        .collect()
}

/// The worked examples: the name of the fixture and the hexadecimal text.
pub fn examples() -> Vec<(&'static str, &'static str)> {
    TEXT.split("<!-- example: ")
        .skip(1)
        .map(|text| {
            let (name, rest) = text.split_once(" -->").expect("a closed comment");
            (name, rest.split("```").nth(1).expect("a block of code"))
        })
        .collect()
}
