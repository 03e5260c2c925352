//! What of a session's output nobody has consumed yet.
//!
//! A reader of one command says nothing about another one's output, so this is kept for each
//! invocation. Watchers do not count: what they have seen is still to be received.

use std::collections::BTreeMap;

use outlast_protocol::id::{InvocationId, Seq};

/// Records of one invocation, other invocations' among them perhaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    /// None before this one is unconsumed.
    first: Seq,
    last: Seq,
}

/// The unconsumed records.
#[derive(Debug, Default)]
pub(super) struct Consumption {
    unread: BTreeMap<InvocationId, Span>,
}

impl Consumption {
    /// An invocation got records from `first` to `last`.
    pub(super) fn recorded(&mut self, invocation: InvocationId, first: Seq, last: Seq) {
        let span = self
            .unread
            .entry(invocation)
            .or_insert(Span { first, last });
        span.last = last;
    }

    /// Everything up to `seq` was consumed: of one invocation, or by a reader of everything.
    /// Returns whether that was news.
    pub(super) fn consumed(&mut self, only: Option<InvocationId>, seq: Seq) -> bool {
        let mut news = false;
        let mut consume = |span: &mut Span| {
            news |= span.first <= seq;
            span.first = span.first.max(seq.next());
            span.first <= span.last
        };
        match only {
            Some(invocation) => {
                if let Some(span) = self.unread.get_mut(&invocation)
                    && !consume(span)
                {
                    self.unread.remove(&invocation);
                }
            }
            None => self.unread.retain(|_, span| consume(span)),
        }
        news
    }

    /// Whether nothing is left.
    pub(super) fn is_complete(&self) -> bool {
        self.unread.is_empty()
    }

    /// Ranges of records, first and last, that hold everything unconsumed.
    pub(super) fn spans(&self) -> impl Iterator<Item = (Seq, Seq)> {
        self.unread.values().map(|span| (span.first, span.last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> InvocationId {
        InvocationId(uuid::Uuid::from_u128(number))
    }

    fn spans(consumption: &Consumption) -> Vec<(u64, u64)> {
        let spans = consumption.spans();
        spans.map(|(first, last)| (first.0, last.0)).collect()
    }

    #[test]
    fn a_reader_of_one_command_does_not_consume_another() {
        let mut all = Consumption::default();
        all.recorded(id(1), Seq(1), Seq(3));
        all.recorded(id(2), Seq(4), Seq(4));
        all.recorded(id(1), Seq(5), Seq(5));
        assert!(all.consumed(Some(id(2)), Seq(4)));
        assert!(!all.consumed(Some(id(2)), Seq(4)), "once is enough");
        assert_eq!(spans(&all), [(1, 5)]);
        assert!(all.consumed(Some(id(1)), Seq(2)));
        assert_eq!(spans(&all), [(3, 5)]);
        assert!(all.consumed(None, Seq(5)));
        assert!(all.is_complete());
        all.recorded(id(1), Seq(6), Seq(6));
        assert_eq!(spans(&all), [(6, 6)], "late output of a background child");
    }

    #[test]
    fn a_reader_of_everything_consumes_up_to_where_it_is() {
        let mut all = Consumption::default();
        all.recorded(id(1), Seq(1), Seq(2));
        all.recorded(id(2), Seq(3), Seq(9));
        assert!(all.consumed(None, Seq(4)));
        assert_eq!(spans(&all), [(5, 9)]);
    }
}
