//! Which tensors there are kernels for.

use burn::backend::DispatchTensorKind;
use burn::tensor::{DType, Tensor};

/// Whether a tensor is of f32 and on a processor backend that this crate was told about, with
/// autodiff or without. All others go the way of burn's own operations.
pub(crate) fn has_kernels<const D: usize>(tensor: &Tensor<D>) -> bool {
    fn is_slices(kind: &DispatchTensorKind) -> bool {
        match kind {
            #[cfg(feature = "ndarray")]
            DispatchTensorKind::NdArray(_) => true,
            #[cfg(feature = "flex")]
            DispatchTensorKind::Flex(_) => true,
            DispatchTensorKind::Autodiff(inner) => is_slices(inner),
            #[allow(unreachable_patterns)]
            _ => false,
        }
    }
    tensor.dtype() == DType::F32 && is_slices(&tensor.clone().into_dispatch().kind)
}
