//! Worlds at random and on purpose, fewer than `cargo xtask simulate` plays.

use outlast_simulator::plan::Plan;
use outlast_simulator::run::{run, run_many};
use outlast_simulator::scenario::{Scenario, every, visits};

#[test]
fn no_promise_is_broken_in_worlds_at_random() {
    let (report, failed) = run_many(1_000_000, 300, 1, &Plan::of_seed);
    assert!(failed.is_empty(), "{}", failed[0]);
    // Worlds in which nothing happens would prove nothing.
    assert!(report.faults > 1_000, "{report:?}");
    assert!(report.links > 1_000, "{report:?}");
    assert!(report.records > 5_000, "{report:?}");
    assert!(report.missing > 10_000, "{report:?}");
}

#[test]
fn a_seed_makes_the_same_world_again() {
    for seed in [3, 7, 191] {
        let [once, again] = [(), ()].map(|()| run(Plan::of_seed(seed)).expect("it holds"));
        assert!(once.steps > 100, "{once:?}");
        assert_eq!(once.hash, again.hash);
        assert_eq!(once.carried, again.carried);
    }
    let [one, other] = [1, 2].map(|seed| run(Plan::of_seed(seed)).expect("it holds"));
    assert_ne!(one.hash, other.hash);
}

#[test]
fn a_conversation_broken_anywhere_loses_nothing_and_repeats_nothing() {
    // A prime stride: the bytes and steps hit differ from part to part of the conversation.
    let all = every(37).expect("the conversation holds");
    assert!(all.len() > 500, "only {}", all.len());
    let of = |number: u64| all[usize::try_from(number).expect("small")];
    let (report, failed) = run_many(0, all.len() as u64, 1, &|number| of(number).plan());
    if let Some(failure) = failed.first() {
        panic!("{failure}\nscenario {}", of(failure.seed));
    }
    assert!(report.faults > all.len() as u64 / 2, "{report:?}");
}

#[test]
fn a_backlog_comes_through_links_that_live_for_two_seconds() {
    let report = Scenario::Backlog(60).run().expect("it holds");
    assert!(report.carried[1] >= 60 << 20, "{report:?}");
    assert!(report.links >= 4, "{report:?}");
    assert_eq!(report.missing, 0, "{report:?}");
}

#[test]
fn links_that_are_full_both_ways_at_once_come_through() {
    let report = Scenario::BothFull.run().expect("it holds");
    assert!(report.both_full > 2_000_000, "{report:?}");
    assert!(report.links >= 2, "{report:?}");
    assert_eq!(report.missing, 0, "{report:?}");
}

/// A visit whose mux and command line are lost together, and the next one of the same client: the
/// one is not kept by the other, which gets its turn when the grace is over.
#[test]
fn a_visit_that_is_lost_whole_gives_way_to_the_next_of_its_client() {
    let whole = run(visits()).expect("it holds");
    let mut waited = 0;
    for step in (1..=whole.steps).step_by(5) {
        let report = Scenario::Visits(step).run();
        let report = report.unwrap_or_else(|failed| panic!("{failed}\nscenario visits:{step}"));
        waited += u64::from(report.time_ms >= 15_000);
    }
    // In many of them somebody was inside.
    assert!(waited > 20, "{waited} of {}", whole.steps);
}

#[test]
fn scenarios_are_found_again_by_their_names() {
    let all = every(100).expect("the conversation holds");
    let others = [
        Scenario::Backlog(3),
        Scenario::BothFull,
        Scenario::Visits(7),
    ];
    for scenario in all.into_iter().chain(others) {
        assert_eq!(scenario.to_string().parse(), Ok(scenario));
    }
    assert!("cut:sideways:3".parse::<Scenario>().is_err());
}
