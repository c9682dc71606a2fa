//! What tells whether a file is still the one that was read: its stat, and a cache keyed by that.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustix::fs::Statx;

/// A change this close to the moment of reading may share a timestamp with a later one.
const RACY: Duration = Duration::from_millis(20);

/// The identity of one state of a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Stamp {
    device: (u32, u32),
    inode: u64,
    size: u64,
    modified: (i64, u32),
    changed: (i64, u32),
}

impl Stamp {
    /// The stamp that a stat shows.
    pub(super) fn of(stat: &Statx) -> Self {
        Self {
            device: (stat.stx_dev_major, stat.stx_dev_minor),
            inode: stat.stx_ino,
            size: stat.stx_size,
            modified: (stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec),
            changed: (stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec),
        }
    }

    /// Whether the file holds nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Whether content read at `moment` is sure to differ in its stamp from whatever comes later.
    /// A file that was changed just now, or in the future by a clock that jumped, is not.
    pub(super) fn settled(&self, moment: SystemTime) -> bool {
        let (seconds, nanos) = self.changed;
        let Ok(seconds) = u64::try_from(seconds) else {
            return true;
        };
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
        moment.duration_since(changed).is_ok_and(|age| age > RACY)
    }
}

/// The time now. The host owns the clock; only the age of files is judged by it.
#[allow(clippy::disallowed_methods, reason = "the host owns the clock")]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}

/// Something parsed from a few files, parsed again only when one of them shows another stamp.
pub(super) struct Parsed<T>(Mutex<Option<(Stamps, Arc<T>)>>);

/// A stamp for each of the files, in a fixed order; `None` for one that is not there.
type Stamps = Vec<Option<Stamp>>;

impl<T> Default for Parsed<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Parsed<T> {
    /// What is parsed from files that show `stamps` now; `parse` is asked if that is not at hand.
    pub(super) fn get<E>(
        &self,
        stamps: Stamps,
        parse: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, value)) = kept.as_ref().filter(|(of, _)| *of == stamps) {
            debug_assert_eq!(of.len(), stamps.len());
            return Ok(Arc::clone(value));
        }
        let moment = now();
        let value = Arc::new(parse()?);
        // Where none of them is there, it was read from elsewhere, and no stamp will tell of a change.
        let known = stamps.iter().any(Option::is_some);
        let settled = known && stamps.iter().flatten().all(|stamp| stamp.settled(moment));
        *kept = settled.then(|| (stamps, Arc::clone(&value)));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(changed: (i64, u32)) -> Stamp {
        Stamp {
            device: (1, 2),
            inode: 3,
            size: 4,
            modified: changed,
            changed,
        }
    }

    #[test]
    fn what_changed_just_now_is_not_settled() {
        let moment = SystemTime::UNIX_EPOCH + Duration::new(100, 0);
        assert!(stamp((99, 979_000_000)).settled(moment));
        assert!(!stamp((99, 981_000_000)).settled(moment));
        assert!(!stamp((101, 0)).settled(moment), "a clock that jumped back");
        assert!(stamp((-1, 0)).settled(moment));
    }

    #[test]
    fn parsing_happens_once_for_a_settled_stamp() {
        let cache = Parsed::default();
        let get = |stamp, value| *cache.get(vec![Some(stamp)], || Ok::<_, ()>(value)).unwrap();
        assert_eq!(get(stamp((5, 0)), 1), 1);
        assert_eq!(get(stamp((5, 0)), 2), 1);
        assert_eq!(get(stamp((6, 0)), 3), 3);
        let future = stamp((i64::MAX / 4, 0));
        assert_eq!(get(future, 4), 4);
        assert_eq!(get(future, 5), 5);
        let nowhere = |value| *cache.get(vec![None], || Ok::<_, ()>(value)).unwrap();
        assert_eq!([nowhere(6), nowhere(7)], [6, 7]);
    }
}
