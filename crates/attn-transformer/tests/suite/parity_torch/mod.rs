//! The same weights and inputs give the same outputs and gradients as in PyTorch.
//!
//! The references in `tests/data` name the release of PyTorch that printed them;
//! `tests/data/torch_reference.py` prints them again.

mod encoder_decoder;
mod multi_head_attention;
mod reference;
