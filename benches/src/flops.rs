//! What the matrix products of a model take, in closed form.

use crate::contest::Work;
use crate::setting::{Model, Setting};

/// Floating-point operations of the linear maps and of attention's two products, over the pairs that
/// the mask shows; a product of a row and a column of `n` numbers is `2 n`.
///
/// A backward pass has two products for each of the forward's, one for each operand's gradient:
/// a training step is three forward passes. What a kernel computes a second time rather than keep it
/// is not counted, nor is anything but products, so that all sides are held to the same number.
pub fn flops(setting: &Setting, work: Work) -> f64 {
    let forward: f64 = of_forward_parts(setting).iter().sum();
    match work {
        Work::Train => TRAINING * forward,
        Work::Forward | Work::Decode => forward,
    }
}

/// What a training step is to a forward pass.
const TRAINING: f64 = 3.0;

/// Those of a training step by part: the linear maps of the blocks, attention, and the vocabulary
/// projection.
pub fn of_training_parts(setting: &Setting) -> [f64; 3] {
    of_forward_parts(setting).map(|part| TRAINING * part)
}

fn of_forward_parts(setting: &Setting) -> [f64; 3] {
    let Setting { layers, width, feed_forward, vocabulary, batch, steps, source_steps, .. } =
        *setting;
    // Queries, keys, values and output of attention; both maps of the feed-forward layer.
    let block = 4 * width * width + 2 * width * feed_forward;
    let causal = steps * (steps + 1) / 2;
    // Scores and context: each pair is `width` multiplications in both.
    let pairs = |pairs| 2 * width * pairs;
    let [linear, attention] = match setting.model {
        Model::DecoderOnly => [steps * block, pairs(causal)],
        Model::EncoderDecoder => {
            // Queries and output of the target, keys and values of the source.
            let cross = 2 * width * width * (steps + source_steps);
            let seen = causal + source_steps * source_steps + steps * source_steps;
            [(steps + source_steps) * block + cross, pairs(seen)]
        }
    };
    let of_row = [layers * linear, layers * attention, steps * width * vocabulary];
    of_row.map(|row| 2.0 * batch as f64 * row as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTING: Setting = Setting {
        model: Model::DecoderOnly,
        layers: 2,
        width: 4,
        heads: 2,
        feed_forward: 8,
        vocabulary: 10,
        batch: 3,
        steps: 5,
        source_steps: 7,
        dropout: 0.0,
        gpt2: false,
    };

    /// Layer by layer, product by product, as `rows · columns · depth`.
    fn count(products: &[[usize; 3]]) -> f64 {
        products.iter().map(|[rows, columns, depth]| (2 * rows * columns * depth) as f64).sum()
    }

    #[test]
    fn a_decoder_only_model_is_its_maps_and_the_pairs_it_sees() {
        let layer = [[5, 12, 4], [15, 1, 4], [15, 4, 1], [5, 4, 4], [5, 8, 4], [5, 4, 8]];
        let row = 2.0 * count(&layer) + count(&[[5, 10, 4]]);
        assert_eq!(flops(&SETTING, Work::Forward), 3.0 * row);
        assert_eq!(flops(&SETTING, Work::Decode), 3.0 * row);
        assert_eq!(flops(&SETTING, Work::Train), 9.0 * row);
    }

    #[test]
    fn an_encoder_decoder_also_reads_its_source() {
        let setting = Setting { model: Model::EncoderDecoder, ..SETTING };
        let encoder = [[7, 12, 4], [49, 1, 4], [49, 4, 1], [7, 4, 4], [7, 8, 4], [7, 4, 8]];
        let cross = [[5, 4, 4], [7, 8, 4], [35, 1, 4], [35, 4, 1], [5, 4, 4]];
        let more = 3.0 * 2.0 * (count(&encoder) + count(&cross));
        assert_eq!(flops(&setting, Work::Forward), flops(&SETTING, Work::Forward) + more);
    }
}
