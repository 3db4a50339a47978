//! An attention on a device, asked and compared.

use super::array::Array;
use super::attention::Attention;
use super::oracle::{self, Answer, Cotangents, Problem};
use super::verdict::{Verdict, compare};
use crate::{AttendOptions, Attended, Sink};
use burn::tensor::{Device, Tensor};

/// What is checked.
pub struct Subject<'a> {
    pub attention: &'a dyn Attention,
    /// Without autodiff.
    pub device: Device,
    /// Of the device's arithmetic.
    pub epsilon: f64,
}

/// The ways to ask for attention, which must agree.
#[derive(Clone, Copy, Debug)]
pub enum Entry {
    Attend,
    WithLse,
    WithWeights,
}

/// What an entry returns, as far as it does.
struct Output {
    context: Tensor<4>,
    weights: Option<Tensor<4>>,
    log_sum_exp: Option<Tensor<3>>,
}

/// The same on the host.
#[derive(Debug)]
pub struct Found {
    pub context: Array<f32>,
    pub weights: Option<Array<f32>>,
    /// `[batch, heads, queries, 1]`
    pub log_sum_exp: Option<Array<f32>>,
}

/// Gradients on the host, each with the name of what it belongs to.
pub type FoundGradients = Vec<(&'static str, Array<f32>)>;

impl Subject<'_> {
    /// Every entry answers as the oracle does.
    pub fn check_answer(&self, problem: &Problem) -> Verdict {
        let expected = problem.answer(self.epsilon);
        Entry::ALL.into_iter().try_for_each(|entry| {
            let found = self.answer(problem, entry);
            found.compare(entry.name(), &expected, self.epsilon)
        })
    }

    /// Every entry has the gradients of the oracle.
    pub fn check_gradients(&self, problem: &Problem, upstream: &Cotangents) -> Verdict {
        Entry::ALL.into_iter().try_for_each(|entry| {
            let found = self.gradients(problem, upstream, entry)?;
            let expected = problem.gradients(&entry.reached_by(upstream), self.epsilon);
            let parts = [expected.query, expected.key, expected.value].into_iter();
            let parts = parts.chain(expected.bias).chain(expected.sink);
            found.iter().zip(parts).try_for_each(|((part, found), expected)| {
                compare(&format!("{}: d {part}", entry.name()), found, &expected, self.epsilon)
            })
        })
    }

    /// What an entry answers.
    pub fn answer(&self, problem: &Problem, entry: Entry) -> Found {
        self.call(problem, &Inputs::new(problem, &self.device), entry).read()
    }

    /// What `align` makes of scores; the problem's own queries and keys do not matter.
    pub fn align(&self, problem: &Problem, scores: &Array<f64>) -> Found {
        let (scores, value) = (scores.tensor(&self.device), problem.value.tensor(&self.device));
        let attended = self.attention.align(scores, value, &problem.mask, problem.dropout);
        Output::from(attended).read()
    }

    /// The gradients of an entry.
    ///
    /// # Errors
    /// If one is missing.
    pub fn gradients(
        &self,
        problem: &Problem,
        upstream: &Cotangents,
        entry: Entry,
    ) -> Result<FoundGradients, String> {
        let device = self.device.clone().autodiff();
        let inputs = Inputs::new(problem, &device).require_grad();
        let output = self.call(problem, &inputs, entry);
        let dot = |tensor: Tensor<4>, array: &Array<f64>| (tensor * array.tensor(&device)).sum();
        let mut loss = dot(output.context, &upstream.context);
        if let Some(weights) = output.weights {
            loss = loss + dot(weights, &upstream.weights);
        }
        if let Some(lse) = output.log_sum_exp {
            // Where a log-sum-exp is -∞, the loss is not a number; its gradients are.
            loss = loss + dot(lse.unsqueeze_dim(3), &upstream.log_sum_exp);
        }
        let gradients = loss.backward();
        let read = |(name, input): (&'static str, Tensor<4>)| match input.grad(&gradients) {
            Some(gradient) => Ok((name, Array::read(gradient))),
            None => Err(format!("{}: {name} has no gradient", entry.name())),
        };
        inputs.named().into_iter().map(read).collect()
    }

    fn call(&self, problem: &Problem, inputs: &Inputs, entry: Entry) -> Output {
        let Inputs { query, key, value, bias, sink } = inputs.clone();
        let (attention, mask) = (self.attention, &problem.mask);
        let Problem { scale, softcap, dropout, .. } = *problem;
        let sink = problem.sink.as_ref().map(|_| match sink {
            None => Sink::Zero,
            Some(logits) => Sink::Learned(logits.flatten(0, 3)),
        });
        let options = AttendOptions { scale, softcap, bias, sink, dropout };
        match entry {
            Entry::Attend => {
                let context = attention.attend(query, key, value, mask, &options);
                Output { context, weights: None, log_sum_exp: None }
            }
            Entry::WithLse => {
                let (context, lse) = attention.attend_with_lse(query, key, value, mask, &options);
                Output { context, weights: None, log_sum_exp: Some(lse) }
            }
            Entry::WithWeights => {
                attention.attend_with_weights(query, key, value, mask, &options).into()
            }
        }
    }
}

impl Entry {
    pub const ALL: [Self; 3] = [Self::Attend, Self::WithLse, Self::WithWeights];

    fn name(self) -> &'static str {
        match self {
            Self::Attend => "attend",
            Self::WithLse => "attend_with_lse",
            Self::WithWeights => "attend_with_weights",
        }
    }

    /// The upstream gradients, without those of what the entry does not return.
    fn reached_by(self, upstream: &Cotangents) -> Cotangents {
        let zeros = |array: &Array<f64>| Array::filled(array.dims(), 0.0);
        let mut upstream = upstream.clone();
        if matches!(self, Self::Attend) {
            upstream.log_sum_exp = zeros(&upstream.log_sum_exp);
        }
        if matches!(self, Self::Attend | Self::WithLse) {
            upstream.weights = zeros(&upstream.weights);
        }
        upstream
    }
}

/// The tensors of a problem.
#[derive(Clone)]
struct Inputs {
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    bias: Option<Tensor<4>>,
    /// `[1, heads, 1, 1]`
    sink: Option<Tensor<4>>,
}

impl Inputs {
    fn new(problem: &Problem, device: &Device) -> Self {
        Self {
            query: problem.query.tensor(device),
            key: problem.key.tensor(device),
            value: problem.value.tensor(device),
            bias: problem.bias.as_ref().map(|bias| bias.tensor(device)),
            sink: match &problem.sink {
                Some(oracle::Sink::Learned(logits)) => Some(logits.tensor(device)),
                _ => None,
            },
        }
    }

    fn require_grad(self) -> Self {
        Self {
            query: self.query.require_grad(),
            key: self.key.require_grad(),
            value: self.value.require_grad(),
            bias: self.bias.map(Tensor::require_grad),
            sink: self.sink.map(Tensor::require_grad),
        }
    }

    fn named(self) -> Vec<(&'static str, Tensor<4>)> {
        let inputs = [("query", self.query), ("key", self.key), ("value", self.value)];
        let bias = self.bias.map(|bias| ("bias", bias));
        let sink = self.sink.map(|sink| ("sink", sink));
        inputs.into_iter().chain(bias).chain(sink).collect()
    }
}

impl Output {
    fn read(self) -> Found {
        Found {
            context: Array::read(self.context),
            weights: self.weights.map(Array::read),
            log_sum_exp: self.log_sum_exp.map(|lse| Array::read(lse.unsqueeze_dim(3))),
        }
    }
}

impl From<Attended> for Output {
    fn from(attended: Attended) -> Self {
        let Attended { context, weights, log_sum_exp } = attended;
        Self { context, weights: Some(weights), log_sum_exp: Some(log_sum_exp) }
    }
}

impl Found {
    /// Whether this is what the oracle says, as far as it goes.
    pub fn compare(&self, name: &str, expected: &Answer, epsilon: f64) -> Verdict {
        let part = |part: &str| format!("{name}: {part}");
        compare(&part("context"), &self.context, &expected.context, epsilon)?;
        if let Some(weights) = &self.weights {
            compare(&part("weight"), weights, &expected.weights, epsilon)?;
        }
        match &self.log_sum_exp {
            Some(lse) => compare(&part("log-sum-exp"), lse, &expected.log_sum_exp, epsilon),
            None => Ok(()),
        }
    }

    /// The parts that there are.
    pub fn parts(&self) -> impl Iterator<Item = &Array<f32>> {
        [Some(&self.context), self.weights.as_ref(), self.log_sum_exp.as_ref()]
            .into_iter()
            .flatten()
    }
}
