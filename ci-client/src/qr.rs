//! QR codes on a terminal.

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code; scanners want four.
const QUIET: usize = 4;

/// Draws `text` with half blocks, two modules a character. `color`: dark on light whatever the terminal's colours are; without, light
/// modules are drawn as blocks, which is right on a dark terminal and, for most scanners, readable on a light one.
/// `None` if the text is too long for a QR code.
pub(crate) fn draw(text: &str, color: bool) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let width = code.width();
    let colors = code.to_colors();
    let side = width + 2 * QUIET;
    let light = |x: usize, y: usize| {
        let inside = |at: usize| at.checked_sub(QUIET).filter(|at| *at < width);
        match (inside(x), inside(y)) {
            (Some(x), Some(y)) => colors.get(y * width + x).is_none_or(|color| *color == Color::Light),
            _ => true,
        }
    };
    let mut drawn = String::new();
    for y in (0..side).step_by(2) {
        if color {
            drawn.push_str("\u{1b}[38;5;231;48;5;16m");
        }
        for x in 0..side {
            // Below the last row, the terminal's background is as good as anything.
            drawn.push(match (light(x, y), y + 1 < side && light(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        if color {
            drawn.push_str("\u{1b}[0m");
        }
        drawn.push('\n');
    }
    Some(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the drawing back with the scanner that `enroll --qr-image` uses.
    #[test]
    fn the_drawing_can_be_scanned() {
        let text = format!("COUNTERSIGN-PAIR-1{}", "Q0ZL".repeat(48));
        let drawn = draw(&text, false).unwrap();
        let rows: Vec<Vec<char>> = drawn.lines().map(|line| line.chars().collect()).collect();
        assert!(rows.len() <= 30 && rows.iter().all(|row| row.len() <= 60), "{} rows", rows.len());
        let (scale, side) = (4, rows[0].len());
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(side * scale, side * scale, |x, y| {
            let (x, y) = (x / scale, y / scale);
            let lit = match rows[y / 2][x] {
                '█' => true,
                '▀' => y % 2 == 0,
                '▄' => y % 2 == 1,
                _ => false,
            };
            if lit { 255 } else { 0 }
        });
        let grids = image.detect_grids();
        assert_eq!(grids[0].decode().unwrap().1, text);
    }
}
