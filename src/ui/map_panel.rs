//! The map in the centre: photos as points, coloured, framed by hand, beside each other before and after the adapter.

use egui::{
    Align2, Layout, PointerButton, Pos2, Rect, Response, Role, Sense, Shape, Stroke, TextureHandle,
    TextureOptions, Ui, UiBuilder, WidgetInfo, pos2, vec2,
};

use crate::app::{Command, MapColour, MapLayout, MapPane};
use crate::ids::PhotoId;
use crate::project::{Class, Role as PhotoRole};

use super::context::PanelContext;
use super::format::{count, counted, percent};
use super::map_canvas::{Camera, Frame, MeshKey, disc_image, mesh_of};
use super::picture::{self, Fit};
use super::theme::{self, Palette, class_colour, semibold, semibold_font};

const COLOURS: [(MapColour, &str); 4] = [
    (MapColour::Prediction, "Prediction"),
    (MapColour::Label, "Label"),
    (MapColour::Confidence, "Confidence"),
    (MapColour::Agreement, "Right and wrong"),
];
const LAYOUTS: [(MapLayout, &str, &str); 3] = [
    (
        MapLayout::Neighbours,
        "Neighbours",
        "Photos that CLIP finds alike stand together (UMAP); distances between groups say little",
    ),
    (
        MapLayout::Axes,
        "Main axes",
        "The two directions in which the photos differ most (PCA)",
    ),
    (
        MapLayout::Gap,
        "Photos and words",
        "Across, from photos to class names: CLIP keeps the two apart, which is called the modality gap",
    ),
];
/// A side of the photo beside the pointer.
const PREVIEW: f32 = 150.0;
const GAP: f32 = 10.0;
/// Height of the line below the map.
const FOOT: f32 = 30.0;
/// From this width on, what colours mean has room beside what can be done with selected photos.
const LEGEND_BESIDE: f32 = 640.0;
/// Half the height of a text's diamond.
const TEXT: f32 = 6.0;
/// Names of more classes than this cover each other.
const MOST_NAMES: usize = 40;

/// View state of the map.
#[derive(Default)]
pub(super) struct MapPanel {
    cameras: [Camera; 2],
    layout: Option<MapLayout>,
    /// The line around photos that is being drawn, and in which pane.
    lasso: Option<(usize, Vec<Pos2>)>,
    hovered: Option<usize>,
    disc: Option<TextureHandle>,
    meshes: [Option<(MeshKey, std::sync::Arc<egui::Mesh>)>; 2],
}

impl MapPanel {
    /// Draws the map in what is left of the panel.
    pub(super) fn ui(&mut self, ui: &mut Ui, cx: &mut PanelContext<'_>) {
        let view = cx.app.map();
        if self.layout != Some(view.layout) {
            (self.cameras, self.layout) = ([Camera::default(); 2], Some(view.layout));
        }
        let room = ui.available_rect_before_wrap();
        ui.advance_cursor_after_rect(room);
        let (area, foot) = room.split_top_bottom_at_y(room.bottom() - FOOT);
        if view.panes.is_empty() {
            empty_ui(
                ui,
                area,
                view.is_waiting || cx.app.activity().label.is_some(),
            );
            return;
        }
        let hovered = self.hovered.take();
        let num_panes = view.panes.len().min(2);
        let width = (area.width() - GAP * (num_panes - 1) as f32) / num_panes as f32;
        for (index, pane) in view.panes.iter().take(num_panes).enumerate() {
            let left = area.left() + index as f32 * (width + GAP);
            let rect = Rect::from_min_size(pos2(left, area.top()), vec2(width, area.height()));
            self.pane_ui(ui, cx, (index, pane), rect, hovered);
        }
        // The ring was drawn where the pointer was a frame ago.
        if self.hovered != hovered {
            ui.ctx().request_repaint();
        }
        ui.scope_builder(UiBuilder::new().max_rect(foot), |ui| foot_ui(ui, cx));
    }

    fn pane_ui(
        &mut self,
        ui: &mut Ui,
        cx: &mut PanelContext<'_>,
        (index, pane): (usize, &MapPane),
        rect: Rect,
        hovered: Option<usize>,
    ) {
        let palette = Palette::of(ui);
        ui.painter()
            .rect_filled(rect, theme::ROUNDING, palette.panel);
        let id = ui.scope_id().with(("map", index));
        let response = ui.interact(rect, id, Sense::click_and_drag());
        let photos = &cx.app.map().photos;
        let said = format!(
            "Map of {}: {}",
            counted(photos.len(), "photo", "photos"),
            pane.title
        );
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &said));

        let frame = Frame::new(&pane.points, rect, self.cameras[index]);
        self.cameras[index] = steered(ui, &response, &frame);
        let frame = frame.seen_by(self.cameras[index]);
        let mut child = ui.new_child(UiBuilder::new().max_rect(rect));
        child.set_clip_rect(rect.intersect(ui.clip_rect()));
        self.paint_points(&child, cx, (index, pane), &frame);
        if index == 0 {
            paint_texts(&child, cx, pane, &frame);
        }
        paint_ring(&child, cx, pane, &frame, hovered);
        paint_title(&child, pane, rect);
        self.lasso_ui(&child, cx, &response, (index, pane), &frame);
        self.hover_ui(&child, cx, &response, pane, &frame);
    }

    fn paint_points(
        &mut self,
        ui: &Ui,
        cx: &PanelContext<'_>,
        (index, pane): (usize, &MapPane),
        frame: &Frame,
    ) {
        let view = cx.app.map();
        let (palette, is_dark) = (Palette::of(ui), ui.visuals().dark_mode);
        let key = MeshKey {
            points: std::sync::Arc::as_ptr(&pane.points).addr(),
            inks: std::sync::Arc::as_ptr(&view.inks).addr(),
            marks: cx.app.marks_version(),
            frame: *frame,
            is_dark,
        };
        let disc = self.disc.get_or_insert_with(|| {
            ui.ctx()
                .load_texture("a point", disc_image(), TextureOptions::LINEAR)
        });
        let known = self.meshes[index].take().filter(|(made, _)| *made == key);
        let mesh = known.map_or_else(
            || {
                let photos = &view.photos;
                let is_marked = |point: usize| {
                    photos
                        .get(point)
                        .is_some_and(|photo| cx.app.is_marked(*photo))
                };
                mesh_of(
                    frame,
                    &pane.points,
                    &view.inks,
                    is_marked,
                    disc.id(),
                    palette,
                )
            },
            |(_, mesh)| mesh,
        );
        ui.painter().add(Shape::Mesh(std::sync::Arc::clone(&mesh)));
        self.meshes[index] = Some((key, mesh));
    }

    /// A line drawn around photos selects them; with Shift or Ctrl the others stay selected.
    fn lasso_ui(
        &mut self,
        ui: &Ui,
        cx: &mut PanelContext<'_>,
        response: &Response,
        (index, pane): (usize, &MapPane),
        frame: &Frame,
    ) {
        if response.drag_started_by(PointerButton::Primary) {
            let from = ui.input(|input| input.pointer.press_origin());
            self.lasso = Some((index, from.into_iter().collect()));
        }
        let Some((_, line)) = self.lasso.as_mut().filter(|(of, _)| *of == index) else {
            return;
        };
        if let Some(at) = response.interact_pointer_pos()
            && line.last().is_none_or(|last| last.distance(at) > 2.0)
        {
            line.push(at);
        }
        let palette = Palette::of(ui);
        let stroke = Stroke::new(1.5, palette.accent);
        ui.painter().add(Shape::closed_line(line.clone(), stroke));
        if response.drag_stopped() {
            let view = cx.app.map();
            let adds = ui.input(|input| input.modifiers.shift || input.modifiers.command);
            if line.len() > 2 {
                let inside = frame.inside(&pane.points, &view.inks, line);
                let photos: Vec<PhotoId> = inside.iter().map(|point| view.photos[*point]).collect();
                cx.push(Command::MarkPhotos(photos, adds));
            }
            self.lasso = None;
        }
    }

    fn hover_ui(
        &mut self,
        ui: &Ui,
        cx: &mut PanelContext<'_>,
        response: &Response,
        pane: &MapPane,
        frame: &Frame,
    ) {
        let view = cx.app.map();
        let pointer = response.hover_pos().filter(|_| self.lasso.is_none());
        let nearest = pointer.and_then(|at| frame.nearest(&pane.points, &view.inks, at));
        let photo = nearest.and_then(|point| view.photos.get(point)).copied();
        if response.clicked() {
            let adds = ui.input(|input| input.modifiers.shift || input.modifiers.command);
            match photo {
                Some(photo) if adds => cx.push(Command::Mark(photo, crate::app::Mark::Toggle)),
                Some(photo) => cx.push(Command::Select(Some(photo))),
                None => cx.push(Command::MarkPhotos(Vec::new(), false)),
            }
        }
        if let Some(photo) = photo {
            self.hovered = nearest;
            response.show_tooltip_ui(|ui| photo_ui(ui, cx, photo));
        }
    }
}

/// The camera after what the pointer does: scrolling zooms, the secondary button moves, a double click shows all.
fn steered(ui: &Ui, response: &Response, frame: &Frame) -> Camera {
    if response.double_clicked() {
        return Camera::default();
    }
    if response.dragged_by(PointerButton::Secondary) || response.dragged_by(PointerButton::Middle) {
        return frame.moved(response.drag_delta());
    }
    let (scroll, pinch) = ui.input(|input| (input.smooth_scroll_delta().y, input.zoom_delta()));
    match response.hover_pos() {
        Some(at) => frame.zoomed((scroll / 250.0).exp() * pinch, at),
        None => frame.moved(egui::Vec2::ZERO),
    }
}

/// Names of the classes where their texts stand, moved down where they would cover each other.
fn paint_texts(ui: &Ui, cx: &PanelContext<'_>, pane: &MapPane, frame: &Frame) {
    let view = cx.app.map();
    let palette = Palette::of(ui);
    let points = pane.points.iter().skip(view.photos.len());
    let classes = view.texts.iter().map(|class| cx.class(*class));
    let mut texts: Vec<(Pos2, &Class)> = classes
        .zip(points)
        .filter_map(|(class, point)| Some((frame.on_screen(*point), class?)))
        .collect();
    texts.sort_by(|a, b| a.0.y.total_cmp(&b.0.y));
    for (at, class) in &texts {
        let corners = [
            vec2(0.0, -TEXT),
            vec2(TEXT, 0.0),
            vec2(0.0, TEXT),
            vec2(-TEXT, 0.0),
        ];
        let diamond = corners.map(|corner| *at + corner).to_vec();
        let stroke = Stroke::new(1.5, palette.strong);
        let fill = class_colour(class.colour);
        ui.painter()
            .add(Shape::convex_polygon(diamond, fill, stroke));
    }
    if texts.len() > MOST_NAMES {
        return;
    }
    let mut plates: Vec<Rect> = Vec::new();
    for (at, class) in texts {
        let font = semibold_font(12.0);
        let galley = ui
            .painter()
            .layout_no_wrap(class.name.clone(), font, palette.strong);
        let place = at + vec2(TEXT + 4.0, -galley.size().y / 2.0);
        let mut plate = Rect::from_min_size(place, galley.size()).expand2(vec2(3.0, 0.0));
        while let Some(other) = plates.iter().find(|other| other.intersects(plate)) {
            plate = plate.translate(vec2(0.0, other.bottom() - plate.top() + 0.5));
        }
        if plate.center().y - at.y > 2.0 {
            let line = [at, plate.left_center()];
            let stroke = Stroke::new(1.0, palette.weak);
            ui.painter().line_segment(line, stroke);
        }
        ui.painter()
            .rect_filled(plate, 3.0, palette.panel.gamma_multiply(0.8));
        ui.painter()
            .galley(plate.min + vec2(3.0, 0.0), galley, palette.strong);
        plates.push(plate);
    }
}

/// Rings around the photo under the pointer, in every pane, and around the one in the inspector.
fn paint_ring(
    ui: &Ui,
    cx: &PanelContext<'_>,
    pane: &MapPane,
    frame: &Frame,
    hovered: Option<usize>,
) {
    let palette = Palette::of(ui);
    let photos = &cx.app.map().photos;
    let selected = cx.app.selected();
    let selected = selected.and_then(|photo| photos.binary_search(&photo).ok());
    let radius = frame.radius(pane.points.len()) + 4.0;
    for (point, colour) in [(selected, palette.accent), (hovered, palette.strong)] {
        if let Some(point) = point.and_then(|point| pane.points.get(point)) {
            let at = frame.on_screen(*point);
            ui.painter()
                .circle_stroke(at, radius, Stroke::new(2.0, colour));
        }
    }
}

fn paint_title(ui: &Ui, pane: &MapPane, rect: Rect) {
    let palette = Palette::of(ui);
    let mut title = pane.title.clone();
    if let Some(share) = pane.share {
        title = format!("{title} · finding neighbours, {}", percent(share));
    }
    let at = rect.left_top() + vec2(10.0, 8.0);
    ui.painter().text(
        at,
        Align2::LEFT_TOP,
        title,
        semibold_font(12.0),
        palette.weak,
    );
}

/// Below the map: what is selected and what can be done with it, else what the pointer does; and what colours mean.
fn foot_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    const HINT: &str = "Draw around photos to select them · scroll to zoom · right button to move";
    let has_room = cx.app.num_marked() == 0 || ui.available_width() > LEGEND_BESIDE;
    ui.horizontal_centered(|ui| {
        ui.with_layout(Layout::right_to_left(egui::Align::Center), |ui| {
            if has_room {
                legend_ui(ui, cx.app.map().colour);
            }
            ui.with_layout(Layout::left_to_right(egui::Align::Center), |ui| {
                if cx.app.num_marked() == 0 {
                    let hint = egui::RichText::new(HINT).small().weak();
                    ui.add(egui::Label::new(hint).truncate());
                } else {
                    selected_ui(ui, cx);
                }
            });
        });
    });
}

/// What the colours mean that are no class's.
fn legend_ui(ui: &mut Ui, colour: MapColour) {
    let palette = Palette::of(ui);
    let small = |text: &str| egui::RichText::new(text).small().weak();
    let entries: &[(egui::Color32, &str)] = match colour {
        MapColour::Prediction | MapColour::Label => return,
        MapColour::Confidence => &[
            (theme::heat(1.0), "sure"),
            (theme::heat(0.5), "half"),
            (theme::heat(0.0), "unsure"),
        ],
        MapColour::Agreement => &[
            (palette.weak, "no label"),
            (palette.error, "wrong"),
            (palette.good, "right"),
        ],
    };
    for (colour, text) in entries {
        ui.label(small(text));
        let (rect, _) = ui.allocate_exact_size(vec2(10.0, 10.0), Sense::hover());
        ui.painter().circle_filled(rect.center(), 4.0, *colour);
    }
}

/// The photo under the pointer.
fn photo_ui(ui: &mut Ui, cx: &mut PanelContext<'_>, id: PhotoId) {
    let Some(photo) = cx.photo(id) else { return };
    let side = picture::side_for(vec2(PREVIEW, PREVIEW), Fit::Contain, ui.pixels_per_point());
    let thumbnail = cx.thumbnails.request(photo.id, &photo.path, side);
    let (rect, _) = ui.allocate_exact_size(vec2(PREVIEW, PREVIEW), Sense::hover());
    picture::paint(ui, rect, &thumbnail, Fit::Contain, "");
    ui.label(semibold(photo.file_name()));
    let name = |class| cx.class(class).map_or("", |class| class.name.as_str());
    match (photo.role, photo.label) {
        (PhotoRole::Shot(class), _) => ui.label(format!("shot of {}", name(class))),
        (PhotoRole::Pool, Some(_)) => {
            let names: Vec<&str> = photo.labels().map(name).collect();
            ui.label(format!("labelled {}", names.join(", ")))
        }
        (PhotoRole::Pool, None) => ui.weak("no label"),
    };
    if let Some(prediction) = cx.app.prediction(id) {
        let class = name(prediction.class);
        ui.label(format!(
            "predicted {class}, {}",
            percent(prediction.confidence)
        ));
    }
}

fn empty_ui(ui: &mut Ui, area: Rect, is_coming: bool) {
    ui.scope_builder(UiBuilder::new().max_rect(area), |ui| {
        ui.vertical_centered(|ui| {
            ui.add_space(area.height() * 0.35);
            if is_coming {
                ui.spinner();
                ui.weak("The map is drawn as soon as some photos are embedded");
            } else {
                ui.label(semibold("Nothing to map yet").heading());
                ui.label(
                    "Three photos or more make a map; photos and words need at least one class",
                );
            }
        });
    });
}

/// What the map shows and how, above it.
pub(super) fn map_toolbar_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let view = cx.app.map();
    let (mut layout, mut colour) = (view.layout, view.colour);
    layout_ui(ui, &mut layout);
    if layout != view.layout {
        cx.push(Command::SetMapLayout(layout));
    }
    ui.separator();
    let title = COLOURS.iter().find(|(choice, _)| *choice == colour);
    egui::ComboBox::from_id_salt("map colour")
        .width(110.0)
        .selected_text(title.map_or("", |(_, title)| title))
        .show_ui(ui, |ui| {
            for (choice, title) in COLOURS {
                ui.selectable_value(&mut colour, choice, title);
            }
        })
        .response
        .accessible_name("Colour of the points")
        .on_hover_text("What the colour of a point says");
    if colour != view.colour {
        cx.push(Command::SetMapColour(colour));
    }
}

/// The layouts beside each other, or in a menu where there is no room for them.
fn layout_ui(ui: &mut Ui, layout: &mut MapLayout) {
    if ui.available_width() > 520.0 {
        for (choice, title, hint) in LAYOUTS {
            ui.selectable_value(layout, choice, title)
                .on_hover_text(hint);
        }
        return;
    }
    let title = LAYOUTS.iter().find(|(choice, ..)| choice == layout);
    egui::ComboBox::from_id_salt("map layout")
        .width(120.0)
        .selected_text(title.map_or("", |(_, title, _)| title))
        .show_ui(ui, |ui| {
            for (choice, title, hint) in LAYOUTS {
                ui.selectable_value(layout, choice, title)
                    .on_hover_text(hint);
            }
        })
        .response
        .accessible_name("Where the map puts photos");
}

/// How many photos are selected, and what can be done with them.
fn selected_ui(ui: &mut Ui, cx: &mut PanelContext<'_>) {
    let num_marked = cx.app.num_marked();
    if num_marked == 0 {
        return;
    }
    let num_shots = cx.app.num_marked_shots();
    let text = match num_shots {
        0 => format!("{} selected", count(num_marked)),
        _ => format!(
            "{} and {} selected",
            counted(num_marked - num_shots, "photo", "photos"),
            counted(num_shots, "shot", "shots")
        ),
    };
    ui.label(semibold(text));
    let show = ui
        .button("Show as grid")
        .on_hover_text("Show the selected photos alone");
    if show.clicked() {
        let title = format!("{} from the map", count(num_marked));
        cx.push(Command::ShowOnly(cx.app.targets(), title));
        cx.push(Command::ShowMap(false));
    }
    ui.menu_button("Label as", |ui| {
        let photos = cx.app.targets();
        super::tile::class_menu_ui(ui, cx, |class| {
            Command::Label(photos.clone(), Some(class.id))
        });
    });
}
