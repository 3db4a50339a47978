//! Both writing models as [`StepDecoder`]s, so that greedy decoding, beam search and sampling work
//! on them.

use crate::cache::row_index;
use crate::{DecoderCache, DecoderOnly, EncodedSource, EncoderDecoder, Layout};
use attn_core::AttentionShape;
use attn_generate::{Start, StepDecoder};
use burn::tensor::{Device, Int, Tensor, TensorData};

/// What an [`EncoderDecoder`] knows between two steps: the source, and the target so far.
#[derive(Clone, Debug)]
pub struct EncoderDecoderState {
    memory: EncodedSource,
    cache: DecoderCache,
    /// Of each row, the row of the first memory that it reads.
    sources: Vec<usize>,
    /// The attention of the last step to the source, `[r, s]`, where it is kept.
    attention: Option<Tensor<2>>,
    keeps_attention: bool,
}

impl EncoderDecoderState {
    /// Before the first target token.
    pub fn new(memory: EncodedSource) -> Self {
        let [batch, _, _] = memory.encoded.dims();
        let (cache, sources) = (DecoderCache::new(), (0..batch).collect());
        Self { memory, cache, sources, attention: None, keeps_attention: false }
    }

    /// Keeps the attention of each step to the source, which a
    /// [`CoveragePenalty`](attn_generate::CoveragePenalty) needs: the mean over the heads of the last
    /// decoder block. A step then computes the weights, `[r, h, 1, s]` in every block.
    pub fn with_attention(self) -> Self {
        Self { keeps_attention: true, ..self }
    }

    /// Number of target tokens so far.
    pub fn len(&self) -> usize {
        self.cache.len()
    }

    /// Whether there is no target token yet.
    pub fn is_empty(&self) -> bool {
        self.cache.is_empty()
    }
}

impl EncoderDecoder {
    /// Where generation starts: each target with the token `begin`.
    pub fn start(&self, memory: EncodedSource, begin: u32) -> Start<EncoderDecoderState> {
        let [batch, _, _] = memory.encoded.dims();
        Start::tokens(EncoderDecoderState::new(memory), vec![begin; batch])
    }

    /// [`start`](Self::start) for a beam search with a coverage penalty, see
    /// [`EncoderDecoderState::with_attention`].
    pub fn start_with_attention(
        &self,
        memory: EncodedSource,
        begin: u32,
    ) -> Start<EncoderDecoderState> {
        let [batch, _, _] = memory.encoded.dims();
        Start::tokens(EncoderDecoderState::new(memory).with_attention(), vec![begin; batch])
    }
}

impl StepDecoder for EncoderDecoder {
    type State = EncoderDecoderState;

    /// # Panics
    /// If there is not one token per row, a token is not below the target vocabulary, or the
    /// sequence is longer than [`max_len`](EncoderDecoder::max_len).
    fn step(&self, mut state: Self::State, tokens: &[u32]) -> (Tensor<2>, Self::State) {
        let device = state.memory.encoded.device();
        let target = indices(tokens, [tokens.len(), 1], self.target_vocab(), &device);
        let (memory, cache) = (&state.memory, Some(&mut state.cache));
        if !state.keeps_attention {
            let logits = self.decode(target, memory, cache);
            return (logits.squeeze_dim(1), state);
        }
        let (logits, mut weights) = self.decode_with_weights(target, memory, cache);
        state.attention = weights.pop().map(|weights| weights.mean_dim(1).squeeze_dims(&[1, 2]));
        (logits.squeeze_dim(1), state)
    }

    /// # Panics
    /// If a row is out of range.
    fn reorder(&self, mut state: Self::State, rows: &[usize]) -> Self::State {
        state.cache.reorder_steps(rows);
        state.attention = state.attention.take().map(|attention| {
            let index = row_index(rows, attention.dims()[0], &attention.device());
            index.map_or(attention.clone(), |index| attention.select(0, index))
        });
        let sources: Vec<usize> = rows.iter().map(|&row| state.sources[row]).collect();
        // A search mostly moves hypotheses among those of their own sentence, whose memory is one:
        // then there is nothing to copy.
        if sources != state.sources {
            state.cache.reorder_memory(rows);
            let encoded = &state.memory.encoded;
            if let Some(index) = row_index(rows, encoded.dims()[0], &encoded.device()) {
                state.memory.encoded = state.memory.encoded.select(0, index);
            }
            state.memory.mask = state.memory.mask.select_rows(rows);
            state.sources = sources;
        }
        state
    }

    /// `None` before the first step, and without
    /// [`with_attention`](EncoderDecoderState::with_attention).
    fn attention(&self, state: &Self::State) -> Option<Vec<Vec<f32>>> {
        let weights = state.attention.clone()?; // [r, s]
        let [batch, keys] = weights.dims();
        let shape = AttentionShape { batch, heads: 1, queries: 1, keys };
        let plain = weights.device().without_autodiff();
        let visible = state.memory.mask.lower(&shape, &plain).expand([batch, 1, 1, keys]);
        let visible: Vec<bool> = visible.into_data().iter().collect();
        let weights: Vec<f32> = weights.into_data().iter().collect();
        if keys == 0 {
            return Some(vec![Vec::new(); batch]);
        }
        let rows = weights.chunks(keys).zip(visible.chunks(keys));
        let of_row = |(weights, visible): (&[f32], &[bool])| {
            let seen = weights.iter().zip(visible).filter(|(_, visible)| **visible);
            seen.map(|(&weight, _)| weight).collect()
        };
        Some(rows.map(of_row).collect())
    }
}

/// What a [`DecoderOnly`] model knows between two steps: the tokens so far, and their layout.
#[derive(Clone, Debug)]
pub struct DecoderOnlyState {
    layout: Layout,
    cache: DecoderCache,
}

impl DecoderOnlyState {
    /// Before the first token of sequences laid out like this, such as [`Layout::causal`].
    pub fn new(layout: Layout) -> Self {
        Self { layout, cache: DecoderCache::new() }
    }

    /// Number of tokens so far.
    pub fn len(&self) -> usize {
        self.cache.len()
    }

    /// Whether there is no token yet.
    pub fn is_empty(&self) -> bool {
        self.cache.is_empty()
    }
}

impl DecoderOnly {
    /// Where generation after prompts starts: all but the last token of each has been read, at
    /// once.
    ///
    /// Shorter prompts are padded in front; see [`Layout::left_padded`].
    ///
    /// # Panics
    /// If a prompt is empty, a token is not below the vocabulary, or a prompt is longer than
    /// [`max_len`](DecoderOnly::max_len).
    pub fn start(&self, prompts: Vec<Vec<u32>>) -> Start<DecoderOnlyState> {
        let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
        let pads: Vec<usize> = prompts.iter().map(|prompt| longest - prompt.len()).collect();
        let mut read = Vec::with_capacity(prompts.len() * longest);
        let mut last = Vec::with_capacity(prompts.len());
        for (prompt, &pad) in prompts.iter().zip(&pads) {
            let (&end, rest) = prompt.split_last().expect("a prompt has at least one token");
            // Any token will do where none is seen.
            read.extend(std::iter::repeat_n(0, pad).chain(rest.iter().copied()));
            last.push(end);
        }
        let even = pads.iter().all(|&pad| pad == 0);
        let layout = if even { Layout::causal() } else { Layout::left_padded(pads) };
        let mut state = DecoderOnlyState::new(layout);
        if longest > 1 {
            let dims = [prompts.len(), longest - 1];
            let read = indices(&read, dims, self.vocab(), &self.embedding.weight.device());
            self.hidden(read, &state.layout, Some(&mut state.cache));
        }
        Start::tokens(state, last).with_prompts(prompts)
    }
}

impl StepDecoder for DecoderOnly {
    type State = DecoderOnlyState;

    /// # Panics
    /// If there is not one token per sequence, a token is not below the vocabulary, or the sequence
    /// is longer than [`max_len`](DecoderOnly::max_len).
    fn step(&self, mut state: Self::State, tokens: &[u32]) -> (Tensor<2>, Self::State) {
        let tokens =
            indices(tokens, [tokens.len(), 1], self.vocab(), &self.embedding.weight.device());
        let logits = self.forward(tokens, &state.layout, Some(&mut state.cache));
        (logits.squeeze_dim(1), state)
    }

    fn reorder(&self, mut state: Self::State, rows: &[usize]) -> Self::State {
        state.cache.reorder(rows);
        state.layout = state.layout.select_rows(rows);
        state
    }
}

/// # Panics
/// If a token is not below `vocab`.
fn indices(tokens: &[u32], dims: [usize; 2], vocab: usize, device: &Device) -> Tensor<2, Int> {
    if let Some(token) = tokens.iter().find(|&&token| token as usize >= vocab) {
        panic!("token {token} is out of range, the vocabulary has {vocab}");
    }
    let indices: Vec<i64> = tokens.iter().map(|&token| i64::from(token)).collect();
    Tensor::from_data(TensorData::new(indices, dims), device)
}
