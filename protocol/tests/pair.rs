//! A conversation that is cut wherever it can be cut: every submission runs once and in order,
//! every byte of standard input is fed once and in order, every record arrives once and in
//! order, or a gap says that it is gone. In virtual time.
// A helper of a test fails the test like the test itself.
#![allow(clippy::expect_used, clippy::indexing_slicing)]

#[path = "support/model/mod.rs"]
mod model;
#[path = "support/random.rs"]
#[allow(dead_code, unreachable_pub)]
mod random;

use model::{Fate, Plan, World};
use random::Random;

fn plan(cuts: Vec<usize>) -> Plan {
    Plan {
        cuts,
        fate: Fate::Cut,
        chunk: 16,
        pause: 2,
        kept: usize::MAX,
        credit: 1000,
    }
}

/// Bytes that a conversation without a cut carries.
fn whole(plan: Plan) -> usize {
    let mut world = World::new(plan);
    assert_eq!(world.run(), (1, 0));
    world.total
}

#[test]
fn a_cut_after_any_byte_loses_nothing_and_repeats_nothing() {
    // A byte at a time is so slow that heartbeats come into it, and too slow for every cut.
    for (chunk, step) in [(1, 29), (16, 1), (4096, 1)] {
        let base = Plan {
            chunk,
            ..plan(vec![])
        };
        let length = whole(base.clone());
        assert!(length > 1500, "too short to prove anything: {length}");
        for at in (0..length).step_by(step) {
            let cut = Plan {
                cuts: vec![at],
                ..base.clone()
            };
            let (links, gaps) = World::new(cut).run();
            // A cut in the last bytes, when all is said, needs no second link.
            let expected = if at + 32 < length { 2..=2 } else { 1..=2 };
            assert!(
                expected.contains(&links) && gaps == 0,
                "cut at {at} of {length} by {chunk}: {links}"
            );
        }
    }
}

#[test]
fn a_link_that_falls_silent_after_any_byte_is_given_up_and_replaced() {
    let length = whole(plan(vec![]));
    for at in 0..length {
        let silent = Plan {
            fate: Fate::Silence,
            ..plan(vec![at])
        };
        let (links, gaps) = World::new(silent).run();
        // Silence behind the last byte that matters may never be noticed.
        assert!((1..=2).contains(&links) && gaps == 0, "silent at {at}");
    }
}

#[test]
fn many_cuts_at_random_lose_nothing_either() {
    for seed in 0..3000 {
        let mut random = Random::new(seed);
        let cuts = (0..=random.below(20)).map(|_| random.below(900)).collect();
        let wild = Plan {
            fate: if random.below(4) == 0 {
                Fate::Silence
            } else {
                Fate::Cut
            },
            chunk: 1 + random.below(200),
            pause: random.below(30),
            credit: 1 + u32::try_from(random.below(60)).unwrap_or_default(),
            ..plan(cuts)
        };
        assert_eq!(World::new(wild).run().1, 0, "seed {seed}");
    }
}

#[test]
fn what_the_host_could_not_keep_is_told_as_a_gap() {
    let mut gaps = 0;
    for seed in 0..1000 {
        let mut random = Random::new(seed);
        let cuts = (0..=random.below(10)).map(|_| random.below(1200)).collect();
        let forgetful = Plan {
            pause: random.below(60),
            kept: 1 + random.below(4),
            ..plan(cuts)
        };
        gaps += World::new(forgetful).run().1;
    }
    assert!(gaps > 500, "hardly a gap in 1000 runs: {gaps}");
}
