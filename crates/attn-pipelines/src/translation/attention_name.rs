//! The attentions of recurrent decoders, by name.

use attn_core::alignment::{
    AlignmentConfig, HardConfig, LocalMonotonicConfig, LocalPredictiveConfig,
};
use attn_core::mechanism::AttentionConfig;
use attn_core::score::{
    AdditiveConfig, ConcatConfig, DotConfig, GeneralConfig, LocationConfig, ScoreConfig,
};
use attn_rnn::{BahdanauConfig, FlowConfig, LuongConfig};
use clap::ValueEnum;

/// How the decoder attends to the source. `--config` has more: any score and any alignment of
/// `attn-core`, in either flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AttentionName {
    /// Bahdanau et al. (2015): the previous state is the query of an additive score, the context
    /// enters the cell.
    Bahdanau,
    /// Luong et al. (2015): the new state is the query, the context joins it; the score is the dot
    /// product.
    LuongDot,
    /// The same with a matrix between state and annotation.
    LuongGeneral,
    /// The same with Luong's additive score.
    LuongConcat,
    /// The same with a score of the state alone, one for each place.
    LuongLocation,
    /// `luong-general` in a window that moves on one token a step.
    LuongLocalM,
    /// `luong-general` in a window whose center is predicted.
    LuongLocalP,
    /// `luong-general` with one place drawn, learned by REINFORCE (Xu et al. 2015).
    LuongHard,
    /// No attention: the decoder has the encoder's last state alone (Sutskever et al. 2014).
    None,
}

/// The widths in an attention.
#[derive(Debug, Clone, Copy)]
pub(super) struct Widths {
    /// Of a state of the decoder, and of an annotation.
    pub hidden: usize,
    /// Of the hidden layer of an additive score, of a predicted centre, and of Bahdanau's output.
    pub inner: usize,
    /// The longest source, in tokens.
    pub max_keys: usize,
    /// Half the width of a window, in tokens.
    pub window: usize,
}

impl AttentionName {
    /// Its configuration for such widths; `input_feeding` is for Luong's alone.
    pub(super) fn flow(self, widths: Widths, input_feeding: bool) -> FlowConfig {
        let Widths { hidden, inner, max_keys, window } = widths;
        let general = ScoreConfig::General(GeneralConfig::new(hidden, hidden));
        let soft = AlignmentConfig::default();
        let (score, alignment) = match self {
            Self::None => return FlowConfig::Plain,
            Self::Bahdanau => {
                let score = ScoreConfig::Additive(AdditiveConfig::new(hidden, hidden, inner));
                let attention = AttentionConfig::new().with_score(score);
                return FlowConfig::Bahdanau(BahdanauConfig::new(attention, inner));
            }
            Self::LuongDot => (ScoreConfig::Dot(DotConfig::new()), soft),
            Self::LuongGeneral => (general, soft),
            Self::LuongConcat => {
                (ScoreConfig::Concat(ConcatConfig::new(hidden, hidden, inner)), soft)
            }
            Self::LuongLocation => {
                (ScoreConfig::Location(LocationConfig::new(hidden, max_keys)), soft)
            }
            Self::LuongLocalM => {
                (general, AlignmentConfig::LocalMonotonic(LocalMonotonicConfig::new(window)))
            }
            Self::LuongLocalP => {
                let local = LocalPredictiveConfig::new(window, hidden, inner);
                (general, AlignmentConfig::LocalPredictive(local))
            }
            Self::LuongHard => (general, AlignmentConfig::Hard(HardConfig::default())),
        };
        let attention = AttentionConfig::new().with_score(score).with_alignment(alignment);
        FlowConfig::Luong(LuongConfig { input_feeding, ..LuongConfig::new(attention) })
    }
}
