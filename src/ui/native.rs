//! The window as the desktop sees it: title, size, icon, graphics.

use std::f32::consts::TAU;
use std::sync::Arc;

use eframe::egui_wgpu::{WgpuConfiguration, WgpuSetup, WgpuSetupCreateNew, wgpu};
use egui::{IconData, ViewportBuilder};

const ICON_SIDE: u32 = 128;

/// How the window opens.
pub(super) fn options() -> eframe::NativeOptions {
    eframe::NativeOptions {
        viewport: ViewportBuilder::default()
            .with_title("Shotlens")
            .with_app_id("shotlens")
            .with_inner_size([1280.0, 800.0])
            .with_min_inner_size([1024.0, 640.0])
            .with_drag_and_drop(true)
            .with_icon(Arc::new(icon())),
        wgpu_options: graphics(),
        ..eframe::NativeOptions::default()
    }
}

/// Any adapter will do, a software one too: without one there is no window at all.
fn graphics() -> WgpuConfiguration {
    let setup = WgpuSetupCreateNew {
        native_adapter_selector: Some(Arc::new(|adapters, surface| {
            let is_usable = |adapter: &&wgpu::Adapter| {
                surface.is_none_or(|surface| adapter.is_surface_supported(surface))
            };
            adapters
                .iter()
                .filter(is_usable)
                .min_by_key(|adapter| cost(adapter.get_info().device_type))
                .cloned()
                .ok_or_else(|| "this system has no graphics adapter, not even a software one: install Mesa's Vulkan drivers (mesa-vulkan-drivers), or use the command line (shotlens --help)".to_owned())
        })),
        ..WgpuSetupCreateNew::without_display_handle()
    };
    WgpuConfiguration {
        wgpu_setup: WgpuSetup::CreateNew(setup),
        ..WgpuConfiguration::default()
    }
}

/// The window needs little: what spares the battery first.
fn cost(kind: wgpu::DeviceType) -> u8 {
    match kind {
        wgpu::DeviceType::IntegratedGpu => 0,
        wgpu::DeviceType::DiscreteGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

/// A lens: a ring around dots in class colours.
fn icon() -> IconData {
    let colours = [0, 1, 2, 3].map(super::theme::class_colour);
    let side = ICON_SIDE as f32;
    let mut rgba = Vec::with_capacity((ICON_SIDE * ICON_SIDE * 4) as usize);
    for y in 0..ICON_SIDE {
        for x in 0..ICON_SIDE {
            let at = egui::vec2(x as f32 + 0.5, y as f32 + 0.5) / side - egui::Vec2::splat(0.5);
            rgba.extend(icon_pixel(at, &colours));
        }
    }
    IconData {
        rgba,
        width: ICON_SIDE,
        height: ICON_SIDE,
    }
}

/// The colour at `at`, from -0.5 to 0.5 both ways.
fn icon_pixel(at: egui::Vec2, colours: &[egui::Color32; 4]) -> [u8; 4] {
    let dark = super::theme::Palette::of_theme(egui::Theme::Dark);
    let edge = |distance: f32| ((-distance * ICON_SIDE as f32) + 0.5).clamp(0.0, 1.0);
    let mut pixel = dark.panel.gamma_multiply(edge(at.length() - 0.49));
    let ring = (at.length() - 0.42).abs() - 0.045;
    pixel = pixel.lerp_to_gamma(dark.strong, edge(ring));
    for (index, colour) in colours.iter().enumerate() {
        let centre = egui::Vec2::angled(TAU * (index as f32 + 0.5) / 4.0) * 0.17;
        pixel = pixel.lerp_to_gamma(*colour, edge((at - centre).length() - 0.1));
    }
    pixel.to_srgba_unmultiplied()
}
