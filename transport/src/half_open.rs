//! The connections that have not authenticated yet: how many, from whom, and who goes first (H5).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::source::Source;

/// How many connections may be unauthenticated at once.
#[derive(Clone, Copy, Debug)]
pub struct HalfOpenLimits {
    /// In all.
    pub total: usize,
    /// Of `total`, kept for sources that have authenticated in the last 24 hours.
    pub reserved: usize,
    /// From one source: an IPv4 address or an IPv6 /64.
    pub per_source: usize,
    /// From this many on, newcomers are dropped by lot: 30 % here, all of them when full.
    pub lottery_from: usize,
}

impl Default for HalfOpenLimits {
    fn default() -> Self {
        Self {
            total: 256,
            reserved: 64,
            per_source: 16,
            lottery_from: 128,
        }
    }
}

/// How many make a load under which strangers have to hurry.
const LOAD: usize = 32;

/// How long the load is taken to last after it has gone.
const STICKY: Duration = Duration::from_secs(1);

/// How long under load a connection may take to show that it knows the target's public key.
const HURRY: Duration = Duration::from_millis(250);

/// The chance to be dropped where the lottery begins.
const LOTTERY: f64 = 0.3;

/// How long a source that authenticated is known.
const MEMORY: Duration = Duration::from_hours(24);

/// How many sources are known at most.
const KNOWN: usize = 4096;

/// All connections that are not authenticated yet. Clones share them.
#[derive(Clone)]
pub(crate) struct HalfOpen {
    limits: HalfOpenLimits,
    state: Arc<Mutex<State>>,
    load: Arc<Notify>,
}

#[derive(Default)]
struct State {
    total: usize,
    sources: HashMap<Source, usize>,
    known: HashMap<Source, Instant>,
    loaded_until: Option<Instant>,
}

/// The place of one connection; given back when dropped.
pub(crate) struct Place {
    all: HalfOpen,
    source: Source,
    since: Instant,
}

impl HalfOpen {
    pub(crate) fn new(limits: HalfOpenLimits) -> Self {
        Self {
            limits,
            state: Arc::default(),
            load: Arc::default(),
        }
    }

    /// A place for a connection that came `now`, if there is one. `lot` is drawn from 0 to 1.
    pub(crate) fn admit(&self, source: Source, now: Instant, lot: f64) -> Option<Place> {
        let mut state = self.lock();
        let known = state
            .known
            .get(&source)
            .is_some_and(|since| now - *since < MEMORY);
        let from_there = state.sources.get(&source).copied().unwrap_or(0);
        if from_there >= self.limits.per_source || lot < self.chance_to_drop(state.total, known) {
            return None;
        }
        state.total += 1;
        *state.sources.entry(source).or_insert(0) += 1;
        if state.total >= LOAD {
            self.load.notify_waiters();
        }
        Some(Place {
            all: self.clone(),
            source,
            since: now,
        })
    }

    fn chance_to_drop(&self, total: usize, known: bool) -> f64 {
        let HalfOpenLimits {
            total: most,
            reserved,
            lottery_from: from,
            ..
        } = self.limits;
        let most = if known { most } else { most - reserved };
        let share = |n: usize| u32::try_from(n).map_or(f64::MAX, f64::from);
        if total >= most {
            1.1 // beyond any lot
        } else if known || total < from {
            0.0
        } else {
            LOTTERY + (1.0 - LOTTERY) * share(total - from) / share(most - from)
        }
    }

    fn loaded(&self, now: Instant) -> bool {
        let state = self.lock();
        state.total >= LOAD || state.loaded_until.is_some_and(|until| now < until)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("nothing panics while it holds the half-open connections")
    }
}

impl Place {
    pub(crate) fn source(&self) -> Source {
        self.source
    }

    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// Comes to an end when this connection, still unproven, has to make room.
    pub(crate) async fn evicted(&self) {
        sleep_until(self.since + HURRY).await;
        loop {
            let load = self.all.load.notified();
            if self.all.loaded(Instant::now()) {
                return;
            }
            load.await;
        }
    }

    /// Remembers that somebody from there has authenticated.
    pub(crate) fn authenticated(self) {
        let now = Instant::now();
        let mut state = self.all.lock();
        if state.known.len() >= KNOWN {
            state.known.retain(|_, since| now - *since < MEMORY);
        }
        if state.known.len() < KNOWN || state.known.contains_key(&self.source) {
            state.known.insert(self.source, now);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.all.lock();
        if state.total == LOAD {
            state.loaded_until = Some(Instant::now() + STICKY);
        }
        state.total -= 1;
        if let Some(count) = state.sources.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                state.sources.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(n: usize) -> Source {
        let [.., c, d] = n.to_be_bytes();
        Source::V4([10, 0, c, d])
    }

    fn fill(all: &HalfOpen, count: usize, lot: f64) -> Vec<Place> {
        let now = Instant::now();
        (0..count)
            .filter_map(|n| all.admit(source(n), now, lot))
            .collect()
    }

    #[tokio::test]
    async fn one_source_gets_sixteen() {
        let all = HalfOpen::new(HalfOpenLimits::default());
        let now = Instant::now();
        let places: Vec<_> = (0..40)
            .filter_map(|_| all.admit(source(1), now, 1.0))
            .collect();
        assert_eq!(places.len(), 16);
        assert!(all.admit(source(2), now, 1.0).is_some());
        drop(places);
        assert!(all.admit(source(1), now, 1.0).is_some());
    }

    #[tokio::test]
    async fn strangers_leave_room_for_the_known() {
        let all = HalfOpen::new(HalfOpenLimits::default());
        let now = Instant::now();
        all.admit(source(9999), now, 1.0).unwrap().authenticated();
        let strangers = fill(&all, 1000, 1.0);
        assert_eq!(strangers.len(), 192);
        assert!(all.admit(source(9999), now, 0.0).is_some());
        let a_day_later = now + MEMORY + Duration::from_secs(1);
        assert!(all.admit(source(9999), a_day_later, 1.0).is_none());
    }

    #[tokio::test]
    async fn the_lottery_begins_at_half() {
        let all = HalfOpen::new(HalfOpenLimits::default());
        let _places = fill(&all, 128, 0.0);
        let now = Instant::now();
        assert_eq!(all.lock().total, 128, "nobody is dropped before");
        assert!(all.admit(source(500), now, 0.29).is_none());
        assert!(all.admit(source(500), now, 0.31).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_unproven_go_under_load_only() {
        let all = HalfOpen::new(HalfOpenLimits::default());
        let first = all.admit(source(0), Instant::now(), 1.0).unwrap();
        let alone = tokio::time::timeout(Duration::from_secs(4), first.evicted()).await;
        assert!(alone.is_err(), "without load a slow link may be slow");

        let others = fill(&all, LOAD, 1.0);
        let begin = Instant::now();
        first.evicted().await;
        assert_eq!(begin.elapsed(), Duration::ZERO, "it had its 250 ms");
        others[5].evicted().await;
        let waited = begin.elapsed();
        assert!((HURRY..HURRY * 2).contains(&waited), "{waited:?}");

        drop(others);
        assert!(all.loaded(Instant::now()), "the load sticks for a second");
        tokio::time::advance(STICKY).await;
        assert!(!all.loaded(Instant::now()));
    }
}
