//! The picture as an SVG document.

use crate::AlignmentPicture;
use crate::color::{INK, SOFT_INK, color};
use crate::label::{printable, shorten, visible, width};
use crate::layout::{LEAN, LEGEND, Layout, MARGIN, PAD};
use svg::Document;
use svg::node::element::{
    Definitions, Group, LinearGradient, Rectangle, Stop, Style, Text, Title, Use,
};

/// Weights below this are left to the background, where they would be printed as 0.000.
const VISIBLE: f32 = 0.0005;

pub(crate) fn document(picture: &AlignmentPicture) -> String {
    let title = printable(&picture.title);
    let layout = Layout::new(picture.heads.len(), &picture.queries, &picture.keys, &title);
    let [width, height] = layout.size.map(round);
    let background = rectangle(0.0, 0.0, width, height).set("fill", "#ffffff");
    let mut document = Document::new()
        .set("width", width)
        .set("height", height)
        .set("viewBox", (0, 0, width, height))
        .set("role", "img")
        .add(Title::new(match picture.title.as_str() {
            "" => "attention weights".to_string(),
            title => printable(title),
        }))
        .add(Style::new(style(layout.font)))
        .add(definitions(&layout))
        .add(background)
        .add(header(picture, &layout))
        .add(legend(&layout));
    for head in 0..picture.heads.len() {
        document = document.add(panel(picture, &layout, head));
    }
    format!("{document}\n")
}

fn style(font: f64) -> String {
    // No user's text comes here, so nothing needs escaping.
    format!(
        "text {{ font-family: system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; \
         font-size: 11px; fill: {SOFT_INK} }} \
         .title {{ font-size: 16px; font-weight: 600; fill: {INK} }} \
         .name {{ font-size: 12px; font-weight: 600; fill: {INK} }} \
         .token text {{ font-family: ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', \
         monospace; font-size: {font}px; fill: {INK} }} \
         .start {{ text-anchor: start }} .end {{ text-anchor: end }} .middle {{ text-anchor: middle }}",
        font = round(font),
    )
}

/// The color scale, and the cells without a weight, which lie under all panels.
fn definitions(layout: &Layout) -> Definitions {
    let mut scale = LinearGradient::new().set("id", "scale");
    for step in 0..=10 {
        let at = step as f32 / 10.0;
        let stop = Stop::new().set("offset", format!("{}%", step * 10));
        scale = scale.add(stop.set("stop-color", color(at)));
    }
    let [rows, columns] = [layout.queries.len(), layout.keys.len()];
    let mut row = Group::new().set("id", "row");
    for key in 0..columns {
        row = row.add(cell(layout, 0, key));
    }
    let mut empty = Group::new().set("id", "empty").set("fill", color(0.0));
    for query in 0..rows {
        let y = round(query as f64 * layout.cell);
        empty = empty.add(Use::new().set("href", "#row").set("y", y));
    }
    Definitions::new().add(scale).add(row).add(empty)
}

fn header(picture: &AlignmentPicture, layout: &Layout) -> Group {
    let [queries, keys] = picture.axes.each_ref().map(|axis| printable(axis));
    let title = shorten(&printable(&picture.title), layout.title_columns());
    let axes = format!("{queries} ↓ looks at {keys} →");
    let [title_line, axes_line] = match title.is_empty() {
        true => [0.0, MARGIN + 9.0],
        false => [MARGIN + 8.0, MARGIN + 27.0],
    };
    Group::new()
        .add(text(title, MARGIN, title_line).set("class", "title"))
        .add(text(axes, MARGIN, axes_line))
}

fn legend(layout: &Layout) -> Group {
    let [x, y] = [layout.size[0] - MARGIN - LEGEND, MARGIN];
    let bar = rectangle(x, y, LEGEND, 10.0).set("rx", 2).set("fill", "url(#scale)");
    let mut legend = Group::new()
        .add(text("weight".into(), x - 8.0, y + 9.0).set("class", "end"))
        .add(bar.set("stroke", "#d1d5db").set("stroke-width", 0.5));
    for (share, class, digits) in [(0.0, "start", "0"), (0.5, "middle", "0.5"), (1.0, "end", "1")] {
        let digits = text(digits.into(), x + share * LEGEND, y + 24.0);
        legend = legend.add(digits.set("class", class));
    }
    legend
}

/// A head: its name, the tokens on both axes, and a cell for each weight.
fn panel(picture: &AlignmentPicture, layout: &Layout, head: usize) -> Group {
    let [x, y] = layout.corner(head).map(round);
    let [left, top] = layout.cells;
    let name = printable(&picture.heads[head]);
    let labels = Group::new()
        .set("class", "token")
        .set("transform", format!("translate({} {})", round(left), round(top)));
    Group::new()
        .set("transform", format!("translate({x} {y})"))
        .add(text(name, left, 12.0).set("class", "name"))
        .add(key_labels(query_labels(labels, layout), layout))
        .add(cells(picture, layout, head))
}

fn query_labels(mut labels: Group, layout: &Layout) -> Group {
    for (query, label) in layout.queries.iter().enumerate().step_by(layout.every) {
        let y = (query as f64 + 0.5) * layout.cell + 0.35 * layout.font;
        labels = labels.add(text(label.clone(), -PAD, y).set("class", "end"));
    }
    labels
}

fn key_labels(mut labels: Group, layout: &Layout) -> Group {
    for (key, label) in layout.keys.iter().enumerate().step_by(layout.every) {
        let x = (key as f64 + 0.5) * layout.cell;
        let label_width = width(label);
        labels = labels.add(if layout.upright && label_width <= 1 {
            text(label.clone(), x, -PAD).set("class", "middle")
        } else {
            // Turned about the point above the cell where the text begins.
            let angle = if layout.upright { 90.0 } else { LEAN };
            let [x, y] = [round(x + 0.3 * layout.font), round(-PAD)];
            let turned = format!("translate({x} {y}) rotate({})", -angle);
            text(label.clone(), 0.0, 0.0).set("transform", turned)
        });
    }
    labels
}

fn cells(picture: &AlignmentPicture, layout: &Layout, head: usize) -> Group {
    let [left, top] = layout.cells.map(round);
    let mut cells = Group::new()
        .set("transform", format!("translate({left} {top})"))
        .add(Use::new().set("href", "#empty"));
    let [queries, keys] = [&picture.queries, &picture.keys]
        .map(|tokens| tokens.iter().map(|token| visible(token)).collect::<Vec<_>>());
    for (query, query_token) in queries.iter().enumerate() {
        for (key, key_token) in keys.iter().enumerate() {
            let weight = picture.weight(head, query, key);
            if weight >= VISIBLE {
                let said = Title::new(format!("{query_token} → {key_token}: {weight:.3}"));
                cells = cells.add(cell(layout, query, key).set("fill", color(weight)).add(said));
            }
        }
    }
    cells
}

fn cell(layout: &Layout, query: usize, key: usize) -> Rectangle {
    // Small cells have no room for a gap and rounded corners.
    let (gap, radius) = if layout.cell >= 8.0 { (1.5, 2.0) } else { (0.0, 0.0) };
    let [x, y] = [key, query].map(|at| at as f64 * layout.cell + gap / 2.0);
    rectangle(x, y, layout.cell - gap, layout.cell - gap).set("rx", radius)
}

fn rectangle(x: f64, y: f64, width: f64, height: f64) -> Rectangle {
    Rectangle::new()
        .set("x", round(x))
        .set("y", round(y))
        .set("width", round(width))
        .set("height", round(height))
}

fn text(content: String, x: f64, y: f64) -> Text {
    Text::new(content).set("x", round(x)).set("y", round(y))
}

/// Hundredths of a pixel: more digits make the file larger and the picture no better.
fn round(length: f64) -> f64 {
    (length * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(rows: usize, columns: usize) -> AlignmentPicture {
        let tokens = |count: usize, name: char| (0..count).map(move |i| format!("{name}{i}"));
        let weights = vec![1.0 / columns as f32; 2 * rows * columns];
        AlignmentPicture::new(2, tokens(rows, 'q'), tokens(columns, 'k'), weights).unwrap()
    }

    /// How many elements of a name a parser finds in the document, all of whose tags are balanced.
    fn tags(document: &str, name: &str) -> usize {
        let mut depth = 0_i32;
        let mut count = 0;
        for event in svg::read(document).unwrap() {
            match event {
                svg::parser::Event::Error(error) => panic!("{error}"),
                svg::parser::Event::Tag(tag, kind, _) => {
                    use svg::node::element::tag::Type::{Empty, End, Start};
                    depth += match kind {
                        Start => 1,
                        End => -1,
                        Empty => 0,
                    };
                    count += usize::from(tag == name && kind != End);
                }
                _ => {}
            }
        }
        assert_eq!(depth, 0);
        count
    }

    #[test]
    fn every_weight_has_a_cell_and_every_token_a_label() {
        let document = picture(5, 7).to_svg();
        // Background, legend, a row without weights, and the cells of two panels.
        assert_eq!(tags(&document, "rect"), 2 + 7 + 2 * 5 * 7);
        // The document's own and one for each cell.
        assert_eq!(tags(&document, "title"), 1 + 2 * 5 * 7);
        for label in ["q0", "q4", "k0", "k6"] {
            assert_eq!(document.matches(&format!(">\n{label}\n</text>")).count(), 2);
        }
        assert!(document.contains("q3 → k2: 0.143"));
    }

    #[test]
    fn weights_that_print_as_zero_are_left_to_the_background() {
        let weights = vec![0.0004, 0.9996];
        let document = AlignmentPicture::new(1, ["a"], ["b", "c"], weights).unwrap().to_svg();
        assert!(!document.contains("a → b") && document.contains("a → c: 1.000"));
    }

    #[test]
    fn what_a_user_wrote_is_escaped() {
        let nasty = ["<script>", "\"&'", "\u{0}\u{1b}"];
        let document = AlignmentPicture::new(1, nasty, nasty, vec![1.0 / 3.0; 9])
            .unwrap()
            .with_title("</title><b>&")
            .with_axes("<", "&")
            .with_head_names(["<g>"])
            .unwrap()
            .to_svg();
        assert_eq!(tags(&document, "script") + tags(&document, "b"), 0);
        assert!(document.contains("&lt;script&gt;") && document.contains("&lt;/title&gt;"));
        assert!(document.chars().all(|c| c == '\n' || !c.is_control()));
    }

    #[test]
    fn the_same_picture_is_the_same_document() {
        assert_eq!(picture(3, 4).to_svg(), picture(3, 4).to_svg());
    }

    #[test]
    fn no_number_is_missing_at_any_size() {
        for (rows, columns) in [(1, 1), (1, 64), (64, 1), (64, 64), (150, 3)] {
            let document = picture(rows, columns).to_svg();
            assert!(!document.contains("NaN") && !document.contains("inf"));
            assert_eq!(tags(&document, "use"), rows + 2);
        }
    }
}
