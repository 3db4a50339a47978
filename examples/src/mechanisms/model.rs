//! The smallest model that has to attend: embeddings, one attention, one linear map.

use super::family::Member;
use super::task::{DISTRACTORS, KEYS, QUESTIONS, Recalls, VALUES};
use attn_core::alignment::{Draw, Past};
use attn_core::mechanism::AnyMechanism;
use attn_core::{Mask, Mechanism};
use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

/// Heads of the attention.
pub const HEADS: usize = 2;
/// Width of a head.
pub const D_HEAD: usize = 16;
const D_MODEL: usize = HEADS * D_HEAD;

/// Items are the sum of what they are called and what they are bound to; a question is what an item
/// is called.
#[derive(Module, Debug)]
pub struct Recaller {
    key: Embedding,
    value: Embedding,
    project_query: Linear,
    project_key: Linear,
    project_value: Linear,
    output: Linear,
    /// What the questions look at the items with.
    pub mechanism: AnyMechanism,
    #[module(skip)]
    mask: fn(usize) -> Mask,
    #[module(skip)]
    is_square: bool,
}

/// What [`Recaller::forward`] returns.
#[derive(Clone, Debug)]
pub struct Answer {
    /// `[batch, questions, values]`
    pub logits: Tensor<3>,
    /// The draw, where keys were drawn.
    pub draw: Option<Draw>,
}

impl Recaller {
    /// A model with random weights.
    pub fn new(member: &Member, device: &Device) -> Self {
        let embedding = |count| EmbeddingConfig::new(count, D_MODEL).init(device);
        let linear = |to| LinearConfig::new(D_MODEL, to).with_bias(false).init(device);
        Self {
            key: embedding(KEYS + DISTRACTORS),
            value: embedding(VALUES + 1),
            project_query: linear(D_MODEL),
            project_key: linear(D_MODEL),
            project_value: linear(D_MODEL),
            output: linear(VALUES),
            mechanism: member.config.init(device),
            mask: member.mask,
            is_square: member.is_square(),
        }
    }

    /// Answers the questions.
    pub fn forward(&self, recalls: &Recalls, device: &Device) -> Answer {
        let ([query, key, value], mask) = self.ask(recalls, device);
        let (context, draw) = match &self.mechanism {
            AnyMechanism::Attention(attention) => {
                let memory = attention.project_memory(key, value);
                let reading = attention.cross_attend(query, &memory, &mask, &mut Past::start());
                (reading.context, reading.draw)
            }
            mechanism => (mechanism.forward(query, key, value, &mask), None),
        };
        let context = of_questions(context).swap_dims(1, 2); // [b, questions, h, d]
        let context = context.reshape([recalls.batch, QUESTIONS, D_MODEL]);
        Answer { logits: self.output.forward(context), draw }
    }

    /// Weights of the items for each question, `[batch, heads, questions, items]`.
    pub fn weights(&self, recalls: &Recalls, device: &Device) -> Tensor<4> {
        let ([query, key, _], mask) = self.ask(recalls, device);
        let weights = self.mechanism.weights(query, key, &mask);
        of_questions(weights).slice_dim(3, 0..recalls.items)
    }

    /// Queries, keys and values, `[b, h, _, d]`, and who may look at what.
    fn ask(&self, recalls: &Recalls, device: &Device) -> ([Tensor<4>; 3], Mask) {
        let [keys, values, asked] = recalls.tensors(device);
        let items = self.key.forward(keys) + self.value.forward(values); // [b, items, m]
        let questions = self.key.forward(asked); // [b, questions, m]
        if !self.is_square {
            let mask = (self.mask)(recalls.items);
            return (self.project(questions, items), mask);
        }
        // One sequence, of which everyone sees the items.
        let all = Tensor::cat(vec![items, questions], 1);
        let mask = (self.mask)(recalls.items + QUESTIONS) & Mask::padding([recalls.items]);
        (self.project(all.clone(), all), mask)
    }

    fn project(&self, who: Tensor<3>, what: Tensor<3>) -> [Tensor<4>; 3] {
        let heads = |x: Tensor<3>| {
            let [b, n, _] = x.dims();
            x.reshape([b, n, HEADS, D_HEAD]).swap_dims(1, 2)
        };
        [
            heads(self.project_query.forward(who)),
            heads(self.project_key.forward(what.clone())),
            heads(self.project_value.forward(what)),
        ]
    }
}

/// The last queries of a sequence that ends with the questions.
fn of_questions(rows: Tensor<4>) -> Tensor<4> {
    let queries = rows.dims()[2];
    rows.slice_dim(2, queries - QUESTIONS..queries)
}
