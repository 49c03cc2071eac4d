//! A thread that lays photos out by their neighbourhoods, and finds which are alike.

use std::sync::Arc;

use super::{Outbox, Wake, Worker};
use crate::engine::map::{Ground, Point, lay_out};
use crate::ids::Generation;
use crate::progress::{CancelToken, Progress};

/// The same photos must come to lie where they lay.
const SEED: u64 = 1;

/// One map to lay out.
pub struct MapJob {
    /// Comes back with everything that this job tells.
    pub generation: Generation,
    /// Which of the maps beside each other.
    pub pane: usize,
    /// What it is drawn from.
    pub ground: Arc<Ground>,
    /// Ends it early.
    pub cancel: CancelToken,
}

/// A map as far as it is.
#[derive(Clone, Debug)]
pub struct MapEvent {
    /// Of the job.
    pub generation: Generation,
    /// Of the job.
    pub pane: usize,
    /// How far the work is, 0 to 1; 1 when it is done.
    pub share: f32,
    /// The points, where they moved.
    pub points: Option<Arc<Vec<Point>>>,
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
    let tell = |share: f32, points: Option<Vec<Point>>| {
        out.send(MapEvent {
            generation: job.generation,
            pane: job.pane,
            share,
            points: points.map(Arc::new),
        });
    };
    let progress = Progress::new(&|_, _| (), &job.cancel);
    if let Ok(points) = lay_out(&job.ground, SEED, &tell, &progress) {
        tell(1.0, Some(points));
    }
}
