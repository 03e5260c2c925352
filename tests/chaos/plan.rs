//! What is to happen in a round, decided before it begins: what the sessions do, and which fault
//! comes when. Nothing in here looks at the world.

use std::time::Duration;

use outlast_tests::proxy::{End, Way};

use crate::job::{Job, Kind};
use crate::random::Random;

/// Client machines; each has a network of its own.
pub(crate) const MACHINES: usize = 2;

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) sessions: Vec<SessionPlan>,
    /// One list for each machine's network, and a last one for the processes.
    pub(crate) faults: Vec<Vec<(Duration, Fault)>>,
    /// In a share of the rounds one host is killed, when all else has been looked at.
    pub(crate) doom: Option<Doom>,
}

/// The end of a session by the loss of its host.
#[derive(Clone, Debug)]
pub(crate) struct Doom {
    pub(crate) session: usize,
    pub(crate) job: Job,
    /// How long after the submission.
    pub(crate) after: Duration,
}

/// One session and what is done with it, one act after the other.
#[derive(Clone, Debug)]
pub(crate) struct SessionPlan {
    pub(crate) name: String,
    /// The machine that makes it.
    pub(crate) owner: usize,
    /// On the machine itself, without SSH: no other machine can have it.
    pub(crate) local: bool,
    pub(crate) acts: Vec<Act>,
}

#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// A command line that waits for its job.
    Foreground {
        job: Job,
        raw: bool,
        meanwhile: Option<(Moment, Meanwhile)>,
    },
    /// A job nobody waits for.
    Detached(Job),
    /// What was not received yet.
    Receive {
        follow: bool,
        meanwhile: Option<(Moment, Meanwhile)>,
    },
    /// A job is interrupted and has to end of it.
    Cancelled { job: Job, moment: Moment },
    /// The other machine takes the session, by force or by agreement.
    Move { steal: bool },
    /// Somebody is inside and types.
    Visit(Visit),
    /// Let go, and taken again by whatever comes next.
    Disconnect,
}

/// Lines that are typed into a session's own shell, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) label: String,
    pub(crate) lines: usize,
    /// After so many of them are typed, and a pause.
    pub(crate) meanwhile: Option<(usize, Duration, Meanwhile)>,
    /// The keys that leave.
    pub(crate) farewell: &'static str,
}

/// When the command line has printed so much, or after so long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) bytes: usize,
    pub(crate) at_most: Duration,
}

/// What happens to a command line that is being waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Meanwhile {
    Kill,
    /// Stopped for so long, then woken.
    Freeze(Duration),
    /// The other machine steals its session.
    Steal,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    Cut,
    /// After so many more bytes from the server.
    CutAfter(u64),
    /// For so long; then nothing, or a cut.
    Stall(Option<Way>, Duration, bool),
    Trickle {
        bytes: usize,
        every: Duration,
        lasting: Duration,
    },
    HalfOpen(End),
    Refuse(Duration),
    /// kill -9 of one of these, whichever the number falls on.
    KillConnection(usize),
    KillRelay(usize),
    KillMux(usize),
    FreezeMux(usize, Duration),
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut sessions = Vec::new();
        let remote = random.within(2, 3) as usize;
        let local = usize::from(random.chance(60));
        for number in 0..remote + local {
            let mut own = random.branch();
            sessions.push(SessionPlan::of(number, number >= remote, &mut own));
        }
        let mut faults = Vec::new();
        for _ in 0..MACHINES {
            faults.push(schedule(&mut random.branch(), network_fault));
        }
        faults.push(schedule(&mut random.branch(), process_fault));
        let mut own = random.branch();
        let doom = own.chance(25).then(|| {
            let mut job = emitting("doomed".to_owned(), &mut own);
            job.pace = 3000;
            Doom {
                session: own.index(sessions.len()),
                job,
                after: millis(&mut own, 0, 1500),
            }
        });
        Self {
            seed,
            sessions,
            faults,
            doom,
        }
    }
}

/// More than a round can use: it ends when the sessions are done.
const FAULTS: usize = 80;

fn schedule(random: &mut Random, fault: impl Fn(&mut Random) -> Fault) -> Vec<(Duration, Fault)> {
    // Some rounds are rough and some are calm enough for long streams to pass between two faults.
    let longest = random.within(600, 5000);
    let mut list = Vec::new();
    for _ in 0..FAULTS {
        list.push((millis(random, 20, longest), fault(random)));
    }
    list
}

fn millis(random: &mut Random, low: u64, high: u64) -> Duration {
    Duration::from_millis(random.within(low, high))
}

fn network_fault(random: &mut Random) -> Fault {
    match random.within(0, 9) {
        0 | 1 => Fault::Cut,
        2 | 3 => Fault::CutAfter(random.within(1, 200_000)),
        4 | 5 => {
            let way = [None, Some(Way::Up), Some(Way::Down)][random.index(3)];
            Fault::Stall(way, millis(random, 50, 2500), random.chance(40))
        }
        6 | 7 => Fault::Trickle {
            bytes: random.within(1, 1500) as usize,
            every: millis(random, 1, 15),
            lasting: millis(random, 200, 2000),
        },
        8 => Fault::HalfOpen([End::Client, End::Server][random.index(2)]),
        _ => Fault::Refuse(millis(random, 50, 1500)),
    }
}

fn process_fault(random: &mut Random) -> Fault {
    let which = random.next() as usize;
    match random.within(0, 7) {
        0 | 1 => Fault::KillConnection(which),
        2 | 3 => Fault::KillRelay(which),
        4 | 5 => Fault::KillMux(which % MACHINES),
        _ => Fault::FreezeMux(which % MACHINES, millis(random, 50, 2500)),
    }
}

impl SessionPlan {
    fn of(number: usize, local: bool, random: &mut Random) -> Self {
        let mut plan = Self {
            name: format!("s{number}"),
            owner: random.index(MACHINES),
            local,
            acts: Vec::new(),
        };
        // One session in twenty is flooded while nobody listens: the quota and its gap.
        if random.chance(5) {
            let mut job = Job::new(format!("{}-flood", plan.name), Kind::Emit, random);
            job.out = random.within(66, 80) as usize * 1024 * 1024;
            plan.acts.push(Act::Detached(job));
            plan.acts.push(Act::Receive {
                follow: true,
                meanwhile: None,
            });
        }
        for act in 0..random.within(4, 8) {
            let label = format!("{}-{act}", plan.name);
            let act = plan.act(label, random);
            plan.acts.push(act);
        }
        plan
    }

    fn act(&self, label: String, random: &mut Random) -> Act {
        match random.within(0, 99) {
            0..40 => self.foreground(label, random),
            40..58 => Act::Detached(emitting(label, random)),
            58..71 => Act::Receive {
                follow: random.chance(60),
                meanwhile: self.meanwhile(random, false),
            },
            71..80 => Act::Cancelled {
                job: Job::new(label, Kind::Endless, random),
                moment: Moment {
                    bytes: usize::from(random.chance(70)),
                    at_most: millis(random, 0, 6000),
                },
            },
            80..87 if !self.local => Act::Move {
                steal: random.chance(60),
            },
            87..97 => self.visit(label, random),
            _ => Act::Disconnect,
        }
    }

    fn foreground(&self, label: String, random: &mut Random) -> Act {
        // A killed or robbed command line cannot give its job the rest of the input.
        if random.chance(35) {
            let kind = [Kind::Take, Kind::Echo][random.index(2)];
            let mut job = Job::new(label, kind, random);
            job.out = size(random) as usize;
            job.exit = exit(random);
            let freeze = random.chance(20);
            let meanwhile =
                freeze.then(|| (moment(random), Meanwhile::Freeze(millis(random, 50, 3000))));
            return Act::Foreground {
                job,
                raw: random.chance(50),
                meanwhile,
            };
        }
        Act::Foreground {
            job: emitting(label, random),
            raw: random.chance(50),
            meanwhile: self.meanwhile(random, true),
        }
    }

    fn visit(&self, label: String, random: &mut Random) -> Act {
        let lines = random.within(1, 6) as usize;
        let what = match random.within(0, 9) {
            0..=2 => Some(Meanwhile::Kill),
            3 | 4 => Some(Meanwhile::Freeze(millis(random, 50, 3000))),
            5 if !self.local => Some(Meanwhile::Steal),
            _ => None,
        };
        let typed = random.within(1, lines as u64) as usize;
        let pause = millis(random, 0, 300);
        Act::Visit(Visit {
            label,
            lines,
            meanwhile: what.map(|what| (typed, pause, what)),
            farewell: ["\x1cd", "~."][random.index(2)],
        })
    }

    fn meanwhile(&self, random: &mut Random, may_steal: bool) -> Option<(Moment, Meanwhile)> {
        let what = match random.within(0, 9) {
            0..=2 => Meanwhile::Kill,
            3 | 4 => Meanwhile::Freeze(millis(random, 50, 3000)),
            5 if may_steal && !self.local => Meanwhile::Steal,
            _ => return None,
        };
        Some((moment(random), what))
    }
}

fn moment(random: &mut Random) -> Moment {
    let bytes = match random.within(0, 3) {
        0 => 0,
        1 => random.within(1, 2000),
        _ => random.within(1, 2_000_000),
    };
    Moment {
        bytes: bytes as usize,
        at_most: millis(random, 0, 4000),
    }
}

fn emitting(label: String, random: &mut Random) -> Job {
    let mut job = Job::new(label, Kind::Emit, random);
    job.out = size(random) as usize;
    job.err = if random.chance(60) {
        size(random) as usize / 2
    } else {
        0
    };
    job.pace = if random.chance(60) {
        random.within(100, 4000)
    } else {
        0
    };
    job.exit = exit(random);
    job
}

fn size(random: &mut Random) -> u64 {
    match random.within(0, 99) {
        0..40 => random.within(0, 3000),
        40..75 => random.within(10_000, 400_000),
        75..95 => random.within(400_000, 3_000_000),
        _ => random.within(3_000_000, 16_000_000),
    }
}

fn exit(random: &mut Random) -> u8 {
    if random.chance(50) {
        0
    } else {
        random.within(1, 120) as u8
    }
}
