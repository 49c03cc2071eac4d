//! `shotlens report`: a project's figures as one HTML file that needs nothing else, for an appendix or a mail.

mod axis;
mod date;
mod histogram;
mod json;
mod markup;
mod method_section;
mod overlap_section;
mod page;
mod scatter;
mod scatter_sections;
mod setting;
mod words;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::stderr::{ProgressLine, warn};
use super::{Common, session};
use crate::engine::demo;
use crate::engine::report::Report;
use crate::progress::{CancelToken, Progress};
use crate::project::{Locations, ProjectFile, ProjectState, locations};

/// A project in, a report out.
#[derive(Args, Debug)]
pub struct ReportArgs {
    /// A .shotlens file, which may be open in the window [default: the demo]
    #[arg(value_name = "PROJECT")]
    project: Option<PathBuf>,
    /// The HTML file to write
    #[arg(long, value_name = "REPORT.html")]
    out: PathBuf,
}

/// A project under its name.
struct Named {
    title: String,
    state: ProjectState,
    /// Paths of photos are told from here, where they lie below.
    folder: PathBuf,
}

pub(super) fn run(args: &ReportArgs, common: &Common) -> Result<()> {
    let project = match &args.project {
        Some(path) => {
            refuse_to_overwrite(path, &args.out)?;
            read(path)?
        }
        None => demo_project()?,
    };
    let model = common.model.clone();
    let common = &Common {
        model: model.or_else(|| project.state.settings().model.clone()),
        ..common.clone()
    };
    let engine = session::open_engine(common)?;
    let (line, never) = (
        ProgressLine::new("report: photos, then methods"),
        CancelToken::default(),
    );
    let tell = |done, total| line.report(done, total);
    let report = engine.report(&project.state, &Progress::new(&tell, &never))?;
    for (path, reason) in &report.missing {
        warn(&format!("left out: {reason}: {}", path.display()));
    }
    let page = page::Page {
        title: &project.title,
        date: date::today(),
        folder: &project.folder,
        report: &report,
    };
    locations::write_atomically(&args.out, page.html().as_bytes())
        .with_context(|| format!("could not write the report to {}", args.out.display()))?;
    if common.json {
        println!("{}", json::of(&page, &args.out));
    } else {
        print!("{}", said(&page, &args.out));
    }
    Ok(())
}

fn read(path: &Path) -> Result<Named> {
    if path.is_dir() {
        bail!(
            "a folder is no project: open it in the window once (`shotlens open`), and report on the .shotlens file that it makes: {}",
            path.display()
        );
    }
    let state = ProjectFile::look(path)
        .context("a report needs a project file, NAME.shotlens, as the window makes them")?;
    let path = std::path::absolute(path)?;
    let name = path.file_stem().unwrap_or_default();
    Ok(Named {
        title: name.to_string_lossy().into_owned(),
        state,
        folder: path.parent().unwrap_or(Path::new("")).to_owned(),
    })
}

/// The demo as it is when it is opened for the first time.
fn demo_project() -> Result<Named> {
    let folder = Locations::find()?.data().join("demo");
    demo::unpack(&folder)?;
    Ok(Named {
        title: "Shotlens demo".to_owned(),
        state: demo::project(&folder),
        folder,
    })
}

fn refuse_to_overwrite(project: &Path, out: &Path) -> Result<()> {
    let same = |path: &Path| std::fs::canonicalize(path).ok();
    if let (Some(project), Some(out)) = (same(project), same(out))
        && project == out
    {
        bail!(
            "the report would replace the project itself; give --out another name: {}",
            out.display()
        );
    }
    Ok(())
}

/// The report in a few lines.
fn said(page: &page::Page<'_>, out: &Path) -> String {
    let Report {
        classes,
        num_shots,
        spaces,
        ..
    } = page.report;
    let mut text = format!(
        "{}: {} classes, {num_shots} shots\n",
        page.title,
        classes.len()
    );
    if let Some(space) = spaces.first() {
        text.push_str(&words::overlap_line("before", &space.before));
        if let Some(after) = &space.after {
            text.push_str(&words::overlap_line(&space.title, after));
        }
    }
    for (what, (_, trend)) in [
        ("classes", page.class_trend()),
        ("methods", page.method_trend()),
    ] {
        // Writing to a String cannot fail.
        writeln!(
            text,
            "overlap reduction against gain, {what}: {}",
            words::correlation(trend.as_ref())
        )
        .ok();
    }
    writeln!(text, "written to {}", out.display()).ok();
    text
}
