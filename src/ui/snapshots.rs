//! Pictures of the whole window, compared with those in tests/snapshots.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test --lib ui::snapshots` writes them anew: look at every one. Without a graphics adapter (lavapipe will do) they say so and pass, unless `SHOTLENS_REQUIRE_SNAPSHOTS=1`.

use std::panic::catch_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use egui::{Theme, Vec2, vec2};
use egui_kittest::wgpu::{WgpuTestRenderer, create_render_state, default_wgpu_setup};
use egui_kittest::{Harness, SnapshotOptions};

use crate::app::App;

use super::{ShotlensWindow, adapter_fixture, fixture};

// lavapipe draws with all cores already.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

pub(super) const SMALL: Vec2 = vec2(1024.0, 640.0);
pub(super) const USUAL: Vec2 = vec2(1280.0, 800.0);
pub(super) const LARGE: Vec2 = vec2(1920.0, 1080.0);

fn is_required() -> bool {
    std::env::var("SHOTLENS_REQUIRE_SNAPSHOTS").is_ok_and(|value| value == "1")
}

fn renderer() -> Option<WgpuTestRenderer> {
    let state = catch_unwind(|| {
        create_render_state(
            default_wgpu_setup(),
            eframe::egui_wgpu::RendererOptions::PREDICTABLE,
        )
    });
    let Ok(state) = state else {
        assert!(
            !is_required(),
            "SHOTLENS_REQUIRE_SNAPSHOTS=1, but no graphics adapter"
        );
        println!("skipped: no graphics adapter");
        return None;
    };
    Some(WgpuTestRenderer::from_render_state(state))
}

fn window(
    renderer: WgpuTestRenderer,
    app: App,
    size: Vec2,
    theme: Theme,
) -> Harness<'static, ShotlensWindow> {
    Harness::builder()
        .with_size(size)
        .with_theme(theme)
        .renderer(renderer)
        .with_context_setup(|context| {
            // As eframe does: for scripts that Shotlens' own fonts lack.
            let provider = egui_system_font_provider::SystemFontProvider::new();
            context.add_font_provider(Arc::new(provider));
            // Where no font has a class name's letters, people see boxes; only where all fonts must be there is it a failure.
            if !is_required() {
                context.set_missing_glyph_policy(egui::MissingGlyphPolicy::Tofu);
            }
        })
        .build_eframe(move |creation| {
            ShotlensWindow::new(&creation.egui_ctx, app, &fixture::read_thumbnail())
        })
}

/// Draws until all pictures are there and nothing moves.
fn settle(harness: &mut Harness<'_, ShotlensWindow>) {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        harness.run_steps(2);
        if harness.state().thumbnails.is_idle() || Instant::now() > deadline {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    harness.run_steps(8);
}

/// Draws `app` and compares; names that begin with "look" are only written, for people to look at.
pub(super) fn check(
    name: &str,
    app: App,
    size: Vec2,
    theme: Theme,
    prepare: impl FnOnce(&mut Harness<'_, ShotlensWindow>),
) {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(renderer) = renderer() else { return };
    let mut harness = window(renderer, app, size, theme);
    settle(&mut harness);
    prepare(&mut harness);
    settle(&mut harness);
    if let Some(name) = name.strip_prefix("look ") {
        let picture = harness.render().unwrap();
        let folder = std::env::temp_dir().join("shotlens-looks");
        std::fs::create_dir_all(&folder).unwrap();
        picture.save(folder.join(format!("{name}.png"))).unwrap();
        return;
    }
    // Software adapters differ in a few pixels at edges; a moved control is thousands.
    let options = SnapshotOptions::new().threshold(1.0).max_failed_pixels(400);
    harness.snapshot_options(name, &options);
}

#[test]
fn the_demo_in_the_dark() {
    check("demo_dark", fixture::demo(), USUAL, Theme::Dark, |_| ());
}

#[test]
fn a_busy_project_in_light_and_small() {
    check(
        "busy_light_small",
        fixture::busy(),
        SMALL,
        Theme::Light,
        |_| (),
    );
}

#[test]
fn an_empty_window_tells_what_to_do() {
    check("empty_light", fixture::empty(), SMALL, Theme::Light, |_| ());
}

#[test]
fn forty_classes_on_a_large_screen() {
    if !has_fonts() {
        println!("skipped: no fonts for Chinese and Arabic here");
        return;
    }
    let app = fixture::many(40, 100_000);
    check("look many_dark_large", app, LARGE, Theme::Dark, |_| ());
}

/// The harness stops at a character that nothing can draw.
#[test]
fn class_names_in_any_script_have_glyphs() {
    if !has_fonts() {
        println!("skipped: no fonts for Chinese and Arabic here");
        return;
    }
    let app = fixture::many(8, 100);
    check("look scripts", app, USUAL, Theme::Light, |_| ());
}

fn has_fonts() -> bool {
    [
        "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
        "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    ]
    .iter()
    .all(|path| std::path::Path::new(path).exists())
}

#[test]
fn the_model_menu_and_the_help_open() {
    use egui_kittest::kittest::Queryable as _;
    check(
        "look menu",
        fixture::demo(),
        USUAL,
        Theme::Dark,
        |harness| {
            harness.get_by_label("Use a real CLIP model ⌄").click();
        },
    );
    check(
        "look help",
        fixture::demo(),
        USUAL,
        Theme::Light,
        |harness| {
            harness.key_press(egui::Key::F1);
        },
    );
    look_at_methods();
    look_at_labelling();
    let mut app = fixture::demo();
    fixture::open_pairs(&mut app);
    check("look pairs", app, USUAL, Theme::Dark, |_| ());
    check(
        "look prompt",
        fixture::busy(),
        SMALL,
        Theme::Dark,
        |harness| {
            harness.state_mut().path_prompt = Some(super::PathPrompt::new(
                super::dialogs::Ask::ClassFolders,
                Some("This system opened no file dialog (no desktop portal, no zenity)".to_owned()),
            ));
        },
    );
    check(
        "look drop",
        fixture::busy(),
        USUAL,
        Theme::Dark,
        |harness| {
            harness.input_mut().hovered_files = ["/a/hats", "/a/coats", "/a/shoes"]
                .map(|path| egui::HoveredFile {
                    path: Some(path.into()),
                    ..egui::HoveredFile::default()
                })
                .to_vec();
        },
    );
}

#[test]
fn look_at_several_labels() {
    let app = fixture::several_labels;
    check("look several_labels", app(), USUAL, Theme::Light, |_| ());
    check(
        "look several_labels_small",
        app(),
        SMALL,
        Theme::Dark,
        |_| (),
    );
}

/// Confusion and curves, the palette, accepting and selecting many.
fn look_at_labelling() {
    use egui_kittest::kittest::Queryable as _;
    let mut app = fixture::comparing();
    app.apply(crate::app::Command::ShowComparison(false));
    app.apply(crate::app::Command::ShowEvaluation(true));
    app.poll();
    check("look confusion", app, USUAL, Theme::Dark, |_| ());
    for (name, tab) in [
        ("coverage", "Coverage"),
        ("calibration", "Calibration"),
        ("classes", "Classes"),
    ] {
        let mut app = fixture::demo();
        app.apply(crate::app::Command::ShowEvaluation(true));
        app.poll();
        check(
            &format!("look {name}"),
            app,
            SMALL,
            Theme::Light,
            |harness| {
                harness.get_by_label(tab).click();
            },
        );
    }
    check(
        "look palette",
        fixture::demo(),
        SMALL,
        Theme::Dark,
        |harness| {
            harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::K);
        },
    );
    check(
        "look accept",
        fixture::demo(),
        SMALL,
        Theme::Light,
        |harness| {
            harness.get_by_label("Accept sure…").click();
        },
    );
    check(
        "look accept_many_classes",
        fixture::many(40, 3000),
        SMALL,
        Theme::Light,
        |harness| harness.get_by_label("Accept sure…").click(),
    );
    let mut app = fixture::demo();
    let aside = app.gallery.photos[6];
    app.apply(crate::app::Command::SetUnsure(vec![aside], true));
    let marked = app.gallery.photos[1..5].to_vec();
    app.apply(crate::app::Command::MarkPhotos(marked, true));
    check("look marked", app, USUAL, Theme::Dark, |_| ());
}

/// The method menu, the heat map, a training, the comparison.
fn look_at_methods() {
    use egui_kittest::kittest::Queryable as _;
    let app = fixture::one_shot();
    check("look methods", app, SMALL, Theme::Light, |harness| {
        harness
            .get_by_role_and_label(egui::accesskit::Role::ComboBox, "Method")
            .click();
    });
    let app = fixture::demo();
    check("look heat", app, USUAL, Theme::Dark, |harness| {
        harness.get_by_label("Accuracy over the parameters").click();
        harness.run_steps(20);
    });
    let app = fixture::training();
    check("look training", app, SMALL, Theme::Light, |_| ());
    let open = |harness: &mut Harness<'_, ShotlensWindow>| {
        harness.get_by_label("Train adapter…").click();
        harness.run_steps(6);
        harness.get_by_label("More").click();
    };
    check(
        "look adapter_form",
        fixture::demo(),
        SMALL,
        Theme::Dark,
        open,
    );
    let app = adapter_fixture::comparing_adapters();
    check("look adapters", app, USUAL, Theme::Dark, |_| ());
    let app = adapter_fixture::comparing_adapters();
    check("look scatter", app, SMALL, Theme::Light, |harness| {
        harness.get_by_label_contains("Less overlap").click();
    });
    let app = fixture::adapter_training();
    check("look adapter_training", app, SMALL, Theme::Light, |_| ());
    let app = fixture::adapter_training();
    check(
        "look adapter_training_large",
        app,
        LARGE,
        Theme::Dark,
        |_| (),
    );
    let app = fixture::comparing();
    check("look comparing", app, SMALL, Theme::Light, |_| ());
    let app = fixture::comparing();
    check("look comparing_large", app, LARGE, Theme::Dark, |_| ());
}
