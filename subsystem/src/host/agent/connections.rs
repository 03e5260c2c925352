//! The connections to a client's agent. They belong to the attachment that held the session when
//! they were made, and nobody else ever gets a byte of them.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::rc::Rc;

use bytes::Bytes;
use outlast_protocol::id::Lease;
use outlast_protocol::limits::MAX_AGENT_CONNECTIONS;
use tokio::sync::Notify;

use super::connection::{Answer, Connection};

/// All open connections of a session.
#[derive(Debug, Default)]
pub(in crate::host) struct Connections {
    open: BTreeMap<u32, Connection>,
    /// No number is used twice: what is under way for an old connection finds none.
    last: u32,
    /// Whose turn it was.
    turn: u32,
}

/// What is to be said to the client.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::host) enum Said {
    Data(u32, Bytes),
    End(u32),
}

impl Connections {
    /// A program has connected while the attachment with that lease holds the session. The bell
    /// is rung when there is something to be done for the program. None if there are too many.
    pub(super) fn open(&mut self, lease: Lease, bell: Rc<Notify>) -> Option<u32> {
        if self.open.len() >= MAX_AGENT_CONNECTIONS {
            return None;
        }
        self.last = self.last.checked_add(1)?;
        self.open.insert(self.last, Connection::new(lease, bell));
        Some(self.last)
    }

    /// Whether the program may say more.
    pub(super) fn has_room(&self, id: u32) -> bool {
        self.open.get(&id).is_some_and(Connection::has_room)
    }

    /// The program said something.
    pub(super) fn ask(&mut self, id: u32, bytes: Bytes) {
        if let Some(connection) = self.open.get_mut(&id) {
            connection.ask(bytes);
        }
    }

    /// What comes next for the program.
    pub(super) fn answer(&self, id: u32) -> Answer {
        self.open.get(&id).map_or(Answer::End, Connection::answer)
    }

    /// The program took so many bytes of that.
    pub(super) fn take(&mut self, id: u32, count: usize) {
        if let Some(connection) = self.open.get_mut(&id) {
            connection.take(count);
        }
    }

    /// The program is gone, or was left.
    pub(super) fn leave(&mut self, id: u32) {
        if let Some(connection) = self.open.get_mut(&id) {
            connection.leave();
            self.forget_if_over(id);
        }
    }

    /// The client said something on a connection. One that is over, or another attachment's, is
    /// none.
    pub(in crate::host) fn receive(&mut self, lease: Lease, id: u32, bytes: Bytes) {
        if let Some(connection) = self.of(lease, id) {
            connection.receive(bytes);
        }
    }

    /// The client ended a connection.
    pub(in crate::host) fn receive_end(&mut self, lease: Lease, id: u32) {
        if let Some(connection) = self.of(lease, id) {
            connection.agent_left();
            self.forget_if_over(id);
        }
    }

    /// The next to be said to the client with that lease: each connection in turn.
    pub(in crate::host) fn poll(&mut self, lease: Lease) -> Option<Said> {
        let turn = self.turn;
        let later = (Excluded(turn), Unbounded);
        let order = self.open.range(later).chain(self.open.range(..=turn));
        let ids: Vec<u32> = order.map(|(id, _)| *id).collect();
        for id in ids {
            let Some(connection) = self.of(lease, id) else {
                continue;
            };
            if let Some(bytes) = connection.poll() {
                self.turn = id;
                return Some(Said::Data(id, bytes));
            }
            if connection.ends() {
                self.turn = id;
                self.open.remove(&id);
                return Some(Said::End(id));
            }
        }
        None
    }

    /// The session has this writing attachment now, or none: connections of any other are over.
    pub(in crate::host) fn fence(&mut self, writer: Option<Lease>) {
        self.open.retain(|_, connection| {
            let stays = Some(connection.lease) == writer;
            if !stays {
                connection.ring();
            }
            stays
        });
    }

    fn of(&mut self, lease: Lease, id: u32) -> Option<&mut Connection> {
        let connection = self.open.get_mut(&id)?;
        (connection.lease == lease).then_some(connection)
    }

    fn forget_if_over(&mut self, id: u32) {
        if self.open.get(&id).is_some_and(Connection::is_over) {
            self.open.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLDER: Lease = Lease(3);

    fn connected(all: &mut Connections) -> u32 {
        all.open(HOLDER, Rc::default()).unwrap()
    }

    fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[test]
    fn questions_and_answers_pass_in_order_and_in_pieces() {
        let mut all = Connections::default();
        let id = connected(&mut all);
        assert_eq!(all.poll(HOLDER), None);
        all.ask(id, bytes("one"));
        all.ask(id, bytes("two"));
        assert_eq!(all.poll(HOLDER), Some(Said::Data(id, bytes("one"))));
        assert_eq!(all.poll(HOLDER), Some(Said::Data(id, bytes("two"))));
        assert_eq!(all.answer(id), Answer::Later);
        all.receive(HOLDER, id, bytes("answer"));
        all.receive_end(HOLDER, id);
        all.take(id, 2);
        assert_eq!(all.answer(id), Answer::Bytes(bytes("swer")));
        all.take(id, 4);
        assert_eq!(all.answer(id), Answer::End, "behind what was said before");
        all.leave(id);
        assert_eq!(all.poll(HOLDER), None, "the client ended it itself");
        assert!(all.open.is_empty());
    }

    #[test]
    fn a_program_that_leaves_is_heard_to_the_end() {
        let mut all = Connections::default();
        let id = connected(&mut all);
        all.ask(id, bytes("last words"));
        all.leave(id);
        all.receive(HOLDER, id, bytes("too late"));
        assert_eq!(all.poll(HOLDER), Some(Said::Data(id, bytes("last words"))));
        assert_eq!(all.poll(HOLDER), Some(Said::End(id)));
        assert_eq!(all.poll(HOLDER), None);
    }

    #[test]
    fn a_client_hears_of_no_connection_on_which_nothing_was_said() {
        let mut all = Connections::default();
        let id = connected(&mut all);
        all.leave(id);
        assert_eq!(all.poll(HOLDER), None);
        assert_ne!(connected(&mut all), id, "numbers are not used again");
    }

    #[test]
    fn each_connection_has_its_turn() {
        let mut all = Connections::default();
        let ids = [(); 3].map(|()| connected(&mut all));
        for id in ids.into_iter().chain(ids) {
            all.ask(id, bytes("x"));
        }
        let mut turns = Vec::new();
        while let Some(Said::Data(id, _)) = all.poll(HOLDER) {
            turns.push(id);
        }
        assert_eq!(turns, [ids, ids].concat());
    }

    #[test]
    fn nobody_but_its_attachment_gets_or_says_anything() {
        let mut all = Connections::default();
        let id = connected(&mut all);
        all.ask(id, bytes("secret"));
        let thief = Lease(4);
        assert_eq!(all.poll(thief), None);
        all.receive(thief, id, bytes("forged"));
        all.receive_end(thief, id);
        assert_eq!(all.answer(id), Answer::Later);
        all.fence(Some(thief));
        assert_eq!(all.answer(id), Answer::End);
        assert_eq!((all.poll(thief), all.poll(HOLDER)), (None, None));
        // The program's side finds out later.
        all.ask(id, bytes("more"));
        all.leave(id);
        assert_eq!((all.poll(thief), all.poll(HOLDER)), (None, None));
    }

    #[test]
    fn their_number_is_bounded_until_the_client_knows_of_the_end() {
        let mut all = Connections::default();
        let first = connected(&mut all);
        for _ in 1..MAX_AGENT_CONNECTIONS {
            connected(&mut all);
        }
        assert_eq!(all.open(HOLDER, Rc::default()), None);
        all.ask(first, bytes("x"));
        all.leave(first);
        assert_eq!(all.open(HOLDER, Rc::default()), None);
        while all.poll(HOLDER).is_some() {}
        assert!(all.open(HOLDER, Rc::default()).is_some());
    }

    #[test]
    fn what_waits_is_bounded_both_ways() {
        let mut all = Connections::default();
        let (id, other) = (connected(&mut all), connected(&mut all));
        let piece = || Bytes::from(vec![0; 32 << 10]);
        while all.has_room(id) {
            all.ask(id, piece());
        }
        assert!(all.has_room(other), "one that is slow hurts only itself");
        assert!(matches!(all.poll(HOLDER), Some(Said::Data(..))));
        assert!(all.has_room(id));

        for _ in 0..16 {
            all.receive(HOLDER, id, piece());
            assert!(matches!(all.answer(id), Answer::Bytes(_)));
        }
        all.receive(HOLDER, id, bytes("x"));
        assert_eq!(all.answer(id), Answer::End, "nobody reads it");
        assert_eq!(all.poll(HOLDER), Some(Said::End(id)));
        assert_eq!(all.answer(other), Answer::Later);
    }
}
