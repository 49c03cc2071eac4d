//! A thread that lays photos out by their neighbourhoods, and finds which are alike.

use std::sync::Arc;

use super::{Outbox, Wake, Worker};
use crate::engine::map::{Ground, Neighbours, Point, lay_out};
use crate::ids::Generation;
use crate::progress::{CancelToken, Progress};

/// The same photos must come to lie where they lay.
const SEED: u64 = 1;

/// What the map worker can be asked.
pub enum MapJob {
    /// Lay a map out.
    LayOut {
        /// Comes back with everything that this job tells.
        generation: Generation,
        /// Which of the maps beside each other.
        pane: usize,
        /// What it is drawn from.
        ground: Arc<Ground>,
        /// Ends it early.
        cancel: CancelToken,
    },
    /// Find the neighbours of every photo.
    Neighbours {
        /// Comes back with what is found.
        generation: Generation,
        /// Where they are found.
        ground: Arc<Ground>,
        /// Ends it early; nothing comes back then.
        cancel: CancelToken,
    },
}

/// What the map worker tells.
#[derive(Clone, Debug)]
pub enum MapEvent {
    /// A map as far as it is.
    Layout {
        /// Of the job.
        generation: Generation,
        /// Of the job.
        pane: usize,
        /// How far the work is, 0 to 1; 1 when it is done.
        share: f32,
        /// The points, where they moved.
        points: Option<Arc<Vec<Point>>>,
    },
    /// The neighbours of every photo.
    Neighbours(Generation, Arc<Neighbours>),
}

/// Starts the thread.
///
/// # Errors
/// When the operating system gives no thread.
pub fn start(wake: Wake) -> std::io::Result<Worker<MapJob, MapEvent>> {
    // One core stays free: a slider that is moved meanwhile waits for the shared pool, and not for a map.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(cores.saturating_sub(1).max(1))
        .thread_name(|index| format!("map {index}"))
        .build()
        .map_err(std::io::Error::other)?;
    Worker::start("map worker", wake, move |jobs, out| {
        for job in jobs {
            pool.install(|| work_off(&job, &out));
        }
    })
}

fn work_off(job: &MapJob, out: &Outbox<MapEvent>) {
    match job {
        MapJob::LayOut {
            generation,
            pane,
            ground,
            cancel,
        } => {
            let tell = |share: f32, points: Option<Vec<Point>>| {
                out.send(MapEvent::Layout {
                    generation: *generation,
                    pane: *pane,
                    share,
                    points: points.map(Arc::new),
                });
            };
            let progress = Progress::new(&|_, _| (), cancel);
            if let Ok(points) = lay_out(ground, SEED, &tell, &progress) {
                tell(1.0, Some(points));
            }
        }
        MapJob::Neighbours {
            generation,
            ground,
            cancel,
        } => {
            if let Ok(found) = ground.neighbours(&Progress::new(&|_, _| (), cancel)) {
                out.send(MapEvent::Neighbours(*generation, found));
            }
        }
    }
}
