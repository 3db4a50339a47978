//! Tensors that may be absent.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, ExtensionType};

/// A tensor that may be absent; burn's extension macros do not support `Option`.
#[derive(ExtensionType, Clone, Debug)]
pub enum Maybe<B: Backend> {
    /// None.
    Absent,
    /// This one.
    Present(FloatTensor<B>),
}

impl<B: Backend> Maybe<B> {
    pub(crate) fn map<C: Backend>(
        self,
        function: impl FnOnce(FloatTensor<B>) -> FloatTensor<C>,
    ) -> Maybe<C> {
        match self {
            Self::Absent => Maybe::Absent,
            Self::Present(tensor) => Maybe::Present(function(tensor)),
        }
    }

    pub(crate) fn as_ref(&self) -> Option<&FloatTensor<B>> {
        match self {
            Self::Absent => None,
            Self::Present(tensor) => Some(tensor),
        }
    }

    pub(crate) fn into_option(self) -> Option<FloatTensor<B>> {
        match self {
            Self::Absent => None,
            Self::Present(tensor) => Some(tensor),
        }
    }

    pub(crate) fn from_option(tensor: Option<FloatTensor<B>>) -> Self {
        tensor.map_or(Self::Absent, Self::Present)
    }
}
