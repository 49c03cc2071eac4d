//! Pictures of the map, of what checks and exports, and of menus: written for people to look at, in the folder that [`check`] names.

use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::{Theme, accesskit};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;

use crate::app::{App, Command, MapColour, MapLayout, SyntheticSize};

use super::snapshots::{LARGE, SMALL, USUAL, check};
use super::{ShotlensWindow, fixture};

/// A project of made-up features with its map, as a person would see it a moment after opening it.
fn mapped(num_classes: usize, num_shots: usize, num_pool: usize) -> App {
    let size = SyntheticSize {
        num_classes,
        num_shots,
        num_pool,
        dim: 64,
    };
    let mut app = App::synthetic(&size, Arc::new(|| ())).unwrap();
    assert!(app.wait_until_idle(Duration::from_mins(2)));
    app.apply(Command::ShowMap(true));
    app.poll();
    let deadline = Instant::now() + Duration::from_mins(2);
    let is_drawn = |app: &App| {
        let view = app.map();
        !view.is_waiting && view.panes.iter().all(|pane| pane.share.is_none())
    };
    while !is_drawn(&app) {
        assert!(Instant::now() < deadline, "no map within two minutes");
        app.poll();
        std::thread::sleep(Duration::from_millis(5));
    }
    app
}

/// A second map beside it, as after an adapter.
fn with_a_second_pane(mut app: App) -> App {
    let mut second = app.map.view.panes[0].clone();
    second.title = "IsoCLIP (0, 0)".to_owned();
    let turned = second.points.iter().map(|point| [point[1], point[0]]);
    second.points = Arc::new(turned.collect());
    app.map.view.panes.push(second);
    app
}

#[test]
fn the_map_with_no_little_and_much_data() {
    for (name, size, theme) in [
        ("look map_none_small", SMALL, Theme::Light),
        ("look map_none_large", LARGE, Theme::Dark),
    ] {
        check(name, mapped(0, 0, 0), size, theme, |_| ());
    }
    for (name, size, theme) in [
        ("look map_little_small", SMALL, Theme::Dark),
        ("look map_little_large", LARGE, Theme::Light),
    ] {
        check(name, mapped(2, 2, 3), size, theme, |_| ());
    }
    let app = with_a_second_pane(mapped(10, 16, 2000));
    check("look map_much_large", app, LARGE, Theme::Dark, |_| ());
    let mut app = mapped(10, 16, 2000);
    app.apply(Command::SetMapLayout(MapLayout::Gap));
    app.apply(Command::SetMapColour(MapColour::Agreement));
    check("look map_gap_large", app, LARGE, Theme::Light, |_| ());
    let app = with_a_second_pane(mapped(10, 16, 2000));
    check(
        "look map_marked_small",
        app,
        SMALL,
        Theme::Light,
        |harness| {
            let photos = harness.state().app.map().photos[100..400].to_vec();
            let app = &mut harness.state_mut().app;
            app.apply(Command::SetMapColour(MapColour::Confidence));
            app.apply(Command::MarkPhotos(photos, false));
            app.poll();
        },
    );
}

fn open(button: &str) -> impl FnOnce(&mut Harness<'_, ShotlensWindow>) + '_ {
    move |harness| {
        harness.get_by_label(button).click();
        harness.run_steps(4);
    }
}

#[test]
fn menus_and_dialogs_of_a_project() {
    let menu = open("Check…");
    check("look checks", fixture::busy(), SMALL, Theme::Light, menu);
    let menu = open("Demo ⌄");
    check(
        "look project_menu",
        fixture::demo(),
        SMALL,
        Theme::Light,
        menu,
    );
    for (name, size, theme) in [
        ("look export_small", SMALL, Theme::Light),
        ("look export_large", LARGE, Theme::Dark),
    ] {
        check(name, fixture::busy(), size, theme, |harness| {
            harness.state_mut().export_dialog = Some(super::ExportDialog::default());
        });
    }
    check(
        "look label_limit",
        fixture::demo(),
        USUAL,
        Theme::Dark,
        |harness| {
            let learn = Command::SetLearnFromLabels(true);
            harness.state_mut().app.apply(learn);
            harness.run_steps(2);
            let name = "How many labels to learn from";
            harness
                .get_by_role_and_label(accesskit::Role::ComboBox, name)
                .click();
        },
    );
    let mut app = fixture::comparing();
    app.apply(Command::ShowComparison(false));
    app.apply(Command::ShowEvaluation(true));
    app.poll();
    app.evaluation.view.num_unseen = 12_345;
    check("look evaluation_unseen", app, SMALL, Theme::Light, |_| ());
}
