//! In which type attention is computed.

use super::tensors::{Gradients, Inputs};
use crate::maybe::Maybe;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{DType, FloatDType};

/// The type in which attention on tensors of type `storage` is computed: f32 at least.
pub(super) fn compute_dtype(storage: DType) -> DType {
    match storage {
        DType::F16 | DType::BF16 => DType::F32,
        wide => wide,
    }
}

/// The tensor in another type; itself if it has that type.
pub(super) fn cast<B: Backend>(tensor: FloatTensor<B>, dtype: DType) -> FloatTensor<B> {
    if tensor.dtype() == dtype { tensor } else { B::float_cast(tensor, FloatDType::from(dtype)) }
}

/// All tensors in the type in which the attention of this query is computed.
pub(super) fn widen<B: Backend>(inputs: Inputs<B>) -> Inputs<B> {
    let dtype = compute_dtype(inputs.query.dtype());
    Inputs {
        query: cast::<B>(inputs.query, dtype),
        key: cast::<B>(inputs.key, dtype),
        value: cast::<B>(inputs.value, dtype),
        bias: inputs.bias.map(|bias| cast::<B>(bias, dtype)),
        sink: inputs.sink.map(|sink| cast::<B>(sink, dtype)),
    }
}

/// The types of some inputs, for their gradients.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storage {
    query: DType,
    key: DType,
    value: DType,
    bias: Option<DType>,
    sink: Option<DType>,
}

impl Storage {
    pub(super) fn of<B: Backend>(inputs: &Inputs<B>) -> Self {
        let of = |maybe: &Maybe<B>| match maybe {
            Maybe::Absent => None,
            Maybe::Present(tensor) => Some(tensor.dtype()),
        };
        Self {
            query: inputs.query.dtype(),
            key: inputs.key.dtype(),
            value: inputs.value.dtype(),
            bias: of(&inputs.bias),
            sink: of(&inputs.sink),
        }
    }

    /// Gradients, each in the type of its tensor.
    pub(super) fn narrow<B: Backend>(&self, gradients: Gradients<B>) -> Gradients<B> {
        let maybe = |gradient: Maybe<B>, dtype: Option<DType>| match dtype {
            None => Maybe::Absent,
            Some(dtype) => gradient.map(|tensor| cast::<B>(tensor, dtype)),
        };
        Gradients {
            query: cast::<B>(gradients.query, self.query),
            key: cast::<B>(gradients.key, self.key),
            value: cast::<B>(gradients.value, self.value),
            bias: maybe(gradients.bias, self.bias),
            sink: maybe(gradients.sink, self.sink),
        }
    }
}
