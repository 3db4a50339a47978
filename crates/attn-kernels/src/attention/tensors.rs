//! The tensors of an attention, and their gradients.

use crate::maybe::Maybe;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, ExtensionType};

/// The tensors of an attention.
#[derive(ExtensionType, Clone, Debug)]
pub struct Inputs<B: Backend> {
    /// `[batch, heads, queries, d]`
    pub query: FloatTensor<B>,
    /// `[batch, kv_heads, keys, d]`
    pub key: FloatTensor<B>,
    /// `[batch, kv_heads, keys, value_dim]`
    pub value: FloatTensor<B>,
    /// `[batch | 1, heads | 1, queries | 1, keys | 1]`
    #[extension_type]
    pub bias: Maybe<B>,
    /// `[heads]`
    #[extension_type]
    pub sink: Maybe<B>,
}

/// Gradients of [`Inputs`].
#[derive(ExtensionType, Clone, Debug)]
pub struct Gradients<B: Backend> {
    pub query: FloatTensor<B>,
    pub key: FloatTensor<B>,
    pub value: FloatTensor<B>,
    #[extension_type]
    pub bias: Maybe<B>,
    #[extension_type]
    pub sink: Maybe<B>,
}
