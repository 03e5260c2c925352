//! Every promise, broken on purpose, is seen to be broken.

use outlast_simulator::plan::Plan;
use outlast_simulator::run::run_many;
use outlast_simulator::sabotage::Sabotage;

/// The words in which worlds with this sabotage fail.
fn noticed(what: Sabotage, expected: &[&str]) {
    let plan = |seed| Plan {
        sabotage: Some(what),
        most_steps: 60_000,
        ..Plan::of_seed(seed)
    };
    let (_, failed) = run_many(0, 400, 3, &plan);
    assert!(!failed.is_empty(), "{what:?} goes unnoticed");
    for failure in &failed {
        let known = expected
            .iter()
            .any(|words| failure.violation.contains(words));
        assert!(known, "{what:?} shows as: {failure}");
    }
}

#[test]
fn a_record_delivered_twice() {
    noticed(Sabotage::Repeat, &["no duplicate"]);
}

#[test]
fn a_record_left_out() {
    noticed(Sabotage::Omit, &["prefix", "delivery"]);
}

#[test]
fn records_in_another_order() {
    noticed(Sabotage::Swap, &["prefix", "no reorder", "delivery"]);
}

#[test]
fn output_that_is_not_what_was_written() {
    noticed(Sabotage::Alter, &["came as another"]);
}

#[test]
fn a_loss_that_is_not_told() {
    noticed(Sabotage::HideGap, &["prefix", "delivery"]);
}

#[test]
fn a_gap_where_nothing_is_lost() {
    noticed(Sabotage::InventGap, &["gap ⇔ loss"]);
}

#[test]
fn consumption_that_is_not_acknowledged() {
    noticed(Sabotage::DropAck, &["stuck", "delivery"]);
}

#[test]
fn a_command_that_runs_twice() {
    noticed(Sabotage::NewId, &["at-most-once", "nobody asked for"]);
}

#[test]
fn an_outcome_kept_from_the_user() {
    noticed(
        Sabotage::HideOutcome,
        &["stuck", "prefix", "delivery", "outcome"],
    );
}
