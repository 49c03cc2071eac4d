//! The window: panels that read [`App`] and push commands. The only module that knows egui.
//!
//! One frame: take in what threads finished, read the keys, draw the bars and side panels, carry out what they asked for, then draw the gallery and the selected photo. So what a slider does is seen in the frame in which it moves.

mod accept_dialog;
mod actions;
mod adapter_comparison_window;
mod adapter_dialog;
mod adapter_menu;
mod bare_plot;
pub mod bench;
pub mod bench_startup;
mod chip;
mod class_card;
mod clipboard;
mod closing;
mod comparison_window;
mod context;
mod dialogs;
mod drops;
mod evaluation_window;
mod export_dialog;
mod format;
mod fuzzy;
mod gallery_panel;
mod help;
mod histogram;
mod icons;
mod inspector_panel;
mod keymap;
mod label_plates;
mod map_canvas;
mod map_panel;
mod method_menu;
mod method_panel;
mod model_menu;
mod native;
mod notices;
mod overlap_panel;
mod pair_list;
mod palette_window;
mod parameter_slider;
mod path_prompt;
mod picture;
mod prompt_editor;
mod quick_pick;
mod screenshot;
mod shortcuts;
mod status_bar;
mod support_panel;
mod surface_plot;
mod theme;
mod thumbnail_readers;
mod thumbnails;
mod tile;
mod top_bar;
mod training_ui;
mod votes_ui;

#[cfg(test)]
mod adapter_fixture;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod more_snapshots;
#[cfg(test)]
mod several_labels_tests;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod window_tests;

use std::sync::Arc;
use std::time::Instant;

use egui::{CentralPanel, Panel, ScrollArea, Ui};

use crate::app::{App, Command};

use accept_dialog::AcceptDialog;
use actions::Strides;
use adapter_dialog::AdapterDialog;
use clipboard::{Clipboard, Pasted};
use closing::Closing;
use context::{PanelContext, Request};
use dialogs::{Answer, Dialogs};
use drops::DropZones;
use export_dialog::ExportDialog;
use gallery_panel::GalleryPanel;
use help::Help;
use keymap::Keymap;
use palette_window::CommandPalette;
use path_prompt::PathPrompt;
use prompt_editor::PromptEditor;
use quick_pick::QuickPick;
use screenshot::Screenshot;
use support_panel::SupportPanel;
use theme::Palette;
use thumbnails::Thumbnails;

pub use thumbnails::ReadThumbnail;

/// Opens the window on `app` and returns when it is closed.
///
/// `wake` is given the means to repaint the window, for the threads behind the app.
pub fn run(
    app: App,
    read_thumbnail: ReadThumbnail,
    wake: impl FnOnce(Arc<dyn Fn() + Send + Sync>) + 'static,
) -> Result<(), eframe::Error> {
    eframe::run_native(
        "Shotlens",
        native::options(),
        Box::new(move |creation| {
            let context = creation.egui_ctx.clone();
            wake(Arc::new(move || context.request_repaint()));
            let window = ShotlensWindow::new(&creation.egui_ctx, app, &read_thumbnail);
            Ok(Box::new(window))
        }),
    )
}

/// The window's own state; everything about the project is in the [`App`].
pub struct ShotlensWindow {
    app: App,
    thumbnails: Thumbnails,
    zones: DropZones,
    dialogs: Dialogs,
    clipboard: Clipboard,
    screenshot: Screenshot,
    support: SupportPanel,
    gallery: GalleryPanel,
    path_prompt: Option<PathPrompt>,
    prompt_editor: Option<PromptEditor>,
    adapter_dialog: AdapterDialog,
    quick_pick: Option<QuickPick>,
    accept_dialog: Option<AcceptDialog>,
    export_dialog: Option<ExportDialog>,
    palette: Option<CommandPalette>,
    keymap: Keymap,
    help: Help,
    closing: Closing,
    said: Option<(String, Instant)>,
    has_sides: [bool; 2],
    shows_demo_banner: bool,
    commands: Vec<Command>,
    requests: Vec<Request>,
    title: String,
    #[cfg(test)]
    log: Vec<Command>,
}

impl ShotlensWindow {
    /// A window on `app`; photos are read by `read_thumbnail`, on threads of the window's own.
    pub fn new(context: &egui::Context, app: App, read_thumbnail: &ReadThumbnail) -> Self {
        theme::install(context);
        Self {
            app,
            thumbnails: Thumbnails::new(context, read_thumbnail),
            zones: DropZones::default(),
            dialogs: Dialogs::default(),
            clipboard: Clipboard::default(),
            screenshot: Screenshot::from_environment(),
            support: SupportPanel::default(),
            gallery: GalleryPanel::default(),
            path_prompt: None,
            prompt_editor: None,
            adapter_dialog: AdapterDialog::default(),
            quick_pick: None,
            accept_dialog: None,
            export_dialog: None,
            palette: None,
            keymap: Keymap::default(),
            help: Help::Closed,
            closing: Closing::default(),
            said: None,
            has_sides: [true, true],
            shows_demo_banner: true,
            commands: Vec::new(),
            requests: Vec::new(),
            title: String::new(),
            #[cfg(test)]
            log: Vec::new(),
        }
    }

    /// The state behind the window.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// The state behind the window, for tests and the screenshot script to drive.
    pub fn app_mut(&mut self) -> &mut App {
        &mut self.app
    }

    /// Draws one frame.
    pub fn frame_ui(&mut self, ui: &mut Ui) {
        let context = ui.ctx().clone();
        self.thumbnails.begin_frame(&context);
        self.zones.begin_frame(&context);
        self.read_keys(&context);
        self.apply_commands();

        self.sides_ui(ui);
        self.apply_commands();
        self.centre_ui(ui);
        self.overlays_ui(ui, &context);

        self.commands.extend(self.zones.take(&context));
        self.zones.paint(ui, &self.app);
        self.thumbnails.end_frame();
        self.apply_commands();
        self.answer_requests(&context);
        release_focus(&context);
    }

    fn context(&mut self) -> (PanelContext<'_>, &mut SupportPanel, &mut GalleryPanel) {
        let cx = PanelContext {
            app: &self.app,
            thumbnails: &mut self.thumbnails,
            zones: &mut self.zones,
            commands: &mut self.commands,
            requests: &mut self.requests,
        };
        (cx, &mut self.support, &mut self.gallery)
    }

    fn sides_ui(&mut self, ui: &mut Ui) {
        let palette = Palette::of(ui);
        let bar = theme::panel(palette);
        let mut has_sides = self.has_sides;
        let mut shows_banner = self.shows_demo_banner;
        let (mut cx, support, _) = self.context();
        Panel::top("top bar")
            .frame(bar)
            .exact_size(44.0)
            .show(ui, |ui| top_bar::top_bar_ui(ui, &mut cx, &mut has_sides));
        if cx.app.is_demo() && shows_banner {
            let frame = theme::panel(palette).fill(palette.accent_soft);
            Panel::top("demo banner")
                .frame(frame)
                .exact_size(36.0)
                .show(ui, |ui| {
                    shows_banner = top_bar::demo_banner_ui(ui, &mut cx);
                });
        }
        Panel::bottom("status bar")
            .frame(bar.inner_margin(egui::Margin::symmetric(10, 4)))
            .exact_size(34.0)
            .show(ui, |ui| status_bar::status_ui(ui, &mut cx));
        let width = ui.available_width();
        Panel::left("support set")
            .frame(bar)
            .resizable(true)
            .default_size((width * 0.21).clamp(230.0, 320.0))
            .size_range(190.0..=520.0)
            .show_collapsible(ui, &mut has_sides[0], |ui| support.ui(ui, &mut cx));
        Panel::right("method and overlap")
            .frame(bar)
            .resizable(true)
            .default_size((width * 0.24).clamp(276.0, 380.0))
            .size_range(260.0..=560.0)
            .show_collapsible(ui, &mut has_sides[1], |ui| {
                ScrollArea::vertical()
                    .auto_shrink([false, false])
                    .show(ui, |ui| {
                        method_panel::method_ui(ui, &mut cx);
                        overlap_panel::overlap_ui(ui, &mut cx);
                    });
            });
        self.has_sides = has_sides;
        self.shows_demo_banner = shows_banner;
    }

    fn centre_ui(&mut self, ui: &mut Ui) {
        let palette = Palette::of(ui);
        let (mut cx, _, gallery) = self.context();
        let height = ui.available_height();
        Panel::bottom("selected photo")
            .frame(theme::panel(palette))
            .resizable(true)
            .default_size((height * 0.38).clamp(190.0, 300.0))
            .size_range(180.0..=(height - 160.0).max(181.0))
            .show(ui, |ui| inspector_panel::inspector_ui(ui, &mut cx));
        CentralPanel::default()
            .frame(theme::panel(palette).fill(palette.backdrop))
            .show(ui, |ui| gallery.ui(ui, &mut cx));
    }

    fn overlays_ui(&mut self, ui: &Ui, context: &egui::Context) {
        let mut said = self.said.take();
        let mut dialog = std::mem::take(&mut self.adapter_dialog);
        let mut accept = self.accept_dialog.take();
        let mut export = self.export_dialog.take();
        let (mut cx, _, _) = self.context();
        dialog.ui(context, &mut cx);
        pair_list::pair_list_ui(context, &mut cx);
        comparison_window::comparison_ui(context, &mut cx);
        evaluation_window::evaluation_ui(context, &mut cx);
        adapter_comparison_window::adapter_comparison_ui(context, &mut cx);
        if accept
            .as_mut()
            .is_some_and(|accept| accept.ui(context, &mut cx))
        {
            accept = None;
        }
        if export
            .as_mut()
            .is_some_and(|export| export.ui(context, &mut cx))
        {
            export = None;
        }
        notices::notices_ui(context, &mut cx, &mut said);
        self.export_dialog = export;
        (self.said, self.adapter_dialog, self.accept_dialog) = (said, dialog, accept);
        if help::help_ui(ui.ctx(), self.help, &self.keymap) {
            self.help = Help::Closed;
        }
        self.palette_ui(context);
        self.closing.ui(context, self.app.saved());
        if let Some(prompt) = &mut self.path_prompt
            && prompt.ui(context, &mut self.commands)
        {
            self.path_prompt = None;
        }
        if let Some(editor) = &mut self.prompt_editor
            && editor.ui(context, &mut self.commands)
        {
            self.prompt_editor = None;
        }
        if let Some(pick) = &mut self.quick_pick
            && pick.ui(context, &self.app, &mut self.commands)
        {
            self.quick_pick = None;
        }
    }

    fn palette_ui(&mut self, context: &egui::Context) {
        let Some(palette) = &mut self.palette else {
            return;
        };
        let outcome = palette.ui(context, &mut self.keymap);
        if let Some(rows) = self.keymap.take_unsaved() {
            self.commands.push(Command::KeepKeys(rows));
        }
        if let palette_window::Outcome::Closed(action) = outcome {
            self.palette = None;
            if let Some(action) = action {
                let strides = self.strides();
                action.perform(&self.app, strides, &mut self.commands, &mut self.requests);
            }
        }
    }

    fn strides(&self) -> Strides {
        Strides {
            columns: self.gallery.columns(),
            rows: self.gallery.rows_per_page(),
        }
    }

    fn read_keys(&mut self, context: &egui::Context) {
        if self.help != Help::Closed
            || self.path_prompt.is_some()
            || self.prompt_editor.is_some()
            || self.quick_pick.is_some()
            || self.accept_dialog.is_some()
            || self.export_dialog.is_some()
            || self.palette.is_some()
        {
            return;
        }
        // A menu that is open closes by itself, and alone.
        if !context.text_edit_focused()
            && !egui::Popup::is_any_open(context)
            && context.input(|input| input.key_pressed(egui::Key::Escape))
        {
            self.commands.extend(shortcuts::on_escape(&self.app));
        }
        let strides = self.strides();
        let (commands, requests) = (&mut self.commands, &mut self.requests);
        shortcuts::handle_keys(
            context,
            &self.app,
            &self.keymap,
            strides,
            commands,
            requests,
        );
        if !context.text_edit_focused()
            && let Some(pasted) = self.clipboard.handle_events(context)
        {
            self.take_pasted(pasted);
        }
    }

    fn take_pasted(&mut self, pasted: Pasted) {
        match pasted {
            Pasted::Found(command) => self.commands.push(command),
            Pasted::Nothing(text) => self.said = Some((text.to_owned(), Instant::now())),
        }
    }

    fn apply_commands(&mut self) {
        for command in self.commands.drain(..) {
            #[cfg(test)]
            self.log.push(command.clone());
            self.app.apply(command);
        }
    }

    fn answer_requests(&mut self, context: &egui::Context) {
        for request in std::mem::take(&mut self.requests) {
            match request {
                Request::Ask(ask) => {
                    if let Some(answer) = self.dialogs.open(ask, context) {
                        self.take_answer(answer);
                    }
                }
                Request::TypePath(ask) => self.path_prompt = Some(PathPrompt::new(ask, None)),
                Request::Help(topic) => self.help = topic.map_or(Help::All, Help::Of),
                Request::EditPrompts(class) => {
                    let class = self.app.project().class(class);
                    self.prompt_editor = class.map(PromptEditor::new);
                }
                Request::AcceptMany => self.accept_dialog = Some(AcceptDialog::default()),
                Request::Export => self.export_dialog = Some(ExportDialog::default()),
                Request::Palette => self.palette = Some(CommandPalette::default()),
                Request::QuickPick(text) => self.quick_pick = Some(QuickPick::new(&text)),
            }
            context.request_repaint();
        }
    }

    fn take_answer(&mut self, answer: Answer) {
        match answer {
            Answer::Chosen(command) => self.commands.push(command),
            Answer::NoDialog(ask, reason) => {
                self.path_prompt = Some(PathPrompt::new(ask, Some(reason)));
            }
        }
    }

    /// Takes in what threads finished.
    fn poll(&mut self, context: &egui::Context) {
        self.app.poll();
        if let Some(rows) = self.app.take_keys() {
            self.keymap = Keymap::of(rows);
        }
        self.closing.poll(context, self.app.saved());
        self.follow_disk(context);
        if let Some(soon) = self.app.poll_again_in() {
            context.request_repaint_after(soon);
        }
        if let Some(answer) = self.dialogs.poll() {
            self.take_answer(answer);
        }
        if let Some(pasted) = self.clipboard.poll() {
            self.take_pasted(pasted);
        }
        self.apply_commands();
        let is_quiet = self.is_quiet();
        self.screenshot.poll(context, is_quiet);
        let title = format!("{} — Shotlens", self.app.title());
        if title != self.title {
            context.send_viewport_cmd(egui::ViewportCommand::Title(title.clone()));
            self.title = title;
        }
    }

    /// Whoever comes back to the window may have moved or changed photos meanwhile.
    fn follow_disk(&mut self, context: &egui::Context) {
        let is_back = |event: &egui::Event| *event == egui::Event::WindowFocused(true);
        if context.input(|input| input.events.iter().any(is_back)) {
            self.app.apply(Command::LookAgain);
        }
        self.thumbnails.forget(&self.app.take_outdated_pictures());
    }

    /// Nothing under way, all predictions and pictures on screen.
    fn is_quiet(&self) -> bool {
        let project = self.app.project();
        let gallery = &self.app.gallery().photos;
        let is_predicted = project.classes().is_empty()
            || gallery
                .first()
                .is_none_or(|photo| self.app.prediction(*photo).is_some());
        self.app.activity().label.is_none()
            && !self.app.fit().tuning
            && is_predicted
            && self.thumbnails.is_idle()
    }
}

impl eframe::App for ShotlensWindow {
    fn logic(&mut self, context: &egui::Context, _frame: &mut eframe::Frame) {
        self.poll(context);
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        self.frame_ui(ui);
    }
}

/// A click leaves the keyboard with the gallery; only text fields, and what Tab reaches, keep it.
fn release_focus(context: &egui::Context) {
    let was_clicked = context.input(|input| input.pointer.any_click());
    if was_clicked && !context.text_edit_focused() {
        context.memory_mut(|memory| {
            if let Some(focused) = memory.focused() {
                memory.surrender_focus(focused);
            }
        });
    }
}
