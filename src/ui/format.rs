//! How numbers, sizes and times are written.

use std::time::Duration;

/// As "1 204": a thin space between thousands.
pub(super) fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// As "1 204 photos", "1 photo".
pub(super) fn counted(number: usize, singular: &str, plural: &str) -> String {
    format!(
        "{} {}",
        count(number),
        if number == 1 { singular } else { plural }
    )
}

/// As "87 %", from 0 to 1; never 100 % short of 1, nor 0 % above 0.
pub(super) fn percent(share: f32) -> String {
    let percent = (share * 100.0).round();
    if share < 1.0 && percent >= 100.0 {
        return ">99 %".to_owned();
    }
    if share > 0.0 && percent < 1.0 {
        return "<1 %".to_owned();
    }
    format!("{percent:.0} %")
}

/// As "00:21" or "1:02:03".
pub(super) fn duration(seconds: f64) -> String {
    let total = seconds.clamp(0.0, 359_999.0).round() as u64;
    let (hours, minutes, seconds) = (total / 3600, total / 60 % 60, total % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}

/// As "605 MB".
pub(super) fn bytes(number: u64) -> String {
    match number {
        0..1_000_000 => format!("{} kB", number.div_ceil(1000)),
        1_000_000..1_000_000_000 => format!("{} MB", number / 1_000_000),
        _ => format!("{:.1} GB", number as f64 / 1e9),
    }
}

/// As "2 s", "5 min", "3 h".
pub(super) fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

/// A parameter's value with about three figures.
pub(super) fn parameter(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

/// A text in one line, cut off with "…" where there is no more room.
pub(super) fn cut_line(
    text: &str,
    font: egui::FontId,
    colour: egui::Color32,
    width: f32,
) -> egui::text::LayoutJob {
    let mut job = egui::text::LayoutJob::simple_singleline(text.to_owned(), font, colour);
    job.wrap = egui::text::TextWrapping::truncate_at_width(width);
    job
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_204), "1\u{202f}204");
        assert_eq!(count(100_000), "100\u{202f}000");
        assert_eq!(counted(1, "photo", "photos"), "1 photo");
    }

    #[test]
    fn certainty_is_not_rounded_up_to_truth() {
        assert_eq!(percent(0.996), ">99 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.004), "<1 %");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(0.87), "87 %");
    }

    #[test]
    fn times_and_sizes_have_units() {
        assert_eq!(duration(21.2), "00:21");
        assert_eq!(duration(3723.0), "1:02:03");
        assert_eq!(bytes(605_157_884), "605 MB");
        assert_eq!(bytes(1_710_000_000), "1.7 GB");
        assert_eq!(age(Duration::from_secs(125)), "2 min");
    }
}
