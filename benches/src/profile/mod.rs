//! Where the time of a training step goes, part by part, ours beside PyTorch's.

#[cfg(feature = "profile")]
mod ours;
mod pytorch;
mod table;

#[cfg(feature = "profile")]
pub use ours::look;
pub use pytorch::look as look_at_pytorch;
pub use table::{Row, head, rows};

use crate::flops;
use crate::setting::Setting;
use serde::Serialize;

/// A part of a training step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Linear maps of attention and feed-forward layers, with their biases.
    Linear,
    /// From queries, keys and values to the context, dropout of the weights included.
    Attention,
    /// The vocabulary projection, and cross-entropy.
    Loss,
    /// Layer normalization.
    Norm,
    /// Of the feed-forward layer.
    Activation,
    /// Dropout of features, and residual connections.
    Dropout,
    /// Tables of tokens and positions.
    Embedding,
    /// AdamW, and the length of the gradient where it is taken.
    Optimizer,
    /// The graph of gradients, additions and copies of nobody in particular.
    Rest,
    /// The thread that leads the step has nothing to do.
    Waiting,
}

impl Part {
    /// Every part, in the order of the table.
    pub const ALL: [Self; 10] = [
        Self::Linear,
        Self::Attention,
        Self::Loss,
        Self::Norm,
        Self::Activation,
        Self::Dropout,
        Self::Embedding,
        Self::Optimizer,
        Self::Rest,
        Self::Waiting,
    ];

    /// What the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear maps",
            Self::Attention => "attention",
            Self::Loss => "vocabulary projection and loss",
            Self::Norm => "norms",
            Self::Activation => "activation",
            Self::Dropout => "dropout and residuals",
            Self::Embedding => "embeddings",
            Self::Optimizer => "optimizer",
            Self::Rest => "everything else",
            Self::Waiting => "waiting",
        }
    }

    /// By the module of `attn_kernels` that a function is in; functions of no operation in particular
    /// belong to whom they work for.
    pub fn of_function(name: &str) -> Option<Self> {
        let (_, path) = name.split_once("attn_kernels::")?;
        let module = path.strip_prefix("cpu::").unwrap_or(path).split("::").next()?;
        Some(match module {
            "linear" => Self::Linear,
            "attention" => Self::Attention,
            "cross_entropy" | "linear_cross_entropy" => Self::Loss,
            "norm" => Self::Norm,
            "activation" => Self::Activation,
            "dropout" | "gradient_accumulator" => Self::Dropout,
            "embedding" => Self::Embedding,
            "adamw" | "sum_of_squares" => Self::Optimizer,
            _ => return None,
        })
    }

    /// Floating-point operations of its matrix products in a training step; `None` if it has none.
    pub fn flops(self, setting: &Setting) -> Option<f64> {
        let [linear, attention, projection] = flops::of_training_parts(setting);
        match self {
            Self::Linear => Some(linear),
            Self::Attention => Some(attention),
            Self::Loss => Some(projection),
            _ => None,
        }
    }
}

/// Seconds of each part of a step, in the order of [`Part::ALL`].
pub type Seconds = [f64; Part::ALL.len()];

/// A profile of one side.
#[derive(Debug, Clone, PartialEq)]
pub struct Looked {
    /// What the table calls the side.
    pub side: String,
    /// Median of the steps that were not looked at.
    pub step: f64,
    /// Of a step, together as much as `step`.
    pub parts: Seconds,
}

impl Looked {
    /// Scales the parts of whatever they were measured in to one step.
    pub(super) fn new(side: String, step: f64, parts: Seconds) -> Self {
        let all: f64 = parts.iter().sum();
        Self { side, step, parts: parts.map(|part| part / all * step) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_belongs_to_the_operation_that_it_is_a_kernel_of() {
        for (name, part) in [
            (
                "<attn_kernels::norm::ops::Norm as attn_kernels::operation::Operation<3,2>>::backward",
                Part::Norm,
            ),
            ("attn_kernels::cpu::linear::multiply::{{closure}}", Part::Linear),
            ("attn_kernels::cross_entropy::linear_ops::forward", Part::Loss),
            ("attn_kernels::cpu::adamw::step", Part::Optimizer),
        ] {
            assert_eq!(Part::of_function(name), Some(part), "{name}");
        }
        for name in ["attn_kernels::cpu::schedule::run_tasks", "burn_flex::ops::add", "main"] {
            assert_eq!(Part::of_function(name), None, "{name}");
        }
    }

    #[test]
    fn the_parts_are_scaled_to_a_step_that_was_not_looked_at() {
        let mut parts = Seconds::default();
        (parts[0], parts[9]) = (3.0, 1.0);
        let looked = Looked::new("ours".into(), 0.5, parts);
        assert_eq!((looked.parts[0], looked.parts[9]), (0.375, 0.125));
    }
}
