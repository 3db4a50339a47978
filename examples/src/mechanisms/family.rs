//! Who takes part.

use super::model::{D_HEAD, HEADS};
use attn_core::Mask;
use attn_core::alignment::{
    AdaptiveSpanConfig, AlignmentConfig, ChunkwiseConfig, EntmaxAlpha, EntmaxConfig,
    GumbelSoftmaxConfig, HardConfig, LocalMonotonicConfig, LocalPredictiveConfig, MonotonicConfig,
    SigmoidConfig, SinkConfig, SoftmaxConfig, SparsemaxConfig, TopKConfig,
};
use attn_core::mask::BigBird;
use attn_core::mechanism::{
    AttentionConfig, GatedDeltaConfig, LinearAttentionConfig, LinformerConfig, LshConfig,
    MechanismConfig, PerformerConfig, RetentionConfig,
};
use attn_core::score::{
    AdditiveConfig, ConcatConfig, CosineConfig, CoverageConfig, DotConfig, GaussianConfig,
    GeneralConfig, L2Config, LocationAwareConfig, LocationConfig, ScoreConfig,
};

/// The longest sequence that a mechanism of fixed size must take.
const LONGEST: usize = super::memory::STEPS;

/// A mechanism with its mask.
#[derive(Clone, Debug)]
pub struct Member {
    /// As the table and the command line have it.
    pub name: &'static str,
    /// The mechanism.
    pub config: MechanismConfig,
    /// The mask for so many keys.
    pub mask: fn(usize) -> Mask,
    /// What it cannot do of the task, where that is known.
    pub limit: Option<&'static str>,
}

impl Member {
    /// Whether it wants as many queries as keys: then items and questions are one sequence.
    pub fn is_square(&self) -> bool {
        matches!(self.config, MechanismConfig::Lsh(_))
    }

    fn limited(self, limit: &'static str) -> Self {
        Self { limit: Some(limit), ..self }
    }
}

fn open(_: usize) -> Mask {
    Mask::open()
}

/// Everyone, in the order of the table.
pub fn members() -> Vec<Member> {
    [scores(), alignments(), masks(), mechanisms()].concat()
}

fn member(name: &'static str, config: MechanismConfig) -> Member {
    Member { name, config, mask: open, limit: None }
}

/// The scores, each with softmax.
fn scores() -> Vec<Member> {
    let scored = |name, score| {
        member(name, MechanismConfig::Attention(AttentionConfig::new().with_score(score)))
    };
    let (d, hidden) = (D_HEAD, 2 * D_HEAD);
    vec![
        member("scaled-dot", MechanismConfig::Attention(AttentionConfig::new())),
        scored("dot", ScoreConfig::Dot(DotConfig::new())),
        scored("general", ScoreConfig::General(GeneralConfig::new(d, d))),
        scored("additive", ScoreConfig::Additive(AdditiveConfig::new(d, d, hidden))),
        scored("concat", ScoreConfig::Concat(ConcatConfig::new(d, d, hidden))),
        scored("cosine", ScoreConfig::Cosine(CosineConfig::new())),
        scored("l2", ScoreConfig::L2(L2Config::new())),
        scored("gaussian", ScoreConfig::Gaussian(GaussianConfig::new().with_learned(true))),
        scored("location", ScoreConfig::Location(LocationConfig::new(d, LONGEST)))
            .limited("it scores places, not what is there"),
        scored(
            "location-aware",
            ScoreConfig::LocationAware(LocationAwareConfig::new(d, d, hidden, 4, 5)),
        ),
        scored("coverage", ScoreConfig::Coverage(CoverageConfig::new(d, d, hidden))),
        member(
            "talking-heads",
            MechanismConfig::Attention(AttentionConfig::new().with_talking_heads(HEADS)),
        ),
    ]
}

/// The alignments, each of scaled dot scores.
fn alignments() -> Vec<Member> {
    let aligned = |name, alignment| {
        let config = AttentionConfig::new().with_alignment(alignment);
        member(name, MechanismConfig::Attention(config))
    };
    let sink = |sink| AlignmentConfig::Softmax(SoftmaxConfig::new().with_sink(sink));
    let learned = EntmaxConfig::new().with_alpha(EntmaxAlpha::Learned(HEADS));
    let moves_on = "it only moves on, and must know where to stop without looking ahead";
    vec![
        aligned("softmax-quiet", sink(SinkConfig::Zero)),
        aligned("softmax-sink", sink(SinkConfig::Learned(HEADS))),
        aligned("sparsemax", AlignmentConfig::Sparsemax(SparsemaxConfig::new())),
        aligned("entmax-1.5", AlignmentConfig::Entmax(EntmaxConfig::new())),
        aligned("entmax-learned", AlignmentConfig::Entmax(learned)),
        aligned("sigmoid", AlignmentConfig::Sigmoid(SigmoidConfig::new())),
        aligned("top-k", AlignmentConfig::TopK(TopKConfig::new(4))),
        aligned("local-m", AlignmentConfig::LocalMonotonic(LocalMonotonicConfig::new(4)))
            .limited("question t looks at the items around t"),
        aligned(
            "local-p",
            AlignmentConfig::LocalPredictive(LocalPredictiveConfig::new(4, D_HEAD, D_HEAD)),
        )
        .limited("a question alone does not tell where its item is"),
        aligned("hard", AlignmentConfig::Hard(HardConfig::new())),
        aligned("gumbel", AlignmentConfig::GumbelSoftmax(GumbelSoftmaxConfig::new())),
        aligned("monotonic", AlignmentConfig::Monotonic(MonotonicConfig::new())).limited(moves_on),
        aligned("chunkwise", AlignmentConfig::Chunkwise(ChunkwiseConfig::new(4))).limited(moves_on),
        aligned(
            "adaptive-span",
            AlignmentConfig::AdaptiveSpan(AdaptiveSpanConfig::new(HEADS, 128).with_initial(32.0)),
        )
        .limited("its spans are as long as was worth it in training"),
    ]
}

/// Masks, all with scaled dot scores and softmax.
fn masks() -> Vec<Member> {
    let masked = |name, mask, limit| Member {
        mask,
        limit: Some(limit),
        ..member(name, MechanismConfig::Attention(AttentionConfig::new()))
    };
    vec![
        masked("window", |_| Mask::window(Some(15), Some(0)), "it sees the last 16 items"),
        masked(
            "longformer",
            |_| Mask::longformer(7, 1, vec![vec![0]]),
            "it sees the first item and the last 8 to 11",
        ),
        masked(
            "big-bird",
            |keys| {
                let blocks = keys.div_ceil(4);
                let random = blocks.min(2);
                Mask::big_bird(BigBird { size: 4, blocks, window: 7, global: 1, random, seed: 0 })
            },
            "it sees the last 8 to 11 items and two blocks of 4 others",
        ),
        masked("strided", |_| Mask::strided(8), "it sees the last 9 items and every 8th before"),
        masked("fixed", |_| Mask::fixed(8, 2), "it sees its own 8 items and 2 of every 8 before"),
    ]
}

/// Mechanisms that are not score and alignment.
fn mechanisms() -> Vec<Member> {
    let small = "its memory is one matrix of 16 × 16 a head";
    vec![
        member("linear", MechanismConfig::LinearAttention(LinearAttentionConfig::new()))
            .limited(small),
        member("performer", MechanismConfig::Performer(PerformerConfig::new(D_HEAD, 64)))
            .limited("an estimate of softmax, the worse the sharper that is"),
        member("linformer", MechanismConfig::Linformer(LinformerConfig::new(LONGEST, 32)))
            .limited("what is kept of the items depends on their places alone"),
        member("lsh", MechanismConfig::Lsh(LshConfig::new(D_HEAD, 4).with_chunk(8)))
            .limited("a question meets the items of its bucket"),
        member("retention", MechanismConfig::Retention(RetentionConfig::new()))
            .limited("a linear memory that fades with distance"),
        member("gated-delta", MechanismConfig::GatedDelta(GatedDeltaConfig::new(D_HEAD, HEADS)))
            .limited(small),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::model::Recaller;
    use super::super::task::{QUESTIONS, Recalls, VALUES};
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn everyone_answers_and_has_weights_at_every_length() {
        let device = Device::flex();
        for member in members() {
            assert!(member.config.validate().is_ok(), "{}", member.name);
            let model = Recaller::new(&member, &device);
            for items in [8, 30, 128] {
                let recalls = Recalls::draw(3, items, 1);
                let logits = model.forward(&recalls, &device).logits;
                assert_eq!(logits.dims(), [3, QUESTIONS, VALUES], "{} {items}", member.name);
                let finite = logits.is_finite().all().into_scalar::<bool>();
                assert!(finite, "{} {items}", member.name);
                let weights = model.weights(&recalls, &device);
                assert_eq!(weights.dims(), [3, HEADS, QUESTIONS, items], "{}", member.name);
            }
        }
    }

    #[test]
    fn names_are_different_and_make_file_names() {
        let mut names: Vec<_> = members().iter().map(|member| member.name).collect();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        assert!(names.iter().all(|name| name.chars().all(plain)));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), members().len());
    }
}
