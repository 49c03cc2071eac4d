//! The centre: the photos of the pool as a grid that draws only what is on screen.

use egui::{
    Align, Key, Layout, Rect, Response, ScrollArea, Sense, Stroke, TextEdit, Ui, UiBuilder, pos2,
    vec2,
};

use crate::app::{Check, Command, Destination, Filter, Sort};
use crate::ids::PhotoId;

use super::chip::question_ui;
use super::context::{PanelContext, Request};
use super::dialogs::Ask;
use super::format::{count, counted};
use super::help::Topic;
use super::map_panel::{MapPanel, map_toolbar_ui};
use super::picture::{self, Fit};
use super::theme::{Palette, semibold};
use super::tile::{CAPTION, tile_ui};

const SORTS: [Sort; 8] = [
    Sort::Added,
    Sort::Newest,
    Sort::Name,
    Sort::Class,
    Sort::LeastSure,
    Sort::MostSure,
    Sort::Margin,
    Sort::Entropy,
];
const GAP: f32 = 12.0;
const MARGIN: f32 = 4.0;

/// View state of the gallery.
pub(super) struct GalleryPanel {
    /// Wanted width of a tile in points; tiles grow from there to fill the row.
    tile_width: f32,
    columns: usize,
    rows_per_page: usize,
    scrolled_to: Option<PhotoId>,
    shown: Vec<PhotoId>,
    now_shown: Vec<PhotoId>,
    search: String,
    /// Where a frame around photos began, in the grid.
    frame_from: Option<egui::Pos2>,
    map: MapPanel,
}

impl Default for GalleryPanel {
    fn default() -> Self {
        Self {
            tile_width: 124.0,
            columns: 1,
            rows_per_page: 1,
            scrolled_to: None,
            shown: Vec::new(),
            now_shown: Vec::new(),
            search: String::new(),
            frame_from: None,
            map: MapPanel::default(),
        }
    }
}

/// Where the tiles of one frame go.
#[derive(Clone, Copy)]
struct Grid {
    columns: usize,
    tile: egui::Vec2,
}

impl Grid {
    fn new(width: f32, wanted: f32) -> Self {
        let columns = (((width + GAP) / (wanted + GAP)) as usize).max(1);
        let side = ((width - GAP * (columns - 1) as f32) / columns as f32).floor();
        Self {
            columns,
            tile: vec2(side, side + CAPTION),
        }
    }

    fn row_height(self) -> f32 {
        self.tile.y + GAP
    }

    fn rect(self, index: usize) -> Rect {
        let (row, column) = (index / self.columns, index % self.columns);
        let min = pos2(
            column as f32 * (self.tile.x + GAP),
            row as f32 * self.row_height(),
        );
        Rect::from_min_size(min, self.tile)
    }
}

impl GalleryPanel {
    /// Photos in a row, for the arrow keys.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// The photos on screen in the last frame.
    #[cfg(test)]
    pub(super) fn shown(&self) -> &[PhotoId] {
        &self.shown
    }

    /// Rows on screen, for the page keys.
    pub(super) fn rows_per_page(&self) -> usize {
        self.rows_per_page
    }

    /// Draws toolbar and grid.
    pub(super) fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        cx.zones.add(ui, ui.max_rect(), Destination::Pool);
        self.toolbar_ui(ui, cx);
        ui.add_space(2.0);
        self.now_shown.clear();
        if cx.app.map().is_open {
            self.map.ui(ui, cx);
        } else if cx.app.gallery().photos.is_empty() {
            empty_ui(ui, cx);
        } else {
            self.grid_ui(ui, cx);
        }
        if self.now_shown != self.shown {
            std::mem::swap(&mut self.shown, &mut self.now_shown);
            cx.push(Command::ShowPhotos(self.shown.clone()));
        }
    }

    fn grid_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        let app = cx.app;
        let photos = &app.gallery().photos;
        let scroll_bar = ui.spacing().scroll.allocated_width() + 4.0;
        let grid = Grid::new(
            ui.available_width() - scroll_bar - 2.0 * MARGIN,
            self.tile_width,
        );
        self.columns = grid.columns;
        self.rows_per_page = ((ui.available_height() / grid.row_height()) as usize).max(1);
        let scroll_to = self.scroll_target(cx);
        let num_rows = photos.len().div_ceil(grid.columns);
        ScrollArea::vertical()
            .auto_shrink([false, false])
            .show_viewport(ui, |ui, viewport| {
                let height = num_rows as f32 * grid.row_height() + MARGIN;
                ui.set_height(height);
                ui.set_width(ui.available_width());
                let origin = ui.max_rect().min + vec2(MARGIN, MARGIN);
                let rect_of = |index| grid.rect(index).translate(origin.to_vec2());
                let background = ui.interact(
                    ui.max_rect(),
                    ui.scope_id().with("background"),
                    Sense::click_and_drag(),
                );
                if background.clicked() && !photos.is_empty() {
                    cx.push(Command::MarkPhotos(Vec::new(), false));
                }
                if let Some(index) = scroll_to {
                    ui.scroll_to_rect(rect_of(index).expand(GAP), None);
                }
                let first_row = (viewport.min.y / grid.row_height()).max(0.0) as usize;
                let last_row = (viewport.max.y / grid.row_height()) as usize + 1;
                // The list may have become shorter since it was scrolled.
                let first = (first_row * grid.columns).min(photos.len());
                let last = (last_row * grid.columns).min(photos.len());
                for (index, id) in photos.iter().enumerate().take(last).skip(first) {
                    let Some(photo) = cx.photo(*id) else { continue };
                    self.now_shown.push(*id);
                    let builder = UiBuilder::new().max_rect(rect_of(index)).id_salt(*id);
                    ui.scope_builder(builder, |ui| tile_ui(ui, cx, photo, rect_of(index)));
                }
                self.frame_ui(ui, cx, &background, |frame| {
                    let inside = |index: &usize| frame.intersects(rect_of(*index));
                    let rows = |y: f32| ((y - origin.y) / grid.row_height()).max(0.0) as usize;
                    let from = rows(frame.min.y) * grid.columns;
                    let to = (rows(frame.max.y) + 1) * grid.columns;
                    let framed = (from..to.min(photos.len())).filter(inside);
                    framed.map(|index| photos[index]).collect()
                });
                prefetch(ui, cx, grid, first..last);
            });
    }

    /// A frame drawn from beside the photos selects those that it touches.
    fn frame_ui(
        &mut self,
        ui: &Ui,
        cx: &mut PanelContext<'_>,
        background: &Response,
        framed: impl Fn(Rect) -> Vec<PhotoId>,
    ) {
        let scrolled = background.rect.min.to_vec2();
        if background.drag_started() {
            let from = ui.input(|input| input.pointer.press_origin());
            self.frame_from = from.map(|at| at - scrolled);
        }
        let to = background.interact_pointer_pos();
        let (Some(from), Some(to)) = (self.frame_from, to) else {
            self.frame_from = None;
            return;
        };
        let frame = Rect::from_two_pos(from + scrolled, to);
        let palette = Palette::of(ui);
        let fill = palette.accent.gamma_multiply(0.15);
        ui.painter().rect(
            frame,
            2.0,
            fill,
            Stroke::new(1.0, palette.accent),
            egui::StrokeKind::Inside,
        );
        let adds = ui.input(|input| input.modifiers.command || input.modifiers.shift);
        if background.drag_stopped() {
            cx.push(Command::MarkPhotos(framed(frame), adds));
            self.frame_from = None;
        }
    }

    /// The place of the selected photo, when the selection moved since the last frame.
    fn scroll_target(&mut self, cx: &PanelContext<'_>) -> Option<usize> {
        let selected = cx.app.selected();
        if selected == self.scrolled_to {
            return None;
        }
        self.scrolled_to = selected;
        selected.and_then(|photo| cx.app.gallery().position(photo))
    }

    fn toolbar_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        ui.horizontal(|ui| {
            ui.label(semibold("Photos").heading());
            view_ui(ui, cx);
            ui.weak(summary(cx));
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if question_ui(ui, "Help on the photos").clicked() {
                    cx.request(Request::Help(Some(Topic::Photos)));
                }
                let add = if ui.available_width() > 280.0 {
                    "+ Add photos…"
                } else {
                    "+ Add…"
                };
                ui.menu_button(add, |ui| add_menu_ui(ui, cx))
                    .response
                    .accessible_name("Add photos");
                self.search_ui(ui, cx);
            });
        });
        ui.horizontal(|ui| {
            filter_ui(ui, cx);
            if cx.app.map().is_open {
                map_toolbar_ui(ui, cx);
                return;
            }
            sort_ui(ui, cx);
            let many = ui
                .button("Accept sure…")
                .on_hover_text("Label every photo as predicted whose prediction is sure enough; you see which before it happens");
            if many.clicked() {
                cx.request(Request::AcceptMany);
            }
            ui.menu_button("Check…", |ui| check_menu_ui(ui, cx))
                .response
                .on_hover_text("Likely mistakes, photos twice, photos unlike all others");
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                // Where one stands counts more than how large the pictures are.
                if ui.available_width() > 150.0 {
                    self.tile_size_ui(ui);
                }
                if let Some(position) = position(cx) {
                    ui.add(egui::Label::new(egui::RichText::new(position).weak()).truncate());
                }
            });
        });
    }
}

impl GalleryPanel {
    fn tile_size_ui(&mut self, ui: &mut Ui) {
        let slider = egui::Slider::new(&mut self.tile_width, 72.0..=260.0)
            .show_value(false)
            .trailing_fill(false);
        ui.spacing_mut().slider_width = 70.0;
        ui.add(slider)
            .accessible_name("Size of the thumbnails")
            .on_hover_text("Size of the thumbnails");
    }
}

/// Photos as a grid or as points on a map.
fn view_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let is_map = cx.app.map().is_open;
    let mut wanted = is_map;
    ui.selectable_value(&mut wanted, false, "Grid");
    ui.selectable_value(&mut wanted, true, "Map")
        .on_hover_text("Photos as points: those that CLIP finds alike stand together");
    if wanted != is_map {
        cx.push(Command::ShowMap(wanted));
    }
}

/// What deserves a second look.
fn check_menu_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let checks = [
        (
            "Likely mistakes",
            "Labels and shots that the method contradicts, the surest contradiction first",
            Command::FindMistakes,
        ),
        (
            "Photos twice",
            "Photos that are nearly the same, group by group; says which are shots and pool photos at once",
            Command::Find(Check::Twins),
        ),
        (
            "Unlike all others",
            "Photos far from their nearest neighbours first",
            Command::Find(Check::Outliers),
        ),
        (
            "Most different first",
            "Photos that are as different as can be from each other and from the shots: what to label to learn most",
            Command::FindDiverse,
        ),
    ];
    for (title, hint, command) in checks {
        if ui.button(title).on_hover_text(hint).clicked() {
            cx.push(command);
        }
    }
}

/// Words for something that photos show.
const SEARCH_HINT: &str = "Find: a bird that flies";

impl GalleryPanel {
    /// A field for words; CLIP puts the photos that show them first.
    fn search_ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        let field = TextEdit::singleline(&mut self.search)
            .desired_width((ui.available_width() - 8.0).clamp(60.0, 190.0))
            .hint_text(SEARCH_HINT);
        let field = ui
            .add(field)
            .accessible_name("Find photos by words")
            .on_hover_text("Describe what you look for and press Enter: CLIP puts the photos that show it first");
        let is_asked = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let is_ended = field.changed() && self.search.is_empty();
        if is_asked || is_ended {
            cx.push(Command::FindText(self.search.clone()));
        }
        if cx.app.is_searching() {
            ui.spinner();
        }
    }
}

/// Reads the row below and the row above what is on screen.
fn prefetch(ui: &Ui, cx: &mut PanelContext<'_>, grid: Grid, shown: std::ops::Range<usize>) {
    let app = cx.app;
    let photos = &app.gallery().photos;
    let square = egui::Vec2::splat(grid.tile.x);
    let side = picture::side_for(square, Fit::Cover, ui.pixels_per_point());
    let after = shown.end..(shown.end + 2 * grid.columns).min(photos.len());
    let before = shown.start.saturating_sub(grid.columns)..shown.start;
    for id in photos[after].iter().chain(&photos[before]) {
        if let Some(photo) = cx.photo(*id) {
            cx.thumbnails.prefetch(photo.id, &photo.path, side);
        }
    }
}

/// As "1 204 photos · 37 labelled".
fn summary(cx: &PanelContext<'_>) -> String {
    let project = cx.app.project();
    let num_labelled = project.num_with_label();
    let photos = counted(project.pool().len(), "photo", "photos");
    if num_labelled == 0 {
        photos
    } else {
        format!("{photos} · {} labelled", count(num_labelled))
    }
}

/// As "12 of 480", for the selected photo.
fn position(cx: &PanelContext<'_>) -> Option<String> {
    let gallery = cx.app.gallery();
    let position = cx
        .app
        .selected()
        .and_then(|photo| gallery.position(photo))?;
    let (position, total) = (count(position + 1), count(gallery.photos.len()));
    Some(match cx.app.num_marked() {
        0 | 1 => format!("{position} of {total}"),
        many => format!("{} selected of {total}", count(many)),
    })
}

fn add_menu_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    for (title, ask) in [("Folders…", Ask::PoolFolders), ("Files…", Ask::PoolPhotos)] {
        if ui.button(title).clicked() {
            cx.request(Request::Ask(ask));
        }
    }
    if ui.button("Type a path…").clicked() {
        cx.request(Request::TypePath(Ask::PoolFolders));
    }
    ui.weak("or drop them here, or paste a picture");
}

fn filter_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let current = cx.app.gallery().filter;
    let mut chosen = current;
    let combo = egui::ComboBox::from_id_salt("filter")
        .width(112.0)
        .truncate()
        .selected_text(filter_title(current, cx))
        .show_ui(ui, |ui| {
            let fixed = [
                Filter::All,
                Filter::Unlabelled,
                Filter::Labelled,
                Filter::Unsure,
                Filter::Disagreeing,
            ];
            let classes = cx.app.project().classes();
            let of_class = classes.iter().map(|class| Filter::Class(class.id));
            let chosen_before =
                Some(Filter::Chosen).filter(|_| !cx.app.gallery().chosen.1.is_empty());
            for filter in fixed.into_iter().chain(of_class).chain(chosen_before) {
                ui.selectable_value(&mut chosen, filter, filter_title(filter, cx));
            }
        });
    combo
        .response
        .accessible_name("Which photos")
        .on_hover_text("Which photos are shown");
    if chosen != current {
        cx.push(Command::SetFilter(chosen));
    }
}

fn filter_title(filter: Filter, cx: &PanelContext<'_>) -> String {
    match filter {
        Filter::All => "All photos".to_owned(),
        Filter::Unlabelled => "Unlabelled".to_owned(),
        Filter::Labelled => "Labelled".to_owned(),
        Filter::Unsure => "Set aside".to_owned(),
        Filter::Disagreeing => "Disagreeing".to_owned(),
        Filter::Chosen => cx.app.gallery().chosen.0.clone(),
        Filter::Class(id) => {
            let class = cx.class(id);
            class.map_or_else(|| "(removed class)".to_owned(), |class| class.name.clone())
        }
    }
}

fn sort_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let ranked = cx.app.gallery().ranked.0.clone();
    let title = |sort| match sort {
        Sort::Added => "As added",
        Sort::Newest => "Newest first",
        Sort::Name => "By name",
        Sort::Class => "By class",
        Sort::LeastSure => "Least sure first",
        Sort::MostSure => "Most sure first",
        Sort::Margin => "Nearly two classes",
        Sort::Entropy => "Most undecided",
        Sort::Ranked => ranked.as_str(),
    };
    let current = cx.app.gallery().sort;
    let mut chosen = current;
    let combo = egui::ComboBox::from_id_salt("sort")
        .width(124.0)
        .truncate()
        .selected_text(title(current))
        .show_ui(ui, |ui| {
            for sort in SORTS {
                ui.selectable_value(&mut chosen, sort, title(sort));
            }
            if ui.selectable_label(false, "Most different first").clicked() {
                cx.push(Command::FindDiverse);
            }
            if !ranked.is_empty() {
                ui.selectable_value(&mut chosen, Sort::Ranked, title(Sort::Ranked));
            }
        });
    combo
        .response
        .accessible_name("Order of the photos")
        .on_hover_text("In which order the photos are shown");
    if chosen != current {
        cx.push(Command::SetSort(chosen));
    }
}

fn empty_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let is_filtered = !cx.app.project().pool().is_empty();
    ui.vertical_centered(|ui| {
        ui.add_space((ui.available_height() * 0.32).max(16.0));
        if is_filtered {
            ui.label(semibold("No photo fits this filter").heading());
            if ui.button("Show all photos").clicked() {
                cx.push(Command::SetFilter(Filter::All));
            }
            return;
        }
        ui.label(semibold("No photos to label yet").heading());
        ui.label("Drop a folder or photos here, or paste a picture: CLIP predicts a class for each as soon as there are classes on the left");
        ui.add_space(4.0);
        if ui.button("Add a folder of photos…").clicked() {
            cx.request(Request::Ask(Ask::PoolFolders));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_fill_the_row_without_running_over() {
        for width in [90.0, 300.0, 514.0, 1600.0] {
            let grid = Grid::new(width, 124.0);
            let last = grid.rect(grid.columns - 1);
            assert!(last.right() <= width, "{width}");
            assert!(grid.columns == 1 || grid.tile.x >= 100.0);
            assert!((grid.rect(grid.columns).top() - grid.row_height()).abs() < 1e-3);
        }
    }
}
