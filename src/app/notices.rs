//! Sentences for the person.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{App, Notice, Severity, SkippedFile};

/// How long good news stays; warnings stay twice as long, errors until dismissed.
const SHOWN_FOR: Duration = Duration::from_secs(6);

impl App {
    pub(super) fn info(&mut self, text: impl Into<String>) {
        self.notice(Severity::Info, text.into());
    }

    pub(super) fn warn(&mut self, text: impl Into<String>) {
        self.notice(Severity::Warning, text.into());
    }

    pub(super) fn error(&mut self, text: impl Into<String>) {
        self.notice(Severity::Error, text.into());
    }

    fn notice(&mut self, severity: Severity, text: String) {
        self.notices
            .retain(|notice| notice.text != text && !is_over(notice));
        self.next_notice += 1;
        self.notices.push(Notice {
            id: self.next_notice,
            severity,
            text,
            since: Instant::now(),
        });
    }

    pub(super) fn dismiss(&mut self, id: u64) {
        self.notices.retain(|notice| notice.id != id);
    }

    pub(super) fn skip(&mut self, path: PathBuf, reason: String) {
        if let Some(known) = self.skipped_at.get(&path) {
            self.skipped[*known].reason = reason;
            return;
        }
        self.skipped_at.insert(path.clone(), self.skipped.len());
        self.skipped.push(SkippedFile { path, reason });
    }

    pub(super) fn clear_skipped(&mut self) {
        self.skipped.clear();
        self.skipped_at.clear();
    }
}

/// Whether a notice has been up long enough.
pub(super) fn is_over(notice: &Notice) -> bool {
    match notice.severity {
        Severity::Info => notice.since.elapsed() > SHOWN_FOR,
        Severity::Warning => notice.since.elapsed() > 2 * SHOWN_FOR,
        Severity::Error => false,
    }
}
