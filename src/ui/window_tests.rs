//! The window driven as a person or a screen reader drives it: through labels and keys.

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use crate::app::{App, Command, Destination, Filter, Loss, Parameter, Sort, Step};
use crate::ids::PhotoId;
use crate::methods::Method;

use super::{ShotlensWindow, fixture};

pub(super) fn window(app: App) -> Harness<'static, ShotlensWindow> {
    let mut harness = Harness::builder()
        .with_size(egui::vec2(1280.0, 800.0))
        .allow_missing_glyphs()
        .build_eframe(move |creation| {
            ShotlensWindow::new(&creation.egui_ctx, app, &fixture::read_thumbnail())
        });
    harness.run_steps(3);
    harness.state_mut().log.clear();
    harness
}

/// What was asked for since the last look, without what follows the eyes.
pub(super) fn asked(harness: &mut Harness<'_, ShotlensWindow>) -> Vec<Command> {
    harness.run_steps(3);
    let mut log = std::mem::take(&mut harness.state_mut().log);
    log.retain(|command| !matches!(command, Command::ShowPhotos(_)));
    log
}

#[test]
fn a_tile_tells_its_prediction_and_selects_its_photo() {
    let mut harness = window(fixture::demo());
    let photo = harness.state().app.gallery.photos[3];
    let prediction = harness.state().app.prediction(photo).unwrap();
    let class = &harness
        .state()
        .app
        .project()
        .class(prediction.class)
        .unwrap()
        .name;
    let label = format!(
        "{class} {} — photo",
        super::format::percent(prediction.confidence)
    );
    harness
        .get_all_by_label_contains(&label)
        .next()
        .unwrap()
        .click();
    let log = asked(&mut harness);
    assert!(matches!(log[..], [Command::Select(Some(_))]), "{log:?}");
}

#[test]
fn keys_label_accept_clear_and_move() {
    let mut harness = window(fixture::demo());
    let selected = |harness: &Harness<'_, ShotlensWindow>| harness.state().app.selected().unwrap();
    let photo = selected(&harness);
    let third = harness.state().app.project().classes()[2].id;
    harness.key_press(Key::Num3);
    let expected = Command::Label(vec![photo], Some(third));
    assert_eq!(asked(&mut harness), [expected]);
    let photo = selected(&harness);
    harness.key_press(Key::Enter);
    assert_eq!(
        asked(&mut harness),
        [Command::AcceptPredictions(vec![photo])]
    );
    let photo = selected(&harness);
    harness.key_press(Key::Backspace);
    assert_eq!(asked(&mut harness), [Command::Label(vec![photo], None)]);
    harness.key_press(Key::ArrowDown);
    let columns = harness.state().gallery.columns() as isize;
    assert!(columns > 2);
    let expected = Command::MoveSelection(Step::By(columns));
    assert_eq!(asked(&mut harness), [expected]);
    harness.key_press(Key::End);
    assert_eq!(asked(&mut harness), [Command::MoveSelection(Step::Last)]);
}

#[test]
fn undo_and_redo_have_their_keys() {
    let mut harness = window(fixture::demo());
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    assert_eq!(asked(&mut harness), [Command::Undo]);
    harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    assert_eq!(asked(&mut harness), [Command::Redo]);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Y);
    assert_eq!(asked(&mut harness), [Command::Redo]);
}

#[test]
fn keys_belong_to_the_text_field_that_has_the_focus() {
    let mut harness = window(fixture::demo());
    harness.get_by_label("Name of class 1").focus();
    harness.run_steps(2);
    harness.key_press(Key::Num3);
    harness.key_press(Key::Backspace);
    assert_eq!(asked(&mut harness), []);
}

#[test]
fn a_class_is_renamed_in_place() {
    let mut harness = window(fixture::demo());
    let class = harness.state().app.project().classes()[0].id;
    harness.get_by_label("Name of class 1").focus();
    harness.run_steps(2);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.run_steps(1);
    harness
        .get_by_label("Name of class 1")
        .type_text("feathered");
    harness.run_steps(2);
    harness.key_press(Key::Enter);
    let expected = Command::RenameClass(class, "feathered".to_owned());
    assert_eq!(asked(&mut harness), [expected]);
}

#[test]
fn sliders_are_named_and_report_every_move() {
    let mut harness = window(fixture::demo());
    harness.get_by_label("alpha").set_value_accesskit(2.0);
    let log = asked(&mut harness);
    assert!(
        matches!(log[0], Command::SetParameter(Parameter::Alpha, value) if (value - 2.0).abs() < 0.02),
        "{log:?}"
    );
    assert!(log.contains(&Command::ReleaseParameter), "{log:?}");
    assert!(harness.query_by_label("beta").is_some());
}

#[test]
fn files_dropped_on_the_left_become_classes_and_in_the_centre_photos() {
    for (x, destination) in [(60.0, Destination::Support), (640.0, Destination::Pool)] {
        let mut harness = window(fixture::empty());
        harness.hover_at(egui::pos2(x, 400.0));
        harness.run_steps(2);
        harness.input_mut().dropped_files = vec![dropped("/photos/hats"), dropped("/photos/coats")];
        let log = asked(&mut harness);
        let paths = vec!["/photos/hats".into(), "/photos/coats".into()];
        assert_eq!(log, [Command::AddPaths(destination, paths)]);
    }
}

#[test]
fn files_dropped_on_a_class_become_its_shots() {
    let mut harness = window(fixture::demo());
    let class = harness.state().app.project().classes()[0].id;
    let at = harness.get_by_label("Name of class 1").rect().center();
    harness.hover_at(at);
    harness.run_steps(2);
    harness.input_mut().dropped_files = vec![dropped("/photos/hat.jpg")];
    let log = asked(&mut harness);
    let expected = Command::AddPaths(Destination::Class(class), vec!["/photos/hat.jpg".into()]);
    assert_eq!(log, [expected]);
}

#[test]
fn a_drop_from_nowhere_goes_where_it_fits() {
    let mut harness = window(fixture::empty());
    harness.input_mut().hovered_files = vec![egui::HoveredFile::default()];
    harness.run_steps(2);
    harness.input_mut().hovered_files.clear();
    harness.input_mut().dropped_files = vec![dropped("/photos")];
    harness.run_steps(40);
    let log = asked(&mut harness);
    assert_eq!(
        log,
        [Command::AddPaths(
            Destination::Anywhere,
            vec!["/photos".into()]
        )]
    );
}

#[derive(Debug)]
struct Dropped(std::path::PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &std::path::Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        Err("the window reads no files".to_owned())
    }
}

fn dropped(path: &str) -> egui::DroppedFileHandle {
    std::sync::Arc::new(Dropped(path.into()))
}

#[test]
fn the_gallery_tells_what_is_on_screen_once() {
    let mut harness = window(fixture::many(3, 100_000));
    harness.run_steps(3);
    assert!(harness.state().log.is_empty(), "nothing moved");
    let shown = &harness.state().gallery;
    harness.hover_at(egui::pos2(640.0, 300.0));
    harness.event(egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: egui::vec2(0.0, -2000.0),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Unknown,
        modifiers: Modifiers::NONE,
    });
    let rows = shown.rows_per_page();
    let columns = shown.columns();
    harness.run_steps(20);
    let last = harness.state().log.last().cloned();
    let Some(Command::ShowPhotos(photos)) = last else {
        panic!("{last:?}");
    };
    assert!(
        photos.len() <= (rows + 3) * columns,
        "{} photos",
        photos.len()
    );
    assert!(photos[0] > PhotoId(columns as i64));
}

#[test]
fn a_list_that_gets_shorter_while_it_is_scrolled_is_no_trouble() {
    let mut harness = window(fixture::many(6, 2000));
    harness.event(egui::Event::PointerMoved(egui::pos2(640.0, 300.0)));
    for _ in 0..20 {
        harness.event(egui::Event::MouseWheel {
            unit: egui::MouseWheelUnit::Point,
            delta: egui::vec2(0.0, -4000.0),
            phase: egui::TouchPhase::Move,
            source: egui::MouseWheelSource::Unknown,
            modifiers: Modifiers::NONE,
        });
        harness.run_steps(2);
    }
    let first = harness.state().app.gallery.photos[0];
    let is_shown =
        |harness: &Harness<'_, ShotlensWindow>| harness.state().gallery.shown().contains(&first);
    assert!(!is_shown(&harness), "scrolled down");
    let only = Command::ShowOnly(vec![first], "one photo".to_owned());
    harness.state_mut().app.apply(only);
    harness.run_steps(4);
    assert!(is_shown(&harness));
}

#[test]
fn a_class_is_not_merged_into_itself_and_escape_closes_what_is_open() {
    let mut harness = window(fixture::demo());
    let class = harness.state().app.project().classes()[0].id;
    let before = harness.state().app.project().shots(class).len();
    harness
        .state_mut()
        .app
        .apply(Command::MergeClass(class, class));
    assert_eq!(harness.state().app.project().shots(class).len(), before);
    harness.state_mut().app.apply(Command::ShowEvaluation(true));
    harness.run_steps(2);
    harness.key_press(Key::Escape);
    assert_eq!(asked(&mut harness), [Command::ShowEvaluation(false)]);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    assert_eq!(asked(&mut harness), [Command::MarkGallery]);
    // The first one closes the menu alone.
    harness.get_by_label("Check…").click();
    harness.run_steps(3);
    harness.key_press(Key::Escape);
    assert_eq!(asked(&mut harness), []);
    harness.key_press(Key::Escape);
    assert_eq!(
        asked(&mut harness),
        [Command::MarkPhotos(Vec::new(), false)]
    );
}

#[test]
fn filter_and_order_are_chosen_from_menus() {
    let mut harness = window(fixture::demo());
    harness.get_by_label("Which photos").click();
    harness.run_steps(3);
    harness.get_by_label("Disagreeing").click();
    assert_eq!(
        asked(&mut harness),
        [Command::SetFilter(Filter::Disagreeing)]
    );
    harness.get_by_label("Order of the photos").click();
    harness.run_steps(3);
    harness.get_by_label("Least sure first").click();
    assert_eq!(asked(&mut harness), [Command::SetSort(Sort::LeastSure)]);
}

#[test]
fn histograms_can_be_read_without_seeing_them() {
    let harness = window(fixture::demo());
    let before = harness
        .get_all_by_label_contains("overlap before: AUROC 0.81")
        .count();
    let after = harness
        .get_all_by_label_contains("overlap after: AUROC 0.94")
        .count();
    assert_eq!((before, after), (1, 1));
}

#[test]
fn a_method_that_cannot_be_fitted_can_be_chosen_and_says_why() {
    let mut harness = window(fixture::one_shot());
    harness
        .get_by_role_and_label(Role::ComboBox, "Method")
        .click();
    harness.run_steps(3);
    harness.get_by_label("GDA").click();
    let log = asked(&mut harness);
    assert_eq!(log, [Command::SetMethod("gda".to_owned())]);
    // Readable without hovering.
    assert!(harness.query_by_label(fixture::GDA_OBSTACLE).is_some());
}

#[test]
fn the_menu_offers_every_method() {
    let mut harness = window(fixture::demo());
    harness
        .get_by_role_and_label(Role::ComboBox, "Method")
        .click();
    harness.run_steps(3);
    for method in Method::ALL {
        let rows = harness.query_all_by_label(method.title()).count();
        assert!(rows > 0, "{method:?} is missing");
    }
}

#[test]
fn a_click_on_the_heat_map_takes_its_values() {
    let mut harness = window(fixture::demo());
    harness.get_by_label("Accuracy over the parameters").click();
    harness.run_steps(20);
    harness.state_mut().log.clear();
    let map = harness.get_by_label_contains("best at α 1.47, β 6.16: 84.1 %");
    let at = map.rect().left_top() + egui::vec2(map.rect().width() / 2.0, 30.0);
    harness.hover_at(at);
    harness.run_steps(2);
    harness.drag_at(at);
    harness.run_steps(1);
    harness.drop_at(at);
    let log = asked(&mut harness);
    let [Command::SetPoint(alpha, beta, None)] = log[..] else {
        panic!("{log:?}");
    };
    let app = &harness.state().app;
    assert!((app.parameter(Parameter::Alpha) - alpha).abs() < 1e-6);
    assert!((app.parameter(Parameter::Beta) - beta).abs() < 1e-6);
    assert!(beta > 2.0 && (0.3..3.0).contains(&alpha), "{alpha} {beta}");
}

#[test]
fn a_training_can_be_watched_and_ended() {
    let mut harness = window(fixture::training());
    assert!(harness.query_by_label("Step 70 of 200").is_some());
    assert!(harness.query_by_label_contains("held out 88 %").is_some());
    harness.get_by_label("End now").click();
    assert_eq!(asked(&mut harness), [Command::EndTraining]);
}

#[test]
fn a_row_of_the_comparison_chooses_its_method() {
    let mut harness = window(fixture::comparing());
    assert!(
        harness
            .query_by_label_contains("TIMO: TIMO weighs several prompts")
            .is_some()
    );
    harness
        .get_by_label_contains("GDA: 32 of 43 right, 95 % interval 60 to 85 %")
        .click();
    let log = asked(&mut harness);
    assert_eq!(log, [Command::SetMethod("gda".to_owned())]);
}

#[test]
fn presets_and_prompt_sets_are_chosen_from_menus() {
    let mut harness = window(fixture::demo());
    harness.get_by_label("Presets ⌄").click();
    harness.run_steps(3);
    harness.get_by_label_contains("EuroSAT").click();
    assert_eq!(
        asked(&mut harness),
        [Command::UsePreset("eurosat".to_owned())]
    );
    let app = &harness.state().app;
    assert!((app.parameter(Parameter::Alpha) - 2.0).abs() < 1e-9);
    assert!(harness.query_by_label_contains("As for EuroSAT").is_some());

    harness.get_by_label("Prompts of all classes").click();
    harness.run_steps(3);
    harness.get_by_label_contains("imagenet").click();
    assert_eq!(
        asked(&mut harness),
        [Command::UsePromptSet("imagenet".to_owned())]
    );
    let app = &harness.state().app;
    assert!(
        app.project()
            .classes()
            .iter()
            .all(|class| class.prompts.len() == 7)
    );
    assert_eq!(app.undo_description(), Some("Use the prompts of imagenet"));
}

#[test]
fn prompts_are_edited_one_a_line() {
    let mut harness = window(fixture::demo());
    let class = harness.state().app.project().classes()[0].clone();
    harness
        .get_by_label(&format!("Menu of {}", class.name))
        .click();
    harness.run_steps(3);
    harness.get_by_label("Edit prompts…").click();
    harness.run_steps(4);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::End);
    harness.run_steps(1);
    let field = harness.get_by_label_contains("One a line");
    field.type_text("\na drawing of a {name}");
    harness.run_steps(3);
    harness.get_by_label("Use these prompts").click();
    let prompts = vec![
        "a photo of a {name}".to_owned(),
        "a drawing of a {name}".to_owned(),
    ];
    let expected = Command::SetPrompts(class.id, prompts);
    assert_eq!(asked(&mut harness), [expected]);
}

#[test]
fn every_control_has_a_name() {
    let scenes: [fn() -> App; 6] = [
        fixture::demo,
        fixture::empty,
        fixture::busy,
        fixture::training,
        fixture::comparing,
        fixture::adapter_training,
    ];
    for scene in scenes {
        let harness = window(scene());
        let unnamed = harness.unnamed_widgets();
        assert!(unnamed.is_empty(), "{unnamed:?}");
    }
}

#[test]
fn an_adapter_is_asked_for_with_what_the_dialog_says() {
    let mut harness = window(fixture::demo());
    harness.get_by_label("Train adapter…").click();
    assert_eq!(asked(&mut harness), [Command::ShowAdapterTraining(true)]);
    harness
        .get_by_role_and_label(Role::ComboBox, "Loss")
        .click();
    harness.run_steps(3);
    harness.get_by_label("Contrastive").click();
    harness.run_steps(3);
    harness.get_by_label("Train").click();
    let log = asked(&mut harness);
    let [Command::TrainAdapter(request)] = &log[..] else {
        panic!("{log:?}")
    };
    assert_eq!(
        (request.name.as_str(), &request.folder),
        ("Demo adapter", &None)
    );
    assert_eq!(request.options.loss, Loss::Contrastive);
    harness.get_by_label("End now").click();
    assert_eq!(asked(&mut harness), [Command::EndAdapterTraining]);
}
