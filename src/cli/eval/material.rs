//! Photos for an evaluation: embedded, with the drawings of shots.

use std::collections::HashSet;
use std::path::PathBuf;

use anyhow::{Result, bail};

use super::texts::some_of;
use crate::cli::stderr::{ProgressLine, warn};
use crate::engine::Engine;
use crate::engine::adapted::AdaptedEncoder;
use crate::engine::evaluate::{Drawing, Looks, Split, Tuning};
use crate::image_io::ContentHash;
use crate::progress::{CancelToken, Progress};

/// Skipped photos that are named one by one.
const NUM_SKIPPED_NAMED: usize = 10;

/// Most memory for the parts of test photos, which only CALIP looks at.
const MAX_PART_BYTES: usize = 8 << 30;

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
pub(in crate::cli) struct Embedder<'a> {
    pub(in crate::cli) engine: &'a Engine,
    pub(in crate::cli) looks: Looks<'a>,
}

impl Embedder<'_> {
    /// Labelled photos; `whose` names them in errors. Those that cannot be used are said.
    fn embed(&self, photos: &[(PathBuf, usize)], looks: Looks<'_>, whose: &str) -> Result<Split> {
        let (line, cancel) = (ProgressLine::new("embedding"), CancelToken::default());
        let report = |done, total| line.report(done, total);
        let (split, skipped) =
            self.engine
                .embed_split(photos, &[], looks, &Progress::new(&report, &cancel))?;
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
    pub(in crate::cli) fn support(
        &self,
        photos: &[(PathBuf, usize)],
        whose: &str,
    ) -> Result<Split> {
        let looks = Looks {
            has_parts: false,
            ..self.looks
        };
        let split = self.embed(photos, looks, whose)?;
        let num_trained = self.that_trained(&split).len();
        if num_trained > 0 {
            warn(&format!(
                "{num_trained} photos of {whose} trained the adapter: parameters of the ++ methods are tuned on the others"
            ));
        }
        Ok(split)
    }

    /// Photos to report on, which are looked at once.
    pub(super) fn test(&self, photos: &[(PathBuf, usize)], whose: &str) -> Result<Split> {
        let looks = Looks {
            num_views: 0,
            has_parts: self.looks.has_parts && self.has_room_for_parts(photos.len()),
            ..self.looks
        };
        self.embed(photos, looks, whose)
    }

    /// Whether the parts of so many photos fit into memory.
    fn has_room_for_parts(&self, num_photos: usize) -> bool {
        let clip = self.engine.clip();
        let num_bytes = 4 * num_photos * clip.num_parts().unwrap_or(0) * clip.dim();
        let has_room = num_bytes <= MAX_PART_BYTES;
        if !has_room {
            warn(&format!(
                "calip is left out: the parts of {num_photos} photos would take {} GB",
                num_bytes >> 30
            ));
        }
        has_room
    }

    /// No photo that trained the adapter is reported on.
    pub(super) fn refuse_what_trained(&self, test: &Split, whose: &str) -> Result<()> {
        let num_trained = self.that_trained(test).len();
        if num_trained > 0 {
            bail!(
                "{num_trained} photos of {whose} trained the adapter, so its figures on them would flatter; leave them out, or train another"
            );
        }
        Ok(())
    }

    /// Photos to tune on, which are looked at once. Those that trained the adapter are left out.
    pub(super) fn validation(&self, photos: &[(PathBuf, usize)], whose: &str) -> Result<Split> {
        let looks = Looks {
            num_views: 0,
            has_parts: false,
            ..self.looks
        };
        let split = self.embed(photos, looks, whose)?;
        let (split, num_trained) = split.without(&self.that_trained(&split));
        if num_trained > 0 {
            warn(&format!(
                "{num_trained} photos of {whose} trained the adapter and are not tuned on"
            ));
        }
        Ok(split)
    }

    /// Those photos that the adapter has seen in training.
    fn that_trained(&self, split: &Split) -> HashSet<ContentHash> {
        let trained_on = self.looks.adapter.map(AdaptedEncoder::trained_on);
        let photos = split.hashes.iter();
        photos
            .filter(|photo| trained_on.as_ref().is_some_and(|seen| seen.contains(photo)))
            .copied()
            .collect()
    }
}

/// Refuses a single class.
pub(in crate::cli) fn check_classes(classes: &[String], whose: &str) -> Result<()> {
    if let [class] = classes {
        bail!("{whose} has one class, {class}; there is something to choose between from two on");
    }
    Ok(())
}

/// Classes of which nothing is left, as where no photo can be read.
pub(in crate::cli) fn tell_empty_classes(classes: &[String], split: &Split, what: &str) {
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
