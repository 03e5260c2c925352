//! The laws of a world: who is there, what they ask for, what can go wrong.

use std::collections::VecDeque;
use std::time::Duration;

use outlast_protocol::id::{ClientId, InstanceId, InvocationId, SessionName};
use outlast_protocol::link::to_host::Create;
use outlast_protocol::link::{AttachMode, Level, TerminalSize};
use outlast_protocol::session::{Buffering, IdleTimeout};
use outlast_subsystem::log::Policy;
use uuid::Uuid;

use crate::cli::{Ask, Invoke};
use crate::fault::Fault;
use crate::job::Job;
use crate::mux::Mux;
use crate::random::Random;
use crate::sabotage::{Sabotage, Saboteur};
use crate::visits::Visit;
use crate::world::User;

/// The laws.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where all that is random comes from.
    pub seed: u64,
    /// The log's bounds.
    pub policy: Policy,
    /// Bytes a channel holds in each direction.
    pub capacity: usize,
    /// Bytes read or written at once, at most.
    pub chunk: u64,
    /// Longest time between two steps, in microseconds.
    pub tick_us: u64,
    /// Credit of each reader.
    pub credit: u32,
    /// Steps after which a world is stuck.
    pub most_steps: u64,
    /// Steps after which nothing more goes wrong.
    pub fault_steps: u64,
    /// What can go wrong.
    pub faults: Vec<Fault>,
    /// How often, in ten thousand steps.
    pub fault_chance: u64,
    /// What goes wrong at exactly that step.
    pub fault_at: Option<(u64, Fault)>,
    /// Where a connection breaks: in that direction, behind that byte, in that way.
    pub cut_at: Option<(usize, u64, Fault)>,
    /// How long a connection lives.
    pub link_life: Option<Duration>,
    /// Bytes that come through in a millisecond; as fast as they are written if `None`.
    pub bytes_per_ms: Option<u64>,
    /// How long every link that has come up carries nothing at first, both ways.
    pub stall: Option<Duration>,
    /// Whether the user receives only when nothing runs any more.
    pub patient: bool,
    /// Whether muxes save at other times than at a request's end.
    pub saves: bool,
    /// Whether the last user removes the session.
    pub removes: bool,
    /// The session's idle timeout.
    pub idle_timeout: IdleTimeout,
    /// What user 0 asks for; at random if `None`.
    pub script: Option<Vec<Script>>,
    /// A promise that is broken on purpose.
    pub sabotage: Option<Sabotage>,
}

/// Something a scenario's user asks for.
#[derive(Clone, Debug)]
pub enum Script {
    /// A command.
    Invoke {
        /// What it does.
        job: Job,
        /// Its standard input.
        input: Option<u64>,
        /// Whether nobody waits for it.
        detached: bool,
        /// Whether it is asked for before the last thing is done.
        parallel: bool,
    },
    /// A visit to the terminal.
    Visit {
        /// How much is typed.
        keys: u64,
        /// Whether it is asked for before the last thing is done.
        parallel: bool,
    },
    /// Receiving.
    Receive,
    /// Letting go.
    Disconnect,
}

/// What can go wrong in any world.
const FAULTS: [Fault; 16] = [
    Fault::Cut,
    Fault::Cut,
    Fault::Late,
    Fault::Silence,
    Fault::Stall,
    Fault::KillRelay,
    Fault::CrashMux,
    Fault::CrashCli,
    Fault::CrashClient,
    Fault::FreezeHost,
    Fault::FreezeMux,
    Fault::FreezeCli,
    Fault::FreezeCli,
    Fault::SetClock,
    Fault::Cut,
    Fault::Late,
];

impl Plan {
    /// A calm world with one user.
    #[must_use]
    pub fn calm(seed: u64) -> Self {
        Self {
            seed,
            policy: Policy::default(),
            capacity: 64 * 1024,
            chunk: 64 * 1024,
            tick_us: 200,
            credit: 4 * 1024 * 1024,
            most_steps: 2_000_000,
            fault_steps: 20_000,
            faults: Vec::new(),
            fault_chance: 0,
            fault_at: None,
            cut_at: None,
            link_life: None,
            bytes_per_ms: None,
            stall: None,
            patient: false,
            saves: false,
            removes: true,
            idle_timeout: IdleTimeout::Never,
            script: None,
            sabotage: None,
        }
    }

    /// The world of a seed.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x5eed);
        let buffering = random
            .pick(&[
                Buffering::Spool,
                Buffering::Spool,
                Buffering::Block,
                Buffering::Drop,
            ])
            .unwrap_or_default();
        let quota = random.pick(&[16, 64, 64 * 1024]).unwrap_or(16) * 1024;
        let policy = Policy {
            buffering,
            quota_bytes: quota,
            memory_bytes: random.pick(&[2048, 16 * 1024, 256 * 1024]).unwrap_or(2048),
            segment_bytes: 4096,
        };
        let mut faults = FAULTS.to_vec();
        if random.chance(1, 6) {
            faults.push(
                random
                    .pick(&[Fault::CrashHost, Fault::PowerCut])
                    .unwrap_or(Fault::CrashHost),
            );
        }
        if random.chance(1, 8) {
            faults.extend([Fault::LoseSpool, Fault::BreakDisk]);
        }
        Self {
            policy,
            capacity: random
                .pick(&[4096, 64 * 1024, 2 * 1024 * 1024])
                .unwrap_or(4096),
            chunk: random.pick(&[16, 512, 64 * 1024]).unwrap_or(512),
            tick_us: random.pick(&[50, 2_000, 40_000]).unwrap_or(50),
            credit: u32::try_from(random.pick(&[1, 700, 100_000, 4 << 20]).unwrap_or(1))
                .unwrap_or(1),
            most_steps: 400_000,
            fault_steps: 4_000,
            faults,
            fault_chance: random.pick(&[5, 40, 150, 500]).unwrap_or(5),
            saves: random.chance(1, 2),
            removes: random.chance(3, 4),
            idle_timeout: if random.chance(1, 10) {
                IdleTimeout::Seconds(60)
            } else {
                IdleTimeout::Never
            },
            ..Self::calm(seed)
        }
    }

    /// Who is there, and what they will ask for.
    #[must_use]
    pub fn users(&self, random: &mut Random) -> Vec<User> {
        let instance = InstanceId(uuid(random));
        let clients = if self.script.is_some() {
            1
        } else {
            random.pick(&[1, 1, 2, 2, 3]).unwrap_or(1)
        };
        let mut command = 0;
        let mut users = Vec::new();
        for at in 0..clients {
            let client = ClientId(uuid(random));
            let mut asks = VecDeque::new();
            if at == 0 {
                asks.push_back((Ask::New(Box::new(self.create(instance, client))), false));
            }
            match &self.script {
                Some(script) => asks.extend(scripted(script, random)),
                None => asks.extend(self.wishes(at, &mut command, random)),
            }
            let mut mux = Mux::new(client, instance, self.credit);
            mux.saboteur = self.sabotage.map(Saboteur::new).unwrap_or_default();
            users.push(User {
                mux,
                asks,
                frozen: Duration::ZERO,
            });
        }
        users
    }

    fn create(&self, instance: InstanceId, client: ClientId) -> Create {
        Create {
            instance,
            client,
            // The name keeps to the rules for names.
            #[allow(clippy::unwrap_used)]
            name: SessionName::new("build").unwrap(),
            configuration: String::new(),
            idle_timeout: self.idle_timeout,
            buffering: self.policy.buffering,
            environment: Vec::new(),
            open_timeout_ms: 10_000,
            extensions: Vec::new(),
        }
    }

    fn wishes(&self, at: usize, command: &mut u64, random: &mut Random) -> Vec<(Ask, bool)> {
        let mut asks = Vec::new();
        if at > 0 {
            let mode = random.pick(&[AttachMode::ReadOnly, AttachMode::Steal, AttachMode::Connect]);
            asks.push((Ask::Connect(mode.unwrap_or(AttachMode::Steal)), false));
        }
        for _ in 0..random.between(1, 5) {
            let parallel = random.chance(1, 3);
            let ask = match random.below(12) {
                10 | 11 => {
                    *command = command.saturating_add(1);
                    Ask::Visit(Box::new(visit(*command, random)))
                }
                0..=5 => {
                    *command = command.saturating_add(1);
                    Ask::Invoke(Box::new(self.command(*command, random)))
                }
                6 | 7 => Ask::Receive {
                    follow: random.chance(1, 2),
                    from_start: random.chance(1, 4),
                },
                8 => Ask::Disconnect,
                _ => Ask::Connect(
                    random
                        .pick(&[AttachMode::Connect, AttachMode::Steal])
                        .unwrap_or(AttachMode::Connect),
                ),
            };
            asks.push((ask, parallel));
        }
        asks
    }

    fn command(&self, number: u64, random: &mut Random) -> Invoke {
        // Enough to fill what the log may hold, in some worlds.
        let full = match self.policy.buffering {
            Buffering::Drop => 1_500_000,
            _ => 150_000,
        };
        let most = random.pick(&[100, 4_000, full]).unwrap_or(100);
        let most = if self.chunk < 512 {
            most.min(20_000)
        } else {
            most
        };
        let input = random.chance(1, 2).then(|| random.size(most.min(50_000)));
        let job = Job {
            output: [random.size(most), random.size(most / 2 + 1)],
            input: match input {
                Some(_) if random.chance(1, 4) => random.size(1000),
                Some(_) => u64::MAX,
                None => 0,
            },
            late: if random.chance(1, 6) {
                random.size(500)
            } else {
                0
            },
            endless: random.chance(1, 12),
            stubborn: random.chance(1, 4),
            asks: random.chance(1, 6),
            code: u8::try_from(random.pick(&[0, 0, 1, 130, 255]).unwrap_or(0)).unwrap_or(0),
            ..Job::new(number)
        };
        let level = random
            .pick(&[Level::Interrupt, Level::Terminate, Level::Kill])
            .unwrap_or(Level::Interrupt);
        Invoke {
            invocation: InvocationId(uuid(random)),
            input,
            detached: input.is_none() && random.chance(1, 3),
            wait: random.chance(7, 8),
            timeout: random
                .chance(1, 10)
                .then(|| Duration::from_millis(random.between(1, 5_000))),
            cancel: random.chance(1, 5).then(|| (random.size(20), level)),
            job,
        }
    }
}

fn visit(number: u64, random: &mut Random) -> Visit {
    let side = |random: &mut Random| TerminalSize {
        columns: u16::try_from(random.between(1, 300)).unwrap_or(80),
        rows: u16::try_from(random.between(1, 100)).unwrap_or(24),
    };
    let most = random.pick(&[10, 300, 5_000]).unwrap_or(10);
    Visit {
        invocation: InvocationId(uuid(random)),
        number,
        keys: random.size(most),
        exits: random.chance(1, 3),
        wait: random.chance(7, 8),
        size: side(random),
        resized: side(random),
    }
}

fn uuid(random: &mut Random) -> Uuid {
    Uuid::from_u64_pair(random.draw(), random.draw())
}

fn scripted(script: &[Script], random: &mut Random) -> Vec<(Ask, bool)> {
    let mut asks = Vec::new();
    for (number, item) in (1000..).zip(script) {
        asks.push(match item {
            Script::Invoke {
                job,
                input,
                detached,
                parallel,
            } => {
                let invoke = Invoke {
                    invocation: InvocationId(uuid(random)),
                    job: job.clone(),
                    input: *input,
                    detached: *detached,
                    wait: true,
                    timeout: None,
                    cancel: None,
                };
                (Ask::Invoke(Box::new(invoke)), *parallel)
            }
            Script::Visit { keys, parallel } => {
                let visit = Visit {
                    keys: *keys,
                    exits: false,
                    wait: true,
                    ..visit(number, random)
                };
                (Ask::Visit(Box::new(visit)), *parallel)
            }
            Script::Receive => {
                let receive = Ask::Receive {
                    follow: true,
                    from_start: false,
                };
                (receive, false)
            }
            Script::Disconnect => (Ask::Disconnect, false),
        });
    }
    asks
}
