//! The same work on many targets, some at a time.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Does `work` on every item, as many at a time as `throttle` has permits; results come back in
/// the order of the items.
pub(super) async fn each<T, R, F>(
    items: Vec<T>,
    throttle: Arc<Semaphore>,
    work: impl Fn(T) -> F,
) -> Vec<R>
where
    R: Send + 'static,
    F: Future<Output = R> + Send + 'static,
{
    let mut running = JoinSet::new();
    for (position, item) in items.into_iter().enumerate() {
        let throttle = Arc::clone(&throttle);
        let work = work(item);
        running.spawn(async move {
            // The semaphore is never closed; without a permit there is merely no limit.
            let _permit = throttle.acquire_owned().await;
            (position, work.await)
        });
    }
    let mut results = running.join_all().await;
    results.sort_by_key(|(position, _)| *position);
    results.into_iter().map(|(_, result)| result).collect()
}

/// So many at a time.
#[must_use]
pub(super) fn throttle(limit: u16) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(limit.into()))
}
