//! `shotlens watch`

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::stderr::warn;
use super::{Common, session};
use crate::engine::classifier::{ClassifierFile, PhotoClassifier, Stretch};
use crate::engine::export::{ExportError, Row};
use crate::engine::watch::{Arrivals, GrowingTable};
use crate::engine::{Engine, EngineError};
use crate::progress::{CancelToken, Progress};

/// A file has stopped growing when it looks the same after so long.
const PAUSE: Duration = Duration::from_secs(1);

/// How soon Ctrl-C is heard.
const NAP: Duration = Duration::from_millis(50);

/// New photos of a folder into a table, as they come.
#[derive(Args, Debug)]
pub struct WatchArgs {
    /// The folder to watch, with the folders in it
    folder: PathBuf,
    /// A classifier that `export --format classifier` has written
    #[arg(long, value_name = "C.safetensors")]
    classifier: PathBuf,
    /// The table that grows; photos that it has are not labelled again
    #[arg(long, value_name = "labels.csv")]
    out: PathBuf,
}

pub(super) fn run(args: &WatchArgs, common: &Common) -> Result<()> {
    if !args.folder.is_dir() {
        bail!("there is no folder {} to watch", args.folder.display());
    }
    let file = ClassifierFile::read(&args.classifier)?;
    let engine = session::open_engine(common)?;
    let classifier = file.open(&engine)?;
    let (table, done) = GrowingTable::open(&args.out)?;
    let cancel = CancelToken::default();
    let token = cancel.clone();
    ctrlc::set_handler(move || token.cancel()).context("Ctrl-C cannot be listened for")?;
    let mut watch = Watch {
        args,
        engine: &engine,
        classifier: &classifier,
        arrivals: Arrivals::new(&args.folder, done),
        table,
        num_labelled: 0,
    };
    watch.until(&cancel)?;
    if common.json {
        println!(
            "{}",
            serde_json::json!({"photos": watch.num_labelled, "out": args.out})
        );
    } else {
        println!(
            "{} photos labelled in {}",
            watch.num_labelled,
            args.out.display()
        );
    }
    Ok(())
}

struct Watch<'a> {
    args: &'a WatchArgs,
    engine: &'a Engine,
    classifier: &'a PhotoClassifier,
    arrivals: Arrivals,
    table: GrowingTable,
    num_labelled: usize,
}

impl Watch<'_> {
    fn until(&mut self, cancel: &CancelToken) -> Result<()> {
        while !cancel.is_cancelled() {
            let start = Instant::now();
            let names = self.arrivals.look()?;
            match self.label(&names, cancel) {
                Err(ExportError::Engine(EngineError::Cancelled(_))) => break,
                labelled => labelled?,
            }
            // A folder that takes long to look through is looked at less often.
            let pause = PAUSE.max(4 * start.elapsed());
            let end = Instant::now() + pause;
            while Instant::now() < end && !cancel.is_cancelled() {
                std::thread::sleep(NAP);
            }
        }
        Ok(())
    }

    fn label(&mut self, names: &[String], cancel: &CancelToken) -> Result<(), ExportError> {
        let paths: Vec<PathBuf> = names
            .iter()
            .map(|name| self.args.folder.join(name))
            .collect();
        let (engine, classifier) = (self.engine, self.classifier);
        let progress = Progress::new(&|_, _| (), cancel);
        engine.label_photos(classifier, (&paths, &[]), &progress, &mut |stretch| {
            self.take_in(&stretch, names)
        })
    }

    fn take_in(&mut self, stretch: &Stretch, names: &[String]) -> Result<(), ExportError> {
        let recipe = &self.classifier.recipe;
        for (index, reason) in &stretch.skipped {
            warn(&format!("skipped: {reason}"));
            self.arrivals.mark_unreadable(&names[*index]);
        }
        let rows = stretch.labelled.iter().map(|found| Row {
            path: names[found.index].clone(),
            label: None,
            prediction: Some((
                recipe.classes[found.prediction.class].clone(),
                found.prediction.confidence,
            )),
            decided_by: recipe.method.name().to_owned(),
        });
        self.table.append(&rows.collect::<Vec<_>>())?;
        for found in &stretch.labelled {
            self.arrivals.mark_done(&names[found.index]);
        }
        self.num_labelled += stretch.labelled.len();
        Ok(())
    }
}
