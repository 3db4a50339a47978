//! candle on the CPU: attention as its models write it, and its own fused kernel.

use super::contest::{Column, Contender, Repetition};
use super::setting::{Pass, Setting, Visible};
use super::tensors::uniform;
use crate::contest::SideError;
use crate::machine;
use candle_core::{D, DType, Device, Result, Tensor, Var};
use candle_nn::attention::{AttnMask, flash_attn};
use candle_nn::ops::{dropout, softmax, softmax_last_dim};
use std::time::Instant;

/// Two products and a softmax, out of candle's operations.
#[derive(Debug)]
pub struct Candle;

/// [`candle_nn::attention::flash_attn`]: forward only, and of masks it knows the causal one.
#[derive(Debug)]
pub struct CandleFused;

impl Contender for Candle {
    fn name(&self) -> String {
        "candle 0.11, matmul and softmax".into()
    }

    fn column(&self) -> Column {
        Column::Candle
    }

    fn prepare(
        &mut self,
        setting: &Setting,
    ) -> std::result::Result<Option<Repetition<'_>>, SideError> {
        // Scores, their scaled and masked forms, exponentials and weights; as many gradients.
        let matrices = match setting.pass {
            Pass::Forward => 5,
            Pass::Train => 16,
        };
        let fits = |bytes| matrices * setting.scores_bytes() < bytes / 4 * 3;
        if !machine::available_memory().is_none_or(fits) {
            return Ok(None);
        }
        let tensors = Tensors::draw(setting).map_err(|error| failed(self, error))?;
        let pass = setting.pass;
        let side = self.name();
        Ok(Some(timed(side, pass, move || tensors.attend(pass))))
    }
}

impl Contender for CandleFused {
    fn name(&self) -> String {
        "candle 0.11, flash_attn".into()
    }

    fn column(&self) -> Column {
        Column::CandleFused
    }

    fn prepare(
        &mut self,
        setting: &Setting,
    ) -> std::result::Result<Option<Repetition<'_>>, SideError> {
        let causal = match setting.visible {
            Visible::Full => false,
            Visible::Causal => true,
            Visible::Window { .. } | Visible::Documents { .. } => return Ok(None),
        };
        if setting.pass == Pass::Train {
            return Ok(None);
        }
        let Setting { batch, heads, queries, keys, width, .. } = *setting;
        // Its layout has the heads behind the steps.
        let draw = |seed, steps| draw(seed, [batch, steps, heads, width]);
        let tensors = || Ok([draw(0, queries)?, draw(1, keys)?, draw(2, keys)?]);
        let [query, key, value] = tensors().map_err(|error| failed(self, error))?;
        let scale = 1.0 / (width as f32).sqrt();
        Ok(Some(timed(self.name(), Pass::Forward, move || {
            let mask =
                if causal { AttnMask::causal_with_offset(keys - queries) } else { AttnMask::None };
            flash_attn::<f32>(&query, &key, &value, scale, mask, None, None)
        })))
    }
}

fn failed(contender: &impl Contender, error: candle_core::Error) -> SideError {
    SideError { side: contender.name(), reason: error.to_string() }
}

/// Queries, keys, values and bias, learned in a backward pass; what is added to hidden scores.
struct Tensors {
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Option<Tensor>,
    /// `[queries, keys]`, −∞ where hidden.
    hidden: Option<Tensor>,
    scale: f64,
    dropout: Option<f64>,
}

impl Tensors {
    fn draw(setting: &Setting) -> Result<Self> {
        let Setting { batch, heads, queries, keys, width, .. } = *setting;
        let draw = |seed, dims| match setting.pass {
            Pass::Forward => draw(seed, dims),
            Pass::Train => Ok(Var::from_tensor(&draw(seed, dims)?)?.into_inner()),
        };
        Ok(Self {
            query: draw(0, [batch, heads, queries, width])?,
            key: draw(1, [batch, heads, keys, width])?,
            value: draw(2, [batch, heads, keys, width])?,
            bias: setting.bias.then(|| draw(3, [1, heads, queries, keys])).transpose()?,
            hidden: hidden(setting)?,
            scale: 1.0 / (width as f64).sqrt(),
            dropout: setting.dropout,
        })
    }

    fn attend(&self, pass: Pass) -> Result<Tensor> {
        let scores = (self.query.matmul(&self.key.t()?)? * self.scale)?; // [b, h, q, k]
        let scores = match &self.bias {
            Some(bias) => scores.broadcast_add(bias)?,
            None => scores,
        };
        let scores = match &self.hidden {
            Some(hidden) => scores.broadcast_add(hidden)?,
            None => scores,
        };
        let weights = match pass {
            Pass::Forward => softmax_last_dim(&scores)?,
            // The other one has no gradient.
            Pass::Train => softmax(&scores, D::Minus1)?,
        };
        let weights = match self.dropout {
            Some(prob) => dropout(&weights, prob as f32)?,
            None => weights,
        };
        weights.matmul(&self.value) // [b, h, q, width]
    }
}

fn draw(seed: u64, dims: [usize; 4]) -> Result<Tensor> {
    Tensor::from_vec(uniform(seed, dims.iter().product()), &dims, &Device::Cpu)
}

fn hidden(setting: &Setting) -> Result<Option<Tensor>> {
    let Setting { queries, keys, visible, .. } = *setting;
    let sees = |own: usize, key: usize| match visible {
        Visible::Full => true,
        Visible::Causal => key <= own,
        Visible::Window { keys } => key <= own && own < key + keys,
        Visible::Documents { length } => key <= own && key / length == own / length,
    };
    if visible == Visible::Full {
        return Ok(None);
    }
    let own = |query| query + keys - queries;
    let hidden: Vec<f32> = (0..queries)
        .flat_map(|query| (0..keys).map(move |key| (own(query), key)))
        .map(|(own, key)| if sees(own, key) { 0.0 } else { f32::NEG_INFINITY })
        .collect();
    Tensor::from_vec(hidden, (queries, keys), &Device::Cpu)?.to_dtype(DType::F32).map(Some)
}

/// As [`super::tensors::timed`].
fn timed<'a>(
    side: String,
    pass: Pass,
    attention: impl Fn() -> Result<Tensor> + 'a,
) -> Repetition<'a> {
    let once = move || {
        let start = Instant::now();
        let output = attention()?;
        let gradients = match pass {
            Pass::Forward => None,
            Pass::Train => Some(output.backward()?),
        };
        let time = start.elapsed().as_secs_f64();
        drop((output, gradients));
        Ok(time)
    };
    Box::new(move |count| {
        (0..count)
            .map(|_| once())
            .collect::<Result<_>>()
            .map_err(|error| SideError { side: side.clone(), reason: error.to_string() })
    })
}
