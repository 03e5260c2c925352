//! One table of visits: what somebody types at the prompt, and what becomes of it. A row is a
//! function, a column a kind of shell; a row that does not apply in a column says why.

mod at_prompt;
mod elsewhere;
mod lending;
mod lines;
mod startup;

use std::time::Duration;

use super::column::{Column, Language};
use super::runspace::visitor::Visitor;
use super::runspace::{Bench, Home};

const OPENING: Duration = Duration::from_secs(20);
const LONGEST: Duration = Duration::from_secs(60);

/// Err says why there is nothing to test.
type Played = Result<(), &'static str>;

const LINE_MODE: &str = "the terminal edits the line, and keeps none";

/// Tests that play rows in a column.
macro_rules! rows {
    ($column:ident: $($theme:ident::$row:ident),* $(,)?) => {
        $(#[test]
        fn $row() {
            super::check(super::$theme::$row(super::Column::$column));
        })*
    };
}

macro_rules! columns {
    ($($name:ident: $column:ident),* $(,)?) => {
        $(mod $name {
            rows!(
                $column:
                at_prompt::what_is_typed_and_what_is_invoked_share_one_shell,
                at_prompt::a_visitor_who_comes_back_before_any_work_finds_the_line_untouched,
                at_prompt::a_program_is_left_alone_and_work_waits_for_it,
                at_prompt::jobs_are_stopped_and_go_on_in_either_place,
                at_prompt::words_are_completed,
                at_prompt::every_way_out_of_a_shell_ends_the_visit_only,
                at_prompt::what_throws_a_command_out_stays_inside,
                at_prompt::nothing_of_the_driver_shows_not_even_with_a_trace,
                lines::a_half_typed_line_survives_an_invocation,
                lines::a_prompt_is_shown_behind_a_command_on_the_terminal,
                lines::a_half_typed_line_has_its_cursor_where_it_was,
                lines::half_of_a_command_of_many_lines_survives_an_invocation,
                lines::control_d_leaves_from_an_empty_line,
                lines::control_d_is_a_key_within_a_line,
                lines::the_history_is_the_users_and_is_there_to_be_recalled,
                elsewhere::programs_see_a_terminal_of_the_visitors_size,
                elsewhere::a_paste_of_64_kib_arrives_whole,
                elsewhere::a_command_on_the_terminal_has_its_streams_there,
                elsewhere::a_password_asked_for_on_the_terminal_is_a_question_and_nowhere_shown,
                elsewhere::a_question_that_nobody_answers_is_the_end_of_the_file,
                lending::what_is_lent_is_given_back,
                lending::functions_are_lent_too,
                lending::what_cannot_be_lent_ends_the_invocation,
                lending::a_visitor_is_lent_it_for_the_visit,
                startup::a_visitor_has_the_terminal_whatever_a_file_did_to_descriptors,
            );
        })*
    };
}

columns! {
    bash: Bash,
    dash: Dash,
    busybox: Busybox,
    zsh: Zsh,
    python: Python,
}

fn check(played: impl Future<Output = Played>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let played = async { tokio::time::timeout(LONGEST, played).await };
    match runtime.block_on(played).expect("it hangs") {
        Ok(()) => {}
        Err(reason) => println!("not here: {reason}"),
    }
}

impl Column {
    /// The same in the language of the column.
    fn says<'a>(self, bourne: &'a str, python: &'a str) -> &'a str {
        match self.language() {
            Language::Bourne => bourne,
            Language::Python => python,
        }
    }

    /// Whether the shell itself edits the line that is typed at its prompt, and keeps a history.
    fn edits_lines(self) -> Result<(), &'static str> {
        match self {
            Self::Bash | Self::Zsh | Self::Python => Ok(()),
            Self::Dash | Self::Busybox => Err(LINE_MODE),
        }
    }
}

/// What makes a prompt that is easily told from anything else.
const PROMPTS: &str = "PS1='prompt> ' PS2='more> '; [ -z \"$ZSH_VERSION\" ] || unsetopt promptsp\n";

async fn visitor(column: Column) -> Visitor {
    visitor_in(column, Home::new(), "").await
}

/// With more in the user's start-up file, and files that are there before.
async fn visitor_in(column: Column, home: Home, startup: &str) -> Visitor {
    if matches!(column.language(), Language::Bourne) {
        home.write(&column.startup_file(), &format!("{PROMPTS}{startup}"));
    }
    column.prepare(home.path());
    let opened = Bench::open_as(column.configuration(), home, OPENING).await;
    let bench = opened
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&error.terminal)));
    let mut it = Visitor::at(bench);
    if matches!(column.language(), Language::Python) {
        it.runs("import os, sys; sys.ps1, sys.ps2 = 'prompt> ', 'more> '")
            .await;
    }
    it
}
