//! What each command does; the longer ones are in the file of their subject.

use std::path::PathBuf;

use super::scoring::adapter_setting;
use super::threads::ModelChoice;
use super::{App, Command, StartWith, Step};
use crate::ids::PhotoId;
use crate::project::{Edit, LabelSource, Role};
use crate::worker::file_worker::FileJob;

impl App {
    /// Carries out one command.
    pub fn apply(&mut self, command: Command) {
        match command {
            Command::AddPaths(destination, paths) => self.add_paths(destination, paths),
            Command::PasteImage {
                width,
                height,
                rgba,
            } => self.paste_image(width, height, rgba),
            Command::Select(_)
            | Command::Mark(..)
            | Command::MarkPhotos(..)
            | Command::MarkGallery
            | Command::ShowOnly(..)
            | Command::MoveSelection(_)
            | Command::ShowPhotos(_)
            | Command::SetFilter(_)
            | Command::FindSimilar(_)
            | Command::FindText(_)
            | Command::FindDiverse
            | Command::Find(_)
            | Command::FindMistakes
            | Command::FindDecided(_)
            | Command::SplitClass(_)
            | Command::ShowMap(_)
            | Command::SetMapLayout(_)
            | Command::SetMapColour(_)
            | Command::SetSort(_) => {
                self.apply_to_view(command);
            }
            Command::AddClass(_)
            | Command::RenameClass(..)
            | Command::SetPrompts(..)
            | Command::RemoveClass(_)
            | Command::MoveClass(..)
            | Command::RemovePhotos(_)
            | Command::MovePhotos(..)
            | Command::Label(..)
            | Command::MergeClass(..)
            | Command::DissolveClass(_)
            | Command::SetColour(..)
            | Command::SetUnsure(..)
            | Command::AcceptPredictions(_) => self.apply_to_project(command),
            Command::SetMethod(_)
            | Command::SetParameter(..)
            | Command::ReleaseParameter
            | Command::ResetParameter(_)
            | Command::SetPoint(..)
            | Command::UsePreset(_)
            | Command::Tune
            | Command::TuneOnFolder(_)
            | Command::CancelTuning
            | Command::EndTraining
            | Command::TrainAgain
            | Command::ShowComparison(_)
            | Command::ShowEvaluation(_)
            | Command::TrainInComparison(_)
            | Command::SetUseClassNames(_)
            | Command::SetLearnFromLabels(_)
            | Command::SetLabelLimit(_)
            | Command::SetMultiLabel(_)
            | Command::SetAdapter(_)
            | Command::ShowAdapterComparison(_)
            | Command::ChooseAdapterSide(..)
            | Command::ShowAdapterTraining(_)
            | Command::LearnAdapterFrom(_)
            | Command::TrainAdapter(_)
            | Command::EndAdapterTraining
            | Command::ShowPairs(..)
            | Command::HidePairs => self.apply_to_method(command),
            other => self.apply_to_program(other),
        }
    }

    fn apply_to_program(&mut self, command: Command) {
        match command {
            Command::LoadPrompts(path) => self.load_prompts(path),
            Command::UsePromptSet(name) => self.use_prompt_set(&name),
            Command::Export(what, out) => self.start_export(what, out),
            Command::CancelExport => self.cancel_export(),
            Command::Undo => self.undo(),
            Command::Redo => self.redo(),
            Command::CancelWork => self.cancel_work(),
            Command::ResumeWork => self.resume_work(),
            Command::DismissNotice(id) => self.dismiss(id),
            Command::KeepKeys(rows) => self.submit_files(FileJob::KeepKeys(rows)),
            Command::ClearSkipped => self.clear_skipped(),
            Command::LookAgain => self.look_again(),
            Command::OpenDemo => self.open(StartWith::Demo),
            Command::OpenProject(path) => self.open_path(path),
            Command::NewProject(path) => self.open(StartWith::New(path)),
            Command::OpenModel(model) => self.use_model(model),
            Command::DownloadModel(name) => self.download_model(&name),
            _ => {}
        }
    }

    fn apply_to_view(&mut self, command: Command) {
        match command {
            Command::Select(photo) => self.select(photo),
            Command::Mark(photo, how) => self.mark(photo, how),
            Command::MarkPhotos(photos, adds) => return self.mark_all_of(photos, adds),
            Command::MarkGallery => return self.mark_gallery(),
            Command::MoveSelection(step) => self.move_selection(step),
            Command::ShowPhotos(photos) => return self.show_photos(photos),
            Command::ShowOnly(photos, title) => self.show_only(photos, title),
            Command::SetFilter(filter) => {
                self.gallery.filter = filter;
                // Another filter keeps nothing of what the last one showed.
                self.gallery.photos.clear();
                self.refresh_gallery();
            }
            Command::FindSimilar(photo) => return self.find_similar(photo),
            Command::FindText(text) => return self.find_text(&text),
            Command::FindDiverse => return self.find_diverse(),
            Command::Find(check) => return self.check(check),
            Command::FindMistakes => self.find_mistakes(),
            Command::FindDecided(shot) => return self.find_decided(shot),
            Command::SplitClass(class) => return self.split_class(class),
            Command::ShowMap(is_open) => return self.show_map(is_open),
            Command::SetMapLayout(layout) => return self.set_map_layout(layout),
            Command::SetMapColour(colour) => return self.set_map_colour(colour),
            Command::SetSort(sort) => {
                self.gallery.sort = sort;
                self.refresh_gallery();
            }
            _ => return,
        }
        self.save_view();
    }

    fn apply_to_project(&mut self, command: Command) {
        let edit = match command {
            Command::AddClass(name) => {
                let class = self.project.state_mut().new_class(name.trim());
                Edit::AddClass(class)
            }
            Command::RenameClass(id, name) => Edit::RenameClass {
                id,
                name: name.trim().to_owned(),
            },
            Command::SetPrompts(id, prompts) => Edit::SetPrompts { id, prompts },
            Command::RemoveClass(id) => Edit::RemoveClass(id),
            Command::MoveClass(id, to) => Edit::MoveClass { id, to: to as u32 },
            Command::RemovePhotos(photos) => Edit::RemovePhotos(photos),
            Command::MovePhotos(photos, class) => {
                let role = class.map_or(Role::Pool, Role::Shot);
                Edit::SetRoles(photos.into_iter().map(|photo| (photo, role)).collect())
            }
            Command::SetColour(id, colour) => Edit::SetColour { id, colour },
            Command::DissolveClass(class) => return self.dissolve_class(class),
            Command::MergeClass(from, into) => return self.merge_class(from, into),
            Command::Label(photos, Some(class)) if self.project().settings().multi_label => {
                return self.toggle_label(&photos, class);
            }
            Command::Label(photos, class) => {
                let labels = photos.into_iter().map(|photo| (photo, class)).collect();
                return self.label_all(labels, LabelSource::User);
            }
            Command::AcceptPredictions(photos) => return self.accept_predictions(&photos),
            Command::SetUnsure(photos, unsure) => return self.set_unsure(&photos, unsure),
            _ => return,
        };
        self.perform(edit);
    }

    fn apply_to_method(&mut self, command: Command) {
        match command {
            Command::SetMethod(method) => self.choose_method(method),
            Command::SetPoint(alpha, beta, third) => self.set_point(alpha, beta, third),
            Command::UsePreset(name) => self.use_preset(&name),
            Command::TuneOnFolder(folder) => self.tune_on_folder(&folder),
            Command::CancelTuning => self.cancel_validation(),
            Command::EndTraining => self.end_training(),
            Command::TrainAgain => self.train_again(),
            Command::ShowComparison(is_open) => self.show_comparison(is_open),
            Command::ShowEvaluation(is_open) => self.show_evaluation(is_open),
            Command::TrainInComparison(trains) => self.train_in_comparison(trains),
            Command::SetParameter(parameter, value) => self.set_parameter(parameter, value),
            Command::ReleaseParameter => self.release_parameter(),
            Command::ResetParameter(parameter) => self.reset_parameter(parameter),
            Command::Tune => {
                self.change_settings(|settings| settings.auto_tuned = true);
                self.scoring.mark_dirty();
            }
            Command::SetUseClassNames(on) => {
                self.change_settings(|settings| settings.use_class_names = on);
            }
            Command::SetLearnFromLabels(on) => {
                self.change_settings(|settings| settings.learn_from_labels = on);
            }
            Command::SetLabelLimit(limit) => {
                self.change_settings(|settings| settings.label_limit = limit);
            }
            Command::SetMultiLabel(on) => self.set_multi_label(on),
            Command::SetAdapter(choice) => {
                self.change_settings(|settings| settings.adapter = adapter_setting(&choice));
            }
            Command::ShowAdapterComparison(is_open) => self.show_adapter_comparison(is_open),
            Command::ChooseAdapterSide(side, row) => self.choose_side(side, row),
            Command::ShowAdapterTraining(is_open) => self.show_adapter_training(is_open),
            Command::LearnAdapterFrom(folder) => {
                self.trained_adapters.view.folder = folder;
            }
            Command::TrainAdapter(request) => self.train_adapter(*request),
            Command::EndAdapterTraining => self.end_adapter_training(),
            Command::ShowPairs(kind, low, high, adapted) => {
                self.show_pairs(kind, low, high, adapted);
            }
            Command::HidePairs => self.overlap.pairs = None,
            _ => {}
        }
    }

    fn select(&mut self, photo: Option<PhotoId>) {
        self.clear_marks();
        self.look_at(photo);
    }

    /// Puts a photo into the inspector; what is selected together stays.
    pub(super) fn look_at(&mut self, photo: Option<PhotoId>) {
        self.selected = photo;
        let shown = self.scoring.shown().to_vec();
        self.show_photos(shown);
        self.inspect();
    }

    fn move_selection(&mut self, step: Step) {
        let photos = &self.gallery.photos;
        let Some(last) = photos.len().checked_sub(1) else {
            return;
        };
        let position = self
            .selected
            .and_then(|selected| self.gallery.position(selected));
        let to = match (step, position) {
            (Step::First, _) | (Step::By(_), None) => 0,
            (Step::Last, _) => last,
            (Step::By(by), Some(position)) => position.saturating_add_signed(by).min(last),
        };
        self.select(photos.get(to).copied());
    }

    fn open_path(&mut self, path: PathBuf) {
        let is_project = path
            .extension()
            .is_some_and(|extension| extension == "shotlens");
        self.open(if is_project {
            StartWith::File(path)
        } else {
            StartWith::Folder(path)
        });
    }

    /// Another CLIP, remembered by the project.
    fn use_model(&mut self, model: Option<String>) {
        let setting = model.clone();
        self.open_model(ModelChoice {
            model,
            is_forced: false,
            ..self.scoring.model.clone()
        });
        self.change_settings(|settings| settings.model = setting);
    }
}
