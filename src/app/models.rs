//! The known models, and fetching one.

use super::{App, AvailableModel, Command, ModelState};
use crate::models::known_models;
use crate::worker::download_worker::{self, DownloadEvent};
use crate::worker::file_worker::FileJob;

impl App {
    /// Asks which of the known models are on this machine, for the model menu.
    pub(super) fn list_models(&mut self) {
        self.submit_files(FileJob::ListModels);
    }

    /// The known models, and the names of those that are here.
    pub(super) fn models_listed(&mut self, here: &[String]) {
        self.models = known_models()
            .iter()
            .map(|model| AvailableModel {
                name: model.name.clone(),
                title: model.title.clone(),
                bytes: model.approximate_bytes(),
                licence: format!("{}; {}", model.licence, model.limits),
                downloaded: here.contains(&model.name),
            })
            .collect();
    }

    /// Fetches a known model in the background, one at a time; it is opened when it is there.
    pub(super) fn download_model(&mut self, name: &str) {
        let Some(threads) = &mut self.threads else {
            return;
        };
        if threads.download.is_some() {
            self.info("Another model is being fetched; this one can follow when it is there");
            return;
        }
        match download_worker::start(threads.wake.clone(), name.to_owned()) {
            Ok(worker) => {
                threads.download = Some(worker);
                self.model.state = ModelState::Downloading { done: 0, total: 0 };
                self.info(format!("Fetching {name}; Shotlens stays usable meanwhile"));
            }
            Err(error) => self.error(format!("No thread to fetch {name} with: {error}")),
        }
    }

    pub(super) fn poll_download(&mut self) {
        while let Some(event) = self.next_event(|threads| threads.download.as_ref()?.try_next()) {
            match event {
                DownloadEvent::Progress { done, total } => {
                    self.model.state = ModelState::Downloading { done, total };
                }
                DownloadEvent::Finished(name) => {
                    self.end_download();
                    self.list_models();
                    self.apply(Command::OpenModel(Some(name)));
                }
                DownloadEvent::Failed(message) => {
                    self.end_download();
                    self.error(message.clone());
                    self.model.state = if self.has_model {
                        ModelState::Ready
                    } else {
                        ModelState::Failed(message)
                    };
                    self.embed_what_is_missing();
                }
            }
        }
    }

    fn end_download(&mut self) {
        if let Some(threads) = &mut self.threads {
            threads.download = None;
        }
    }
}
