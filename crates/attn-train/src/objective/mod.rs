//! What is minimised: a model and a batch become a loss.

mod regularization;
mod seq2seq;

use attn_core::regularize::EntropyRegularizer;
use attn_core::teacher_forcing::{LanguageModel, TokenScores};
use burn::tensor::Device;

pub use regularization::ObjectiveError;

use crate::batch::{BlockBatch, TokenBatch};
use crate::loss::{LossSum, cross_entropy, projected_cross_entropy};
use crate::tokenizer::PAD;

/// The loss of a model `M` on a batch `B`.
///
/// The loss is a **sum** over what is counted, with the count beside it, so that several batches
/// make one step exactly as one large batch would (see [`LossSum`]). What is counted is up to the
/// objective: tokens for text, rows for vectors.
///
/// A closure is an objective, so a user's own module needs no more than this:
///
/// ```
/// use attn_train::loss::LossSum;
/// use attn_train::{AdamWConfig, Progress, Schedule, Trainer, TrainerConfig};
/// use burn::module::Module;
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{Device, Tensor};
///
/// #[derive(Module, Debug)]
/// struct Line {
///     linear: Linear,
/// }
///
/// /// Points (x, y) to lay a line through.
/// type Points = Vec<(f32, f32)>;
///
/// fn squared_error(model: &Line, points: &Points, device: &Device) -> LossSum {
///     let column = |of: fn(&(f32, f32)) -> f32| {
///         let values: Vec<f32> = points.iter().map(of).collect();
///         Tensor::<1>::from_floats(values.as_slice(), device).unsqueeze_dim::<2>(1) // [n, 1]
///     };
///     let error = model.linear.forward(column(|p| p.0)) - column(|p| p.1); // [n, 1]
///     LossSum { sum: error.square().sum(), tokens: points.len() }
/// }
///
/// let device = Device::default().autodiff();
/// let model = Line { linear: LinearConfig::new(1, 1).init(&device) };
/// let config = TrainerConfig {
///     max_steps: Some(300),
///     schedule: Schedule::Constant { peak: 0.05, warmup: 0 },
///     clip_norm: None,
///     ..TrainerConfig::default()
/// };
/// let mut trainer = Trainer::new(config, model, squared_error, &device)?;
///
/// let mut data: Vec<Points> = vec![vec![(0.0, 1.0), (1.0, 3.0)], vec![(2.0, 5.0)]];
/// trainer.fit(&mut data, &mut Vec::new())?; // an empty source: no validation
///
/// let slope: f32 = trainer.model().linear.weight.val().into_scalar();
/// assert!((slope - 2.0).abs() < 0.05, "{slope}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Objective<M, B> {
    /// Loss that is trained on.
    ///
    /// In training the model is on an autodiff device and `device` is that device; in evaluation
    /// neither has autodiff.
    fn loss(&self, model: &M, batch: &B, device: &Device) -> LossSum;

    /// Whether the objective can be computed of this model; checked before the first step.
    ///
    /// # Errors
    /// If it needs something that the model does not return.
    fn check(&self, _model: &M) -> Result<(), ObjectiveError> {
        Ok(())
    }

    /// Loss that runs are compared by; that of training unless an objective says otherwise.
    fn validation_loss(&self, model: &M, batch: &B, device: &Device) -> LossSum {
        self.loss(model, batch, device)
    }
}

impl<M, B, F: Fn(&M, &B, &Device) -> LossSum> Objective<M, B> for F {
    fn loss(&self, model: &M, batch: &B, device: &Device) -> LossSum {
        self(model, batch, device)
    }
}

/// Cross-entropy of the next token by teacher forcing: of the target of a [`SequenceToSequence`] model
/// on a [`PairBatch`], of the stream of a [`LanguageModel`] on a [`BlockBatch`].
///
/// [`SequenceToSequence`]: attn_core::teacher_forcing::SequenceToSequence
/// [`PairBatch`]: crate::batch::PairBatch
///
/// Label smoothing and regularizers are for training alone: validation measures the plain
/// cross-entropy, whose exponential is the perplexity.
///
/// ```
/// use attn_core::regularize::{EntropyGoal, EntropyRegularizer};
/// use attn_train::SequenceLoss;
///
/// let loss = SequenceLoss::new(0.1)
///     .with_coverage_loss(1.0)
///     .with_attention_entropy(EntropyRegularizer::new(EntropyGoal::Focus, 0.01));
/// assert_eq!(loss.coverage_loss, 1.0);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct SequenceLoss {
    /// Probability taken from the right token and spread over all.
    pub label_smoothing: f64,
    /// `λ` of See et al. (2017), equation 13: the weight of the attention to source tokens that earlier
    /// target tokens attended to, added up over the target tokens. Not 0 only for models that return
    /// attention weights.
    pub coverage_loss: f64,
    /// A term for the entropy of the attention of each target token, added up over the target tokens.
    /// Not `None` only for models that return attention weights.
    pub attention_entropy: Option<EntropyRegularizer>,
}

impl SequenceLoss {
    /// Cross-entropy with this label smoothing, without regularizers.
    pub fn new(label_smoothing: f64) -> Self {
        Self { label_smoothing, ..Self::default() }
    }

    /// With a coverage loss of this weight.
    pub fn with_coverage_loss(self, coverage_loss: f64) -> Self {
        Self { coverage_loss, ..self }
    }

    /// With a term for the entropy of attention.
    pub fn with_attention_entropy(self, regularizer: EntropyRegularizer) -> Self {
        Self { attention_entropy: Some(regularizer), ..self }
    }
}

impl<M: LanguageModel> Objective<M, BlockBatch> for SequenceLoss {
    fn loss(&self, model: &M, batch: &BlockBatch, device: &Device) -> LossSum {
        let scores = model.predict_next(batch.input.tensor(device));
        token_loss(scores, &batch.target, self.label_smoothing)
    }

    fn check(&self, _model: &M) -> Result<(), ObjectiveError> {
        self.check_weights(false)
    }

    fn validation_loss(&self, model: &M, batch: &BlockBatch, device: &Device) -> LossSum {
        SequenceLoss::default().loss(model, batch, device)
    }
}

/// Cross-entropy of the targets, summed over the real ones; never with the logits of all positions at
/// once, unless the model gives no others.
fn token_loss(scores: TokenScores, targets: &TokenBatch, smoothing: f64) -> LossSum {
    match scores {
        TokenScores::Projected { features, weight, bias } => {
            let features = features.flatten::<2>(0, 1); // [b · t, m]
            projected_cross_entropy(features, (weight, bias), &targets.ids, smoothing, PAD)
        }
        TokenScores::Logits(logits) => {
            let logits = logits.flatten::<2>(0, 1); // [b · t, v]
            cross_entropy(logits, &targets.ids, smoothing, PAD)
        }
    }
}
