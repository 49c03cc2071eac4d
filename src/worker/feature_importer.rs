//! A thread that takes in photos with features that another program has made.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Outbox;
use super::clip_worker::ClipEvent;
use crate::engine::Engine;
use crate::engine::feature_files::FeatureSource;
use crate::engine::feature_files::source::sample;
use crate::engine::import::Imported;
use crate::engine::import::features;
use crate::ids::Generation;
use crate::progress::Progress;

/// Of more rows than this, so many are drawn: a window is for looking.
pub const MOST_ROWS: usize = 200_000;
/// Which ones; the same every time.
const SEED: u64 = 1;

/// Photos with features.
#[derive(Clone, Debug)]
pub struct FeatureImport {
    /// The photos; their features are in the cache.
    pub imported: Imported,
    /// Rows of the source.
    pub num_rows: usize,
    /// Photos whose files are not there.
    pub num_without_file: usize,
}

/// Reads on a thread of its own, which tells what came of it through `out`.
pub(super) fn spawn(
    engine: Arc<Engine>,
    generation: Generation,
    path: PathBuf,
    out: Outbox<ClipEvent>,
) {
    let body = move |out: &Outbox<ClipEvent>| {
        let read = read(&engine, &path).map(Box::new);
        out.send(ClipEvent::FeaturesImported(generation, read));
    };
    out.on_thread("feature importer", body, |error| {
        let said = format!("The system gave no thread to import on: {error}");
        ClipEvent::FeaturesImported(generation, Err(said))
    });
}

fn read(engine: &Engine, path: &Path) -> Result<FeatureImport, String> {
    let source = FeatureSource::open(path).map_err(|error| error.to_string())?;
    if let Some((name, Some(hash))) = source.model()
        && hash != engine.clip().hash()
    {
        let place = path.display();
        return Err(format!(
            "These features were made by {name}: choose that model first, then drop them again: {place}"
        ));
    }
    let num_rows = source.num_rows();
    let rows = if num_rows > MOST_ROWS {
        sample(num_rows, MOST_ROWS, SEED)
    } else {
        (0..num_rows).collect()
    };
    let read = features::read(&source, &rows, None, engine, &Progress::silent());
    let read = read.map_err(|error| error.to_string())?;
    Ok(FeatureImport {
        imported: read.imported,
        num_rows,
        num_without_file: read.num_without_file,
    })
}
