//! The state of a mechanism that was chosen by name.

use super::{AnyMechanism, AttentionState, LinearState, MechanismState, Stepwise};
use crate::Mask;
use burn::tensor::{Device, Int, Tensor};

/// The state of any mechanism; which one, its first step decides.
#[derive(Clone, Debug, Default)]
#[allow(clippy::large_enum_variant, reason = "a decoder has one for each layer")]
#[non_exhaustive]
pub enum AnyState {
    /// Before the first step.
    #[default]
    Empty,
    /// That of [`Attention`](super::Attention).
    Attention(AttentionState),
    /// That of [`LinearAttention`](super::LinearAttention), [`Performer`](super::Performer), [`Retention`](super::Retention) and [`GatedDelta`](super::GatedDelta).
    Linear(LinearState),
}

impl AnyState {
    fn attention(&mut self) -> &mut AttentionState {
        if let Self::Empty = self {
            *self = Self::Attention(AttentionState::default());
        }
        match self {
            Self::Attention(state) => state,
            _ => panic!("attention: the state is that of another mechanism"),
        }
    }

    fn linear(&mut self) -> &mut LinearState {
        if let Self::Empty = self {
            *self = Self::Linear(LinearState::default());
        }
        match self {
            Self::Linear(state) => state,
            _ => panic!("linear mechanism: the state is that of another mechanism"),
        }
    }
}

impl MechanismState for AnyState {
    fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Attention(state) => state.len(),
            Self::Linear(state) => state.len(),
        }
    }

    fn batch(&self) -> Option<(usize, Device)> {
        match self {
            Self::Empty => None,
            Self::Attention(state) => state.batch(),
            Self::Linear(state) => state.batch(),
        }
    }

    fn select_rows(self, rows: &Tensor<1, Int>) -> Self {
        match self {
            Self::Empty => Self::Empty,
            Self::Attention(state) => Self::Attention(state.select_rows(rows)),
            Self::Linear(state) => Self::Linear(state.select_rows(rows)),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Attention(state) => state.bytes(),
            Self::Linear(state) => state.bytes(),
        }
    }
}

/// # Panics
/// Of a mechanism that does not [decode](super::MechanismConfig::decodes), always.
impl Stepwise for AnyMechanism {
    type State = AnyState;

    fn step(
        &self,
        state: &mut AnyState,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
    ) -> Tensor<4> {
        match self {
            Self::Attention(attention) => {
                attention.step(state.attention(), query, key, value, mask)
            }
            Self::LinearAttention(linear) => linear.step(state.linear(), query, key, value, mask),
            Self::Performer(performer) => performer.step(state.linear(), query, key, value, mask),
            Self::Retention(retention) => retention.step(state.linear(), query, key, value, mask),
            Self::GatedDelta(rule) => rule.step(state.linear(), query, key, value, mask),
            Self::Linformer(_) => panic!("linformer: needs all keys at once, takes no steps"),
            Self::Lsh(_) => panic!("lsh: needs all keys at once, takes no steps"),
        }
    }

    fn step_with_weights(
        &self,
        state: &mut AnyState,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
    ) -> (Tensor<4>, Tensor<4>) {
        match self {
            Self::Attention(attention) => {
                attention.step_with_weights(state.attention(), query, key, value, mask)
            }
            Self::LinearAttention(linear) => {
                linear.step_with_weights(state.linear(), query, key, value, mask)
            }
            Self::Performer(performer) => {
                performer.step_with_weights(state.linear(), query, key, value, mask)
            }
            Self::Retention(retention) => {
                retention.step_with_weights(state.linear(), query, key, value, mask)
            }
            Self::GatedDelta(rule) => {
                rule.step_with_weights(state.linear(), query, key, value, mask)
            }
            Self::Linformer(_) => panic!("linformer: needs all keys at once, takes no steps"),
            Self::Lsh(_) => panic!("lsh: needs all keys at once, takes no steps"),
        }
    }
}
