//! The known models, and fetching one.

use super::threads::ModelChoice;
use super::{App, AvailableModel, ModelState};
use crate::models::{ModelStore, known_models};
use crate::worker::download_worker::{self, DownloadEvent};

impl App {
    /// Lists the known models for the model menu.
    pub(super) fn list_models(&mut self) {
        self.models = known_models()
            .iter()
            .map(|model| AvailableModel {
                name: model.name.clone(),
                title: model.title.clone(),
                bytes: model.approximate_bytes(),
                licence: format!("{}; {}", model.licence, model.limits),
                downloaded: ModelStore::open()
                    .and_then(|store| store.path(&model.name))
                    .is_ok_and(|path| path.is_dir()),
            })
            .collect();
    }

    /// Fetches a known model in the background; it is opened when it is there.
    pub(super) fn download_model(&mut self, name: String) {
        let Some(threads) = &mut self.threads else {
            return;
        };
        match download_worker::start(threads.wake.clone(), name.clone()) {
            Ok(worker) => {
                threads.download = Some(worker);
                self.model.state = ModelState::Downloading { done: 0, total: 0 };
                self.info(format!("Fetching {name}; Shotlens stays usable meanwhile"));
            }
            Err(error) => self.error(format!("No thread to fetch {name} with: {error}")),
        }
    }

    pub(super) fn poll_download(&mut self) {
        while let Some(event) = self
            .threads
            .as_ref()
            .and_then(|threads| threads.download.as_ref()?.try_next())
        {
            match event {
                DownloadEvent::Progress { done, total } => {
                    self.model.state = ModelState::Downloading { done, total }
                }
                DownloadEvent::Finished(name) => {
                    self.list_models();
                    let device = self.scoring.model.device;
                    self.open_model(ModelChoice {
                        model: Some(name.clone()),
                        device,
                    });
                    self.change_settings(|settings| settings.model = Some(name));
                }
                DownloadEvent::Failed(message) => {
                    self.error(message);
                    self.model.state = ModelState::Ready;
                }
            }
        }
    }
}
