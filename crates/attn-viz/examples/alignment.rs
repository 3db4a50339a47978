//! Writes `alignment.svg`: four heads that read a date, as a trained model's often do.
//!
//! `cargo run -p attn-viz --example alignment [path]`

use attn_viz::{AlignmentPicture, PictureError};

const SOURCE: &str = "Tuesday, the 3rd of March 1987";
const TARGET: &str = "1987-03-03";
/// For each target character the place in the source it comes from.
const ALIGNED: [f32; 11] = [26.0, 27.0, 28.0, 29.0, 23.0, 20.5, 21.0, 18.0, 13.0, 13.5, 29.5];

fn main() -> Result<(), PictureError> {
    let characters = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
    let (keys, mut queries) = (characters(SOURCE), characters(TARGET));
    queries.push("</s>".into());

    // A head is a bump around the aligned place, of its own width, shift and share.
    let heads = [(0.5, 0.0, 0.95), (1.3, 0.0, 0.9), (0.7, -1.0, 0.8), (6.0, 2.0, 0.6)];
    let mut weights = Vec::new();
    for (width, shift, share) in heads {
        for place in ALIGNED {
            let distance = |key: usize| (key as f32 - place - shift) / width;
            let bump: Vec<_> =
                (0..keys.len()).map(|k| (-distance(k).powi(2) / 2.0).exp()).collect();
            let total: f32 = bump.iter().sum();
            let rest = (1.0 - share) / keys.len() as f32;
            weights.extend(bump.iter().map(|x| share * x / total + rest));
        }
    }

    let picture = AlignmentPicture::new(heads.len(), queries, keys, weights)?
        .with_title(SOURCE)
        .with_axes("target", "source");
    let path = std::env::args().nth(1).unwrap_or_else(|| "alignment.svg".into());
    picture.save(&path)?;
    println!("{picture}\n\nwritten to {path}");
    Ok(())
}
