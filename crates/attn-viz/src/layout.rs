//! Where everything goes. Lengths are in pixels of the SVG's own coordinates.

use crate::label::{label, width};

/// Width of a character of a monospace font, in units of its size.
const CHARACTER: f64 = 0.605;
/// Space around everything, and between panels.
pub(crate) const MARGIN: f64 = 28.0;
const GAP: f64 = 30.0;
/// Space for a panel's name.
const NAME: f64 = 22.0;
/// The angle of labels that lean, in degrees from the horizontal.
pub(crate) const LEAN: f64 = 55.0;
/// Between a label and the cells.
pub(crate) const PAD: f64 = 6.0;
/// Height of title, legend and what is said about the axes.
pub(crate) const HEADER: f64 = 50.0;
/// The header, with a short title beside the legend, needs this much.
const LEAST_WIDTH: f64 = 460.0;
/// For the sake of a long title the picture becomes so wide; a longer one is cut.
const MOST_WIDTH: f64 = 960.0;
/// About the width of a character of the title, whose font is larger and of no fixed width.
const TITLE_CHARACTER: f64 = 9.8;
/// Length of the color scale.
pub(crate) const LEGEND: f64 = 150.0;
/// The color scale with what is written before it.
const LEGEND_AND_NAME: f64 = LEGEND + 72.0;

/// A grid of panels of equal size.
pub(crate) struct Layout {
    /// Width and height of the document.
    pub size: [f64; 2],
    /// Side of a cell, the gap to the next one included.
    pub cell: f64,
    /// Size of the tokens' font.
    pub font: f64,
    /// Every which token has its label: all of them, until the cells become too small.
    pub every: usize,
    pub queries: Vec<String>,
    pub keys: Vec<String>,
    /// Whether the labels of the keys stand upright, as characters do; else they lean.
    pub upright: bool,
    /// Where the cells of a panel begin, from its corner.
    pub cells: [f64; 2],
    panel: [f64; 2],
    columns: usize,
}

impl Layout {
    pub fn new(heads: usize, queries: &[String], keys: &[String], title: &str) -> Self {
        let [queries, keys] = [queries, keys]
            .map(|tokens| tokens.iter().map(|token| label(token)).collect::<Vec<_>>());
        let [rows, columns] = [queries.len(), keys.len()];
        let cell = (900.0 / rows.max(columns) as f64).clamp(4.0, 18.0);
        let every = (9.0 / cell).ceil() as usize;
        let font = (cell * every as f64 * 0.68).clamp(6.0, 12.0);

        let upright = 2 * keys.iter().filter(|key| width(key) <= 1).count() > columns;
        let longest = |labels: &[String]| labels.iter().map(|l| width(l)).max().unwrap_or(0) as f64;
        let left = longest(&queries) * font * CHARACTER + PAD;
        let reach = longest(&keys) * font * CHARACTER;
        // Upright labels that are longer than a character are turned by a right angle.
        let lean = if upright { 1.0 } else { LEAN.to_radians().sin() };
        let above = (reach * lean).max(font) + PAD;
        let beyond =
            if upright { 0.0 } else { (reach * LEAN.to_radians().cos() - cell / 2.0).max(0.0) };

        let cells = [left, NAME + above];
        let panel = [left + columns as f64 * cell + beyond, NAME + above + rows as f64 * cell];
        let columns = best_columns(heads, panel);
        let extent = |count: usize, size: f64| count as f64 * (size + GAP) - GAP;
        let header = width(title) as f64 * TITLE_CHARACTER + LEGEND_AND_NAME + 2.0 * MARGIN;
        let least = header.clamp(LEAST_WIDTH, MOST_WIDTH);
        let size = [
            (extent(columns, panel[0]) + 2.0 * MARGIN).max(least),
            extent(heads.div_ceil(columns), panel[1]) + 2.0 * MARGIN + HEADER,
        ];
        Self { size, cell, font, every, queries, keys, upright, cells, panel, columns }
    }

    /// Columns of text that a title has room for, beside the legend.
    pub fn title_columns(&self) -> usize {
        ((self.size[0] - 2.0 * MARGIN - LEGEND_AND_NAME) / TITLE_CHARACTER).round() as usize
    }

    /// The upper left corner of a panel, its name included.
    pub fn corner(&self, head: usize) -> [f64; 2] {
        let [column, row] = [head % self.columns, head / self.columns];
        [
            MARGIN + column as f64 * (self.panel[0] + GAP),
            MARGIN + HEADER + row as f64 * (self.panel[1] + GAP),
        ]
    }
}

/// Columns of panels such that the picture has about the shape of a screen, and as few empty places
/// as that allows.
fn best_columns(heads: usize, [width, height]: [f64; 2]) -> usize {
    let cost = |columns: usize| {
        let rows = heads.div_ceil(columns);
        let aspect = columns as f64 * (width + GAP) / (rows as f64 * (height + GAP));
        let empty = (rows * columns - heads) as f64 / heads as f64;
        (aspect / 1.5).ln().abs() + empty
    };
    (1..=heads).min_by(|&a, &b| cost(a).total_cmp(&cost(b))).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(count: usize, token: &str) -> Vec<String> {
        vec![token.to_string(); count]
    }

    #[test]
    fn panels_fill_a_grid_of_the_shape_of_a_screen() {
        assert_eq!(best_columns(1, [100.0, 100.0]), 1);
        assert_eq!(best_columns(4, [600.0, 260.0]), 2);
        assert_eq!(best_columns(2, [900.0, 200.0]), 1);
        assert_eq!(best_columns(4, [300.0, 260.0]), 2);
        assert_eq!(best_columns(8, [100.0, 100.0]), 4);
        assert_eq!(best_columns(6, [100.0, 100.0]), 3);
        assert_eq!(best_columns(3, [100.0, 300.0]), 3);
    }

    #[test]
    fn panels_lie_inside_and_apart() {
        for (heads, rows, columns, token) in
            [(1, 1, 1, "a"), (4, 11, 29, "x"), (6, 64, 63, "word"), (5, 3, 200, "ein langes Wort")]
        {
            let layout = Layout::new(heads, &tokens(rows, token), &tokens(columns, token), token);
            let [width, height] = layout.panel;
            for head in 0..heads {
                let [x, y] = layout.corner(head);
                assert!(x >= MARGIN && x + width <= layout.size[0] - MARGIN + 1e-9);
                assert!(y >= MARGIN && y + height <= layout.size[1] - MARGIN + 1e-9);
                for other in 0..head {
                    let [u, v] = layout.corner(other);
                    assert!((x - u).abs() >= width || (y - v).abs() >= height);
                }
            }
        }
    }

    #[test]
    fn a_title_has_room_up_to_the_widest_picture() {
        let one = tokens(3, "x");
        for (columns, room) in [(5, 19), (40, 40), (300, 70)] {
            let layout = Layout::new(1, &one, &one, &"t".repeat(columns));
            assert_eq!(layout.title_columns(), room);
            assert!(layout.size[0] <= MOST_WIDTH);
        }
    }

    #[test]
    fn labels_stay_legible_and_do_not_overlap() {
        for count in [1, 2, 30, 64, 65, 300] {
            let layout = Layout::new(1, &tokens(count, "x"), &tokens(count, "y"), "");
            assert!(layout.font >= 6.0 && layout.font <= layout.cell * layout.every as f64);
            assert_eq!(layout.every == 1, count <= 100, "{count}");
        }
        let layout = Layout::new(1, &tokens(64, "x"), &tokens(64, "y"), "");
        assert!(layout.font >= 9.0);
    }
}
