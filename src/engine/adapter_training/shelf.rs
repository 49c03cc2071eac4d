//! Where the state of a training is found, and put.

use std::path::Path;
use std::time::Duration;

use super::options::TrainingOptions;
use crate::engine::EngineError;
use crate::project::locations;

/// How often the state is saved.
const SAVE_EVERY: Duration = Duration::from_mins(1);

/// A state that was saved.
#[derive(Clone)]
pub(in crate::engine) struct Saved {
    /// Its file, for people.
    pub(in crate::engine) name: String,
    /// The file's bytes.
    pub(in crate::engine) file: Vec<u8>,
}

/// Takes a state's bytes.
type Put<'a> = dyn FnMut(&[u8]) -> Result<(), EngineError> + 'a;

/// What a training goes on from, and who keeps its state.
pub(in crate::engine) struct Shelf<'a> {
    /// The last state that is known.
    pub(in crate::engine) found: Option<Saved>,
    /// How often one is put.
    pub(in crate::engine) every: Duration,
    put: Option<Box<Put<'a>>>,
}

impl<'a> Shelf<'a> {
    /// The file that `options` name.
    pub(super) fn of(options: &'a TrainingOptions) -> Self {
        let file = options.checkpoint.as_deref();
        let found = file.filter(|_| options.resume).and_then(|path| {
            let name = path.display().to_string();
            let file = std::fs::read(path).ok()?;
            Some(Saved { name, file })
        });
        Self {
            found,
            every: SAVE_EVERY,
            put: file.map(|path| Box::new(move |bytes: &[u8]| write(path, bytes)) as Box<Put<'_>>),
        }
    }

    /// One that hands on what is put.
    pub(in crate::engine) fn handing_on(
        found: Option<Saved>,
        every: Duration,
        put: impl FnMut(&[u8]) -> Result<(), EngineError> + 'a,
    ) -> Self {
        Self {
            found,
            every,
            put: Some(Box::new(put)),
        }
    }

    /// Whether anybody wants the state.
    pub(super) fn is_wanted(&self) -> bool {
        self.put.is_some()
    }

    /// Puts a state.
    pub(in crate::engine) fn put(&mut self, file: &[u8]) -> Result<(), EngineError> {
        match &mut self.put {
            Some(put) => put(file),
            None => Ok(()),
        }
    }

    /// Puts a state that another process came to, and goes on from there.
    pub(in crate::engine) fn move_on(&mut self, file: Vec<u8>) -> Result<(), EngineError> {
        self.put(&file)?;
        let name = "the state that the worker came to".to_owned();
        self.found = Some(Saved { name, file });
        Ok(())
    }
}

/// The whole file, or the old one stays.
fn write(path: &Path, bytes: &[u8]) -> Result<(), EngineError> {
    locations::write_atomically(path, bytes).map_err(|error| {
        EngineError::Training(format!(
            "the checkpoint could not be written ({error}): {}",
            path.display()
        ))
    })
}
