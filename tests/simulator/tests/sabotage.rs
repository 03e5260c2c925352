//! Every promise, broken on purpose, is seen to be broken.
// A helper of a test fails the test like the test itself.
#![allow(clippy::indexing_slicing)]

use outlast_simulator::plan::Plan;
use outlast_simulator::run::run_many;
use outlast_simulator::sabotage::Sabotage;

/// The words in which worlds with this sabotage fail.
fn noticed(what: Sabotage, expected: &[&str]) {
    let plan = |seed| Plan {
        sabotage: Some(what),
        ..Plan::of_seed(seed)
    };
    let (_, failed) = run_many(0, 400, 25, &plan);
    assert!(!failed.is_empty(), "{what:?} goes unnoticed");
    let telling = |words: &&str| {
        failed
            .iter()
            .any(|failure| failure.violation.contains(*words))
    };
    assert!(
        expected.first().is_some_and(telling),
        "{what:?} shows otherwise: {}",
        failed[0]
    );
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
    noticed(Sabotage::Omit, &["prefix", "delivery", "stuck"]);
}

#[test]
fn records_in_another_order() {
    noticed(
        Sabotage::Swap,
        &["prefix", "no reorder", "delivery", "stuck"],
    );
}

#[test]
fn output_that_is_not_what_was_written() {
    noticed(Sabotage::Alter, &["came as another"]);
}

#[test]
fn a_loss_that_is_not_told() {
    noticed(Sabotage::HideGap, &["prefix", "delivery", "stuck"]);
}

#[test]
fn a_gap_where_nothing_is_lost() {
    noticed(Sabotage::InventGap, &["gap ⇔ loss"]);
}

#[test]
fn consumption_that_is_not_acknowledged() {
    noticed(
        Sabotage::DropAck,
        &["stuck", "no duplicate", "delivery", "calm"],
    );
}

#[test]
fn a_command_that_runs_twice() {
    noticed(Sabotage::NewId, &["at-most-once", "nobody asked for"]);
}

#[test]
fn an_outcome_kept_from_the_user() {
    noticed(
        Sabotage::HideOutcome,
        &["stuck", "prefix", "delivery", "outcome", "calm"],
    );
}
