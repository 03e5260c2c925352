//! How long the background process is away, and how patient the user is with that.

use std::time::Duration;

use tokio::time::Instant;

use super::duration::Span;
use super::error::Error;

/// First and longest wait before the next attempt to reach a mux.
const WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A mux that is there, or is away since when.
#[derive(Debug)]
pub(super) struct Absence {
    since: Option<Instant>,
    wait: Duration,
    patience: Span,
}

impl Absence {
    /// It is there; it may be away for so long.
    pub(super) fn new(patience: Span) -> Self {
        Self {
            since: None,
            wait: WAIT.0,
            patience,
        }
    }

    /// Whether it is away.
    pub(super) fn lasts(&self) -> bool {
        self.since.is_some()
    }

    /// It was lost, or an attempt to reach another has failed. None when that is news; otherwise
    /// the wait before the next attempt, or an error when there is no patience left: why the next
    /// mux is of no use, where there is one.
    pub(super) fn goes_on(&mut self, away: Option<Error>) -> Result<Option<Duration>, Error> {
        let Some(since) = self.since else {
            self.since = Some(Instant::now());
            self.wait = WAIT.0;
            return Ok(None);
        };
        let limit = self.patience.duration();
        if limit.is_some_and(|limit| since.elapsed() >= limit) {
            return Err(away.unwrap_or_else(|| Error::MuxLost(self.patience.to_string())));
        }
        let wait = self.wait;
        self.wait = wait.saturating_mul(2).min(WAIT.1);
        Ok(Some(wait))
    }

    /// It is there; says whether it was away.
    pub(super) fn ends(&mut self) -> bool {
        self.since.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn patience_has_an_end() {
        let mut absence = Absence::new(Span::Seconds(10));
        assert!(absence.goes_on(None).unwrap().is_none() && absence.lasts());
        let mut waited = Duration::ZERO;
        while let Ok(wait) = absence.goes_on(None) {
            waited += wait.unwrap();
            tokio::time::advance(wait.unwrap()).await;
        }
        assert!((10..=15).contains(&waited.as_secs()), "{waited:?}");
        assert!(absence.ends() && !absence.ends());
    }
}
