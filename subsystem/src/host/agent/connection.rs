//! One connection to the client's agent: what waits in it in either direction.

use std::collections::VecDeque;
use std::rc::Rc;

use bytes::{Buf as _, Bytes};
use outlast_protocol::id::Lease;
use outlast_protocol::limits::MAX_CHUNK;
use tokio::sync::Notify;

/// A program that says more than its client's link takes waits.
const ASKED: usize = MAX_CHUNK;
/// A program that does not read what its agent answers is left. The longest message of an agent
/// has 256 KiB.
const ANSWERED: usize = 8 * MAX_CHUNK;

/// Pieces on their way in one direction.
#[derive(Debug, Default)]
struct Queue {
    pieces: VecDeque<Bytes>,
    bytes: usize,
}

impl Queue {
    fn push(&mut self, piece: Bytes) {
        self.bytes = self.bytes.saturating_add(piece.len());
        self.pieces.push_back(piece);
    }

    fn pop(&mut self) -> Option<Bytes> {
        let piece = self.pieces.pop_front()?;
        self.bytes = self.bytes.saturating_sub(piece.len());
        Some(piece)
    }
}

/// What comes next for the program.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Bytes(Bytes),
    Later,
    End,
}

/// One connection, made while the attachment with that lease held the session.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) lease: Lease,
    bell: Rc<Notify>,
    asked: Queue,
    answered: Queue,
    /// Whether the client has heard of it.
    told: bool,
    program_is_gone: bool,
    agent_is_gone: bool,
}

impl Connection {
    pub(super) fn new(lease: Lease, bell: Rc<Notify>) -> Self {
        Self {
            lease,
            bell,
            asked: Queue::default(),
            answered: Queue::default(),
            told: false,
            program_is_gone: false,
            agent_is_gone: false,
        }
    }

    /// Has the program's side look again.
    pub(super) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Whether the program may say more.
    pub(super) fn has_room(&self) -> bool {
        self.asked.bytes < ASKED
    }

    /// The program said something.
    pub(super) fn ask(&mut self, bytes: Bytes) {
        if !self.agent_is_gone {
            self.asked.push(bytes);
        }
    }

    /// What comes next for the program.
    pub(super) fn answer(&self) -> Answer {
        match self.answered.pieces.front() {
            _ if self.program_is_gone => Answer::End,
            Some(bytes) => Answer::Bytes(bytes.clone()),
            None if self.agent_is_gone => Answer::End,
            None => Answer::Later,
        }
    }

    /// The program took so many bytes of that.
    pub(super) fn take(&mut self, count: usize) {
        let Some(mut front) = self.answered.pop() else {
            return;
        };
        front.advance(count.min(front.len()));
        if !front.is_empty() {
            self.answered.bytes = self.answered.bytes.saturating_add(front.len());
            self.answered.pieces.push_front(front);
        }
    }

    /// The agent said something.
    pub(super) fn receive(&mut self, bytes: Bytes) {
        if self.program_is_gone || self.agent_is_gone || bytes.is_empty() {
            return;
        }
        if self.answered.bytes.saturating_add(bytes.len()) > ANSWERED {
            self.leave();
            self.asked = Queue::default();
        } else {
            self.answered.push(bytes);
        }
        self.ring();
    }

    /// The program is gone. What it said before is still said to the agent.
    pub(super) fn leave(&mut self) {
        self.program_is_gone = true;
        self.answered = Queue::default();
    }

    /// The agent is gone. What it said before still reaches the program.
    pub(super) fn agent_left(&mut self) {
        self.agent_is_gone = true;
        self.asked = Queue::default();
        self.ring();
    }

    /// The next to be said to the agent.
    pub(super) fn poll(&mut self) -> Option<Bytes> {
        let bytes = self.asked.pop()?;
        self.told = true;
        self.ring();
        Some(bytes)
    }

    /// Whether both sides know all there is to know.
    pub(super) fn is_over(&self) -> bool {
        let heard = self.agent_is_gone || !self.told;
        self.program_is_gone && self.asked.pieces.is_empty() && heard
    }

    /// Whether the client is to hear of the end.
    pub(super) fn ends(&self) -> bool {
        self.program_is_gone && self.asked.pieces.is_empty() && !self.is_over()
    }
}
