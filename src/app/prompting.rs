//! Prompts for all classes at once: from a file, or one of the published sets.

use std::path::{Path, PathBuf};

use super::App;
use crate::models::prompts;
use crate::project::Edit;
use crate::worker::file_worker::FileJob;

/// A published set of prompts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptSet {
    /// As the data set that it was made for.
    pub name: &'static str,
    /// The prompts, with `{name}` for the class.
    pub prompts: Vec<String>,
}

/// All published sets.
pub fn prompt_sets() -> Vec<PromptSet> {
    prompts::datasets()
        .map(|name| PromptSet {
            name,
            prompts: templates(name),
        })
        .collect()
}

fn templates(name: &str) -> Vec<String> {
    let templates = prompts::templates(name).iter();
    templates
        .map(|template| template.replace("{}", "{name}"))
        .collect()
}

impl App {
    /// Asks for a file of prompts to be read.
    pub(super) fn load_prompts(&mut self, path: PathBuf) {
        let classes = self.project().classes().iter();
        let classes = classes.map(|class| class.name.clone()).collect();
        self.submit_files(FileJob::ReadPrompts { path, classes });
    }

    /// The file's prompts become those of the classes that it names, as one step.
    pub(super) fn take_in_prompts(
        &mut self,
        path: &Path,
        prompts: Result<Vec<Vec<String>>, String>,
    ) {
        let prompts = match prompts {
            Ok(prompts) => prompts,
            Err(message) => {
                self.error(format!("No prompts were loaded: {message}"));
                return;
            }
        };
        let file = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let classes = self.project().classes();
        if prompts.len() != classes.len() {
            self.warn("The classes changed while the prompts were read; load them again");
            return;
        }
        let (mut edits, mut missing, mut num_prompts) = (Vec::new(), Vec::new(), 0);
        for (class, prompts) in classes.iter().zip(prompts) {
            if prompts.is_empty() {
                missing.push(class.name.clone());
                continue;
            }
            num_prompts += prompts.len();
            let id = class.id;
            edits.push(Edit::SetPrompts { id, prompts });
        }
        let mut said = format!(
            "{num_prompts} prompts from {file} for {} of {} classes",
            edits.len(),
            classes.len()
        );
        if !missing.is_empty() {
            said = format!("{said}; it has none for {}", missing.join(", "));
        }
        let title = Some(format!("Load prompts from {file}"));
        if self.perform(Edit::Batch { title, edits }) {
            self.info(said);
        }
    }

    /// Gives every class the prompts of a published set.
    pub(super) fn use_prompt_set(&mut self, name: &str) {
        let prompts = templates(name);
        let classes = self.project().classes().iter();
        let edits: Vec<Edit> = classes
            .map(|class| Edit::SetPrompts {
                id: class.id,
                prompts: prompts.clone(),
            })
            .collect();
        let title = Some(format!("Use the prompts of {name}"));
        if !edits.is_empty() {
            self.perform(Edit::Batch { title, edits });
        }
    }
}
