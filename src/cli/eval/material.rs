//! Photos for an evaluation: embedded, with the drawings of shots.

use std::collections::HashSet;
use std::path::PathBuf;

use anyhow::{Result, bail};

use super::texts::some_of;
use crate::cli::stderr::{ProgressLine, warn};
use crate::engine::Engine;
use crate::engine::evaluate::{Drawing, Looks, Split, Tuning};
use crate::progress::{CancelToken, Progress};

/// Skipped photos that are named one by one.
const NUM_SKIPPED_NAMED: usize = 10;

/// Everything but the texts.
pub(super) struct Material {
    pub(super) classes: Vec<String>,
    pub(super) support: Split,
    pub(super) drawings: Vec<Drawing>,
    pub(super) test: Split,
    pub(super) tuning: Tuning,
}

/// Embeds photos.
#[derive(Clone, Copy)]
pub(super) struct Embedder<'a> {
    pub(super) engine: &'a Engine,
    pub(super) looks: Looks<'a>,
}

impl Embedder<'_> {
    /// Labelled photos; `whose` names them in errors. Those that cannot be used are said.
    fn embed(&self, photos: &[(PathBuf, usize)], looks: Looks<'_>, whose: &str) -> Result<Split> {
        let (line, cancel) = (ProgressLine::new("embedding"), CancelToken::default());
        let report = |done, total| line.report(done, total);
        let (split, skipped) =
            self.engine
                .embed_split(photos, looks, &Progress::new(&report, &cancel))?;
        for (_, reason) in skipped.iter().take(NUM_SKIPPED_NAMED) {
            warn(&format!("skipped: {reason}"));
        }
        if skipped.len() > NUM_SKIPPED_NAMED {
            warn(&format!(
                "{} photos of {whose} were skipped, {NUM_SKIPPED_NAMED} of them are named above",
                skipped.len()
            ));
        }
        if split.labels.is_empty() {
            bail!("no photo of {whose} can be used");
        }
        Ok(split)
    }

    /// Photos to learn from, with their views.
    pub(super) fn support(&self, photos: &[(PathBuf, usize)], whose: &str) -> Result<Split> {
        self.embed(photos, self.looks, whose)
    }

    /// Photos to score, which are looked at once.
    pub(super) fn queries(&self, photos: &[(PathBuf, usize)], whose: &str) -> Result<Split> {
        let looks = Looks {
            num_views: 0,
            ..self.looks
        };
        self.embed(photos, looks, whose)
    }
}

/// Refuses a single class.
pub(super) fn check_classes(classes: &[String], whose: &str) -> Result<()> {
    if let [class] = classes {
        bail!("{whose} has one class, {class}; there is something to choose between from two on");
    }
    Ok(())
}

/// Classes of which nothing is left, as where no photo can be read.
pub(super) fn tell_empty_classes(classes: &[String], split: &Split, what: &str) {
    let present: HashSet<usize> = split.labels.iter().copied().collect();
    let empty: Vec<&str> = (0..classes.len())
        .filter(|class| !present.contains(class))
        .map(|class| classes[class].as_str())
        .collect();
    if !empty.is_empty() {
        warn(&format!(
            "no photo {what} of {}: {}",
            if empty.len() == 1 {
                "one class"
            } else {
                "some classes"
            },
            some_of(&empty)
        ));
    }
}
