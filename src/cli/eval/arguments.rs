//! What the flags of `shotlens eval` may say.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::engine::adapted::AdapterSpec;
use crate::methods::{Method, UnknownMethod};
use crate::models::prompts;
use crate::support::benchmark::{Benchmark, UnknownBenchmark};

/// Labelled photos in, accuracies out.
#[derive(Args, Debug)]
pub struct EvalArgs {
    /// Photos to learn from, a folder per class
    #[arg(long, value_name = "DIR", required_unless_present = "dataset")]
    pub(super) support: Option<PathBuf>,
    /// Photos to report on, a folder per class
    #[arg(long, value_name = "DIR", required_unless_present = "dataset")]
    pub(super) test: Option<PathBuf>,
    /// Instead of folders, one of the literature's data sets in `CoOp`'s layout, as eurosat or `oxford_pets`
    #[arg(long, value_name = "NAME", value_parser = benchmark, requires = "root", conflicts_with_all = ["support", "test"])]
    pub(super) dataset: Option<Benchmark>,
    /// The folder of all data sets, `CoOp`'s `$DATA`
    #[arg(long, value_name = "DIR", requires = "dataset")]
    pub(super) root: Option<PathBuf>,
    /// Photos of each class to learn from, one experiment for each number [default: all]
    #[arg(long, value_name = "1,2,4", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) shots: Vec<u32>,
    /// One drawing of shots for each seed
    #[arg(long, value_name = "1,2,3", value_delimiter = ',', default_value = "1")]
    pub(super) seeds: Vec<u64>,
    /// all, or names as tip-adapter,tip-adapter-pp
    #[arg(long, value_name = "all|a,b", default_value = "all", value_parser = methods)]
    pub(super) methods: Methods,
    /// How parameters are found: none (published defaults), loo (leave-one-out on the shots), val=DIR, or for a data set val
    #[arg(long, value_name = "none|loo|val[=DIR]", default_value = "loo", value_parser = tune)]
    pub(super) tune: Tune,
    /// Texts of the classes: template (a data set's own), a data set's name for its templates, FILE ({"class": ["prompt", …]}
    /// as `CuPL`'s), or both as template+FILE
    #[arg(long, value_name = "NAME|FILE|NAME+FILE", default_value = "template", value_parser = prompt_spec)]
    pub(super) prompts: PromptSpec,
    /// Learn from N random views of each photo instead of its middle (the papers take 10)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) views: Option<u32>,
    /// Adapted features of the ++ methods: FILE, `isoclip[:TOP,BOTTOM]` or `pca[:DIM]` [default: isoclip]
    #[arg(long, value_name = "ADAPTER")]
    pub(super) adapter: Option<AdapterSpec>,
    /// The scale of an adapter file that does not say its own
    #[arg(long, value_name = "S", requires = "adapter")]
    pub(super) adapter_scale: Option<f64>,
    /// Also write a table of methods and shots as Markdown
    #[arg(long, value_name = "FILE")]
    pub(super) markdown: Option<PathBuf>,
}

/// Methods as named on the command line.
#[derive(Clone, Debug)]
pub(super) struct Methods(pub(super) Vec<Method>);

fn methods(names: &str) -> Result<Methods, UnknownMethod> {
    if names == "all" {
        return Ok(Methods(Method::ALL.to_vec()));
    }
    names
        .split(',')
        .map(|name| Method::from_name(name.trim()))
        .collect::<Result<_, _>>()
        .map(Methods)
}

fn benchmark(name: &str) -> Result<Benchmark, UnknownBenchmark> {
    Benchmark::named(name)
}

/// How parameters are found, as named on the command line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tune {
    None,
    LeaveOneOut,
    /// On the data set's own validation photos.
    OwnValidation,
    Validation(PathBuf),
}

fn tune(text: &str) -> Result<Tune, String> {
    match text {
        "none" => Ok(Tune::None),
        "loo" => Ok(Tune::LeaveOneOut),
        "val" => Ok(Tune::OwnValidation),
        _ => {
            let folder = text
                .strip_prefix("val=")
                .filter(|folder| !folder.is_empty());
            folder
                .map(|folder| Tune::Validation(PathBuf::from(folder)))
                .ok_or_else(|| "expected none, loo, val=DIR, or for a data set val".to_owned())
        }
    }
}

/// Where the texts of the classes come from.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli) struct PromptSpec {
    /// Templates, unless the file alone counts.
    pub(super) templates: Option<Templates>,
    /// A file of prompts.
    pub(super) file: Option<PathBuf>,
}

impl Default for PromptSpec {
    /// "a photo of a {}".
    fn default() -> Self {
        Self {
            templates: Some(Templates::Own),
            file: None,
        }
    }
}

/// Which templates.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Templates {
    /// The data set's own, or for folders "a photo of a {}".
    Own,
    /// Those of this data set.
    Of(String),
}

fn templates(name: &str) -> Option<Templates> {
    let is_known = |name: &str| prompts::datasets().any(|known| known == name);
    match name {
        "template" => Some(Templates::Own),
        "fgvc" => Some(Templates::Of("fgvc_aircraft".to_owned())),
        name => is_known(name).then(|| Templates::Of(name.to_owned())),
    }
}

pub(in crate::cli) fn prompt_spec(text: &str) -> Result<PromptSpec, String> {
    if let Some(named) = templates(text) {
        return Ok(PromptSpec {
            templates: Some(named),
            file: None,
        });
    }
    let (templates, file) = match text
        .split_once('+')
        .map(|(name, file)| (templates(name), file))
    {
        Some((Some(named), file)) => (Some(named), file),
        _ => (None, text),
    };
    if Path::new(file).is_file() {
        let file = Some(PathBuf::from(file));
        return Ok(PromptSpec { templates, file });
    }
    let names: Vec<&str> = prompts::datasets().collect();
    Err(format!(
        "{file:?} is neither a file nor one of template, {}",
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tuning_is_named_as_in_the_reference() {
        assert_eq!(tune("none"), Ok(Tune::None));
        assert_eq!(tune("val"), Ok(Tune::OwnValidation));
        assert_eq!(tune("val=x/y"), Ok(Tune::Validation(PathBuf::from("x/y"))));
        assert!(tune("val=").is_err() && tune("test").is_err());
    }

    #[test]
    fn prompts_are_templates_a_file_or_both() {
        let spec = |text: &str| prompt_spec(text).unwrap();
        assert_eq!(spec("template").templates, Some(Templates::Own));
        let food = Some(Templates::Of("food101".to_owned()));
        assert_eq!(spec("food101").templates, food);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a+b.json");
        std::fs::write(&path, "{}").unwrap();
        let name = path.to_str().unwrap();
        let alone = spec(name);
        assert_eq!((alone.templates, alone.file), (None, Some(path.clone())));
        let both = spec(&format!("food101+{name}"));
        assert_eq!((both.templates, both.file), (food, Some(path)));
        let message = prompt_spec("foodd").unwrap_err();
        assert!(
            message.contains("\"foodd\"") && message.contains("food101"),
            "{message}"
        );
    }
}
