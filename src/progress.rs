//! Reporting how far a long task is, and stopping it, in one call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The task was asked to stop; whatever it had finished stays valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cancelled")]
pub struct Cancelled;

/// A stop flag shared between whoever waits and whoever works.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Asks the task to stop at its next step.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where a task tells how far it is, `done` of `total` steps.
#[derive(Clone, Copy)]
pub struct Progress<'a> {
    report: &'a (dyn Fn(usize, usize) + Sync),
    cancel: Option<&'a CancelToken>,
}

impl<'a> Progress<'a> {
    /// Reports to `report(done, total)` and stops when `cancel` is set.
    pub fn new(report: &'a (dyn Fn(usize, usize) + Sync), cancel: &'a CancelToken) -> Self {
        Self {
            report,
            cancel: Some(cancel),
        }
    }

    /// Reports to nobody and never stops.
    pub fn silent() -> Self {
        Self {
            report: &|_, _| (),
            cancel: None,
        }
    }

    /// Reports to nobody and stops when this would.
    #[must_use]
    pub fn quiet(&self) -> Self {
        Self {
            report: &|_, _| (),
            cancel: self.cancel,
        }
    }

    /// What asks it to stop, for a task that stops in its own way.
    pub fn cancel_token(&self) -> Option<&'a CancelToken> {
        self.cancel
    }

    /// Reports that `done` of `total` steps are finished, without a look at whether to stop.
    pub fn report(&self, done: usize, total: usize) {
        (self.report)(done, total);
    }

    /// Reports that `done` of `total` steps are finished; `Err` when the task should stop.
    pub fn step(&self, done: usize, total: usize) -> Result<(), Cancelled> {
        (self.report)(done, total);
        self.check()
    }

    /// `Err` when the task should stop.
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.cancel.is_some_and(CancelToken::is_cancelled) {
            Err(Cancelled)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn a_step_reports_and_then_obeys_the_token() {
        let (seen, token) = (AtomicUsize::new(0), CancelToken::default());
        let report = |done, _| seen.store(done, Ordering::Relaxed);
        let progress = Progress::new(&report, &token);
        assert_eq!(progress.step(3, 10), Ok(()));
        token.cancel();
        assert_eq!(progress.step(4, 10), Err(Cancelled));
        assert_eq!(seen.load(Ordering::Relaxed), 4);
    }
}
