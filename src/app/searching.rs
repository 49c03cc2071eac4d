//! Finding photos: like one, like a text, or as different as can be.

use super::{App, Filter, Sort};
use crate::ids::{Generation, PhotoId};
use crate::project::Photo;
use crate::worker::clip_worker::ClipJob;
use crate::worker::scoring_worker::{RankBy, ScoreJob};

/// The search that was asked for last.
#[derive(Default)]
pub(crate) struct Search {
    generation: Generation,
    title: String,
    is_running: bool,
}

impl App {
    /// Whether a search is on its way.
    pub fn is_searching(&self) -> bool {
        self.search.is_running
    }

    pub(super) fn find_similar(&mut self, photo: PhotoId) {
        let name = self.project().photo(photo).map(Photo::file_name);
        let title = format!("Like {}", name.unwrap_or_default());
        self.begin_search(title);
        self.rank(RankBy::Photo(photo));
    }

    pub(super) fn find_diverse(&mut self) {
        self.begin_search("Most different first".to_owned());
        self.rank(RankBy::Diverse);
    }

    /// Embeds the text first; an empty one ends the search.
    pub(super) fn find_text(&mut self, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            self.gallery.ranked = (String::new(), Vec::new());
            self.gallery.sort = Sort::Added;
            return self.refresh_gallery();
        }
        self.begin_search(format!("“{text}”"));
        self.submit_clip(ClipJob::EmbedQuery(self.search.generation, text.to_owned()));
    }

    pub(super) fn query_embedded(&mut self, generation: Generation, feature: Vec<f32>) {
        if generation == self.search.generation {
            self.rank(RankBy::Text(feature));
        }
    }

    /// The search was answered otherwise.
    pub(super) fn end_search(&mut self) {
        self.search.is_running = false;
    }

    /// Another project: what is still on its way is about the photos of the one before.
    pub(super) fn forget_searches(&mut self) {
        self.begin_search(String::new());
        self.end_search();
        self.checks.forget();
    }

    /// What is found shows under this title; what was looked for before is not wanted any more.
    pub(super) fn begin_search(&mut self, title: String) {
        self.checks.stop();
        self.search = Search {
            generation: self.search.generation.next(),
            title,
            is_running: true,
        };
    }

    fn rank(&mut self, by: RankBy) {
        self.submit_scoring(ScoreJob::Rank(self.search.generation, by));
    }

    pub(super) fn ranked(&mut self, generation: Generation, photos: Vec<PhotoId>) {
        if generation != self.search.generation {
            return;
        }
        if photos.is_empty() {
            self.end_search();
            return self.warn("Nothing to search in yet: photos are found once they are embedded");
        }
        self.show_ranking(self.search.title.clone(), photos);
    }

    /// Shows what was found, the best first.
    pub(super) fn show_ranking(&mut self, title: String, photos: Vec<PhotoId>) {
        self.end_search();
        self.gallery.ranked = (title, photos);
        self.gallery.sort = Sort::Ranked;
        if self.gallery.filter == Filter::Chosen {
            self.gallery.filter = Filter::All;
        }
        self.refresh_gallery();
        let first = self.gallery.photos.first().copied();
        self.look_at(first);
    }
}
