//! A short-lived thread that asks the disk whether photos are still there and as they were.
//!
//! A thread of its own: a network folder that hangs then holds up nothing else.

use std::path::Path;
use std::sync::Arc;

use super::{Wake, Worker};
use crate::ids::PhotoId;
use crate::project::{self, FileStamp};

/// A photo to look for.
pub struct KnownPhoto {
    /// Which.
    pub photo: PhotoId,
    /// The file.
    pub path: Arc<Path>,
    /// As it was when it was read last.
    pub stamp: FileStamp,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// Photos whose file is not there, or cannot be asked.
    pub gone: Vec<PhotoId>,
    /// Photos whose file has another size or time than when it was read, with how it is now.
    pub different: Vec<(PhotoId, FileStamp)>,
}

/// Starts the thread; it tells once and ends.
pub fn start(wake: Wake, photos: Vec<KnownPhoto>) -> std::io::Result<Worker<(), Looked>> {
    Worker::start("look again", wake, move |_jobs, out| {
        out.send(look(&photos));
    })
}

fn look(photos: &[KnownPhoto]) -> Looked {
    let mut looked = Looked::default();
    for KnownPhoto { photo, path, stamp } in photos {
        let now = project::stamp(path);
        // Photos that came with features and without a file have a stamp of nothing: they are not missed.
        let was_there = (stamp.size, stamp.modified_ms) != (0, 0);
        if now == FileStamp::default() {
            looked.gone.extend(was_there.then_some(*photo));
        } else if stamp.hash.is_some()
            && (now.size, now.modified_ms) != (stamp.size, stamp.modified_ms)
        {
            looked.different.push((*photo, now));
        }
    }
    looked
}
